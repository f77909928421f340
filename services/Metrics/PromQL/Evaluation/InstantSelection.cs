using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>What an instant selector yields at each step.</summary>
internal static class InstantSelection
{
    /// <summary>The newest sample of each series at each step, unless it is stale or older than the lookback.</summary>
    /// <param name="of">What to yield in place of a sample: given the series and the sample's position in it.</param>
    public static VectorBlock Newest(Evaluator evaluator, VectorSelector selector, StepGrid grid, Func<SeriesSamples, int, double>? of = null)
    {
        var found = evaluator.Fetch(selector);
        var columns = new BlockSeries?[found.Count];
        var (pinned, offset, lookback) = (evaluator.AtTime(selector.At), DurationArithmetic.Offset(selector, evaluator.Query), evaluator.Options.LookbackMs);
        SideBySide.ForEach(columns.Length, grid.IsInstant ? 0 : (long)grid.Steps * columns.Length, evaluator.Cancellation, i =>
        {
            evaluator.Cancellation.ThrowIfCancellationRequested();
            columns[i] = Column(found[i]);
        });
        return new(columns.OfType<BlockSeries>().ToArray());

        BlockSeries? Column(SeriesSamples series)
        {
            var times = series.Times.Span;
            var values = series.Values.Span;
            var histograms = series.Histograms.Span;
            var column = Samples.NoneOf(grid.Steps);
            FloatHistogram?[]? histogramColumn = null;
            var (next, size) = (-1, 0L);
            for (var step = 0; step < grid.Steps; step++)
            {
                var time = (pinned ?? grid.TimeOf(step)) - offset;
                next = next < 0 ? Evaluator.UpperBound(times, time) : Evaluator.Advance(times, next, time);
                if (next == 0 || times[next - 1] <= time - LookbackOf(series, time, lookback)) continue;
                if (histograms.IsEmpty && of is null)
                {
                    var value = values[next - 1];
                    if (Samples.IsStale(value)) continue;
                    column[step] = value;
                    size++;
                    continue;
                }
                var histogram = histograms.IsEmpty ? null : histograms[next - 1];
                if (histogram?.IsStale ?? Samples.IsStale(values[next - 1])) continue;
                size += histogram is null || of is not null ? 1 : histogram.SampleSize;
                if (of is not null) column[step] = of(series, next - 1);
                else if (histogram is null) column[step] = values[next - 1];
                else (histogramColumn ??= new FloatHistogram?[grid.Steps])[step] = histogram;
            }
            if (size == 0) return null;
            evaluator.Charge(size);
            return new(series.Labels, column, DropName: of is not null) { Histograms = histogramColumn };
        }
    }

    // Where there are no samples any more, a rollup's last value stands until that of the next one may come.
    private static long LookbackOf(SeriesSamples series, long moment, long lookback) => moment <= series.RolledThrough ? Math.Max(lookback, 2 * series.ResolutionMs) : lookback;

    /// <summary>The value of each series at each step, interpolated between the samples around it; after the last sample, that one.</summary>
    public static VectorBlock Smoothed(Evaluator evaluator, VectorSelector selector, StepGrid grid)
    {
        var found = evaluator.Fetch(selector);
        var builder = new BlockBuilder(grid.Steps);
        var (pinned, offset, lookback) = (evaluator.AtTime(selector.At), DurationArithmetic.Offset(selector, evaluator.Query), evaluator.Options.LookbackMs);
        foreach (var samples in found)
        {
            evaluator.Cancellation.ThrowIfCancellationRequested();
            var series = RangeSeries.From(samples);
            var remarks = new HistogramOperations(evaluator.Annotations, samples.Labels.Name, selector.Position);
            for (var step = 0; step < grid.Steps; step++)
            {
                var time = (pinned ?? grid.TimeOf(step)) - offset;
                var value = At(series, time, lookback, remarks);
                if (value.IsAbsent) continue;
                evaluator.Charge(value.Histogram?.SampleSize ?? 1);
                builder.Set(builder.Place(series.Labels, dropName: false), step, value);
            }
        }
        return builder.Build();
    }

    private static Sample At(RangeSeries series, long time, long lookback, HistogramOperations remarks)
    {
        var times = series.Times.Span;
        var histogramTimes = series.Histograms.Times.Span;
        var (from, to) = Bounds(times);
        var (first, last) = Bounds(histogramTimes);
        if (to > from && last > first)
        {
            remarks.WarnMixedRange();
            return Sample.Absent;
        }
        if (to > from)
        {
            var values = series.Values.Span;
            var at = from + ExtendedRanges.FirstAtOrAfter(times[from..to], time);
            if (at < to && times[at] == time) return values[at];
            if (at == from) return Sample.Absent;
            return at == to ? values[at - 1] : ExtendedRanges.Interpolate(times[at - 1], values[at - 1], times[at], values[at], time, isCounter: false);
        }
        if (last == first) return Sample.Absent;
        var histograms = series.Histograms.Values.Span;
        var next = first + ExtendedRanges.FirstAtOrAfter(histogramTimes[first..last], time);
        if (next < last && histogramTimes[next] == time) return histograms[next];
        if (next == first) return Sample.Absent;
        // A hint is about two samples in a row, which this is none of.
        if (next == last) return histograms[next - 1] with { Hint = CounterResetHint.Unknown };
        var (before, after) = (histograms[next - 1], histograms[next]);
        var isCounter = before.Hint != CounterResetHint.Gauge || after.Hint != CounterResetHint.Gauge;
        return ExtendedRanges.Interpolate(histogramTimes[next - 1], before, histogramTimes[next], after, time, isCounter, remarks) is { } value ? value : Sample.Absent;

        (int, int) Bounds(ReadOnlySpan<long> all) => (Evaluator.UpperBound(all, time - lookback), Evaluator.UpperBound(all, time + lookback));
    }
}

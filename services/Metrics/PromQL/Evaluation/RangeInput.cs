using Vigil.Metrics.Rollups;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>The histograms among the samples of a series, none of them stale.</summary>
/// <param name="StartTimes">See <see cref="SeriesSamples.StartTimes"/>.</param>
internal readonly record struct HistogramSamples(ReadOnlyMemory<long> Times, ReadOnlyMemory<FloatHistogram> Values, ReadOnlyMemory<long> StartTimes);

/// <summary>One series of a range vector: all samples that any step's window may hold, none of them stale. Floats and histograms stand apart.</summary>
internal readonly record struct RangeSeries(LabelSet Labels, ReadOnlyMemory<long> Times, ReadOnlyMemory<double> Values, bool DropName)
{
    /// <summary>See <see cref="SeriesSamples.StartTimes"/>.</summary>
    public ReadOnlyMemory<long> StartTimes { get; init; }

    public HistogramSamples Histograms { get; init; }

    /// <summary>See <see cref="SeriesSamples.Rollups"/>.</summary>
    public ReadOnlyMemory<Rollup> Rollups { get; init; }

    public bool HasHistograms => !Histograms.Times.IsEmpty;

    /// <summary>Takes the stale samples out of what storage gave, and sets floats and histograms apart.</summary>
    public static RangeSeries From(SeriesSamples samples)
    {
        var values = samples.Values.Span;
        var histograms = samples.Histograms.Span;
        var times = samples.Times.Span;
        var starts = samples.StartTimes.Span;
        if (histograms.IsEmpty)
        {
            if (!values.ContainsStale()) return new(samples.Labels, samples.Times, samples.Values, false) { StartTimes = samples.StartTimes, Rollups = samples.Rollups };
        }
        var (keptTimes, keptValues, keptStarts) = (new List<long>(values.Length), new List<double>(values.Length), new List<long>());
        var (histogramTimes, histogramValues, histogramStarts) = (new List<long>(), new List<FloatHistogram>(), new List<long>());
        for (var i = 0; i < times.Length; i++)
        {
            if (!histograms.IsEmpty && histograms[i] is { } histogram)
            {
                if (histogram.IsStale) continue;
                histogramTimes.Add(times[i]);
                histogramValues.Add(histogram);
                if (!starts.IsEmpty) histogramStarts.Add(starts[i]);
            }
            else if (!Samples.IsStale(values[i]))
            {
                keptTimes.Add(times[i]);
                keptValues.Add(values[i]);
                if (!starts.IsEmpty) keptStarts.Add(starts[i]);
            }
        }
        return new(samples.Labels, keptTimes.ToArray(), keptValues.ToArray(), false)
        {
            StartTimes = keptStarts.ToArray(),
            Rollups = samples.Rollups,
            Histograms = new(histogramTimes.ToArray(), histogramValues.ToArray(), histogramStarts.ToArray()),
        };
    }

    /// <summary>
    /// The samples of a series over a grid. Hints on resets become unknown: between two steps there may be samples that the grid does not show, or a
    /// sample may be shown twice.
    /// </summary>
    public static RangeSeries From(BlockSeries series, StepGrid grid)
    {
        var (times, values) = (new List<long>(grid.Steps), new List<double>(grid.Steps));
        var (histogramTimes, histograms) = (new List<long>(), new List<FloatHistogram>());
        for (var step = 0; step < grid.Steps; step++)
        {
            if (!Samples.IsAbsent(series.Values[step]))
            {
                times.Add(grid.TimeOf(step));
                values.Add(series.Values[step]);
            }
            else if (series.Histograms?[step] is { } histogram)
            {
                histogramTimes.Add(grid.TimeOf(step));
                histograms.Add(histogram.Hint is CounterResetHint.Reset or CounterResetHint.NotReset ? histogram with { Hint = CounterResetHint.Unknown } : histogram);
            }
        }
        return new(series.Labels, times.ToArray(), values.ToArray(), series.DropName)
        {
            Histograms = new(histogramTimes.ToArray(), histograms.ToArray(), default),
        };
    }
}

/// <summary>A range vector over a grid: at each step, the window of <paramref name="RangeMs"/> up to that step (or the pinned time) less the offset, or that of the calendar at that moment.</summary>
/// <param name="LookbackMs">How far around the window samples are taken too, where the boundary asks for that.</param>
internal sealed record RangeInput(IReadOnlyList<RangeSeries> Series, long RangeMs, long OffsetMs, long? PinnedMs, Boundary Boundary, long LookbackMs)
{
    /// <summary>How far before the window's start samples are taken.</summary>
    public long BeforeMs => Boundary == Boundary.Plain ? 0 : LookbackMs;

    /// <summary>How far behind the window's end samples are taken.</summary>
    public long BehindMs => Boundary == Boundary.Smoothed ? LookbackMs : 0;

    /// <summary>The windows by step, where they go by the calendar; else null.</summary>
    public TimeWindow[]? Windows { get; init; }

    /// <summary>The window's end at a step.</summary>
    public long EndOf(StepGrid grid, int step) => Windows is { } windows ? windows[step].EndMs : (PinnedMs ?? grid.TimeOf(step)) - OffsetMs;

    /// <summary>The window's start at a step, which is not in it. Neither starts nor ends go back from step to step.</summary>
    public long StartOf(StepGrid grid, int step) => Windows is { } windows ? windows[step].StartMs : (PinnedMs ?? grid.TimeOf(step)) - OffsetMs - RangeMs;
}

/// <summary>What a function over a range vector is given: the samples of one series in one window; at least one.</summary>
internal readonly ref struct Window(ReadOnlySpan<long> times, ReadOnlySpan<double> values, long endMs, long rangeMs, long evaluatedAtMs)
{
    public ReadOnlySpan<long> Times { get; } = times;

    public ReadOnlySpan<double> Values { get; } = values;

    /// <summary>The number of floats.</summary>
    public int Count => Values.Length;

    /// <summary>Not in the window.</summary>
    public long StartMs => EndMs - RangeMs;

    public long EndMs { get; } = endMs;

    public long RangeMs { get; } = rangeMs;

    /// <summary>The step, whatever the offset.</summary>
    public long EvaluatedAtMs { get; } = evaluatedAtMs;

    /// <summary>See <see cref="SeriesSamples.StartTimes"/>.</summary>
    public ReadOnlySpan<long> StartTimes { get; init; }

    public ReadOnlySpan<long> HistogramTimes { get; init; }

    public ReadOnlySpan<FloatHistogram> Histograms { get; init; }

    /// <summary>See <see cref="SeriesSamples.StartTimes"/>.</summary>
    public ReadOnlySpan<long> HistogramStartTimes { get; init; }

    public Boundary Boundary { get; init; }

    /// <summary>No value is below the one before it. False also where that was not looked at.</summary>
    public bool NeverFalls { get; init; }
}

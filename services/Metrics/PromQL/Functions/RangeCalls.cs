using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Evaluates calls of functions over range vectors.</summary>
internal static class RangeCalls
{
    public static VectorBlock Evaluate(Evaluator evaluator, CallExpr call, RangeFunction function, StepGrid grid)
    {
        var name = call.Function.Name;
        var rangeAt = call.Arguments.TakeWhile(a => a.Type != ExprType.RangeVector).Count();
        var argument = call.Arguments[rangeAt];
        var scalars = call.Arguments.Where((_, i) => i != rangeAt).Select(a => evaluator.Scalar(a, grid)).ToArray();
        ExtendedRanges.Check(argument.Unwrap() is MatrixSelector { Vector.Boundary: var boundary } ? boundary : Boundary.Plain, name);
        var input = evaluator.RangeOf(argument, grid);
        var floats = Floats(evaluator, name, input, function, scalars, grid);
        // These two behave like an offset: the sample is the metric's own.
        var keepsName = name is "first_over_time" or "last_over_time";
        var result = new List<BlockSeries>(input.Series.Count);
        for (var i = 0; i < input.Series.Count; i++)
        {
            evaluator.Cancellation.ThrowIfCancellationRequested();
            var series = input.Series[i];
            var (column, histograms) = floats[i] is { } only ? (only, null) : Mixed(evaluator, call, series, input, function, scalars, grid);
            var anyFloat = column.AsSpan().ContainsAnyPresent();
            if (!anyFloat && histograms is null) continue;
            result.Add(new(series.Labels, column, series.DropName || !keepsName) { Histograms = histograms });
            if (anyFloat && name is "rate" or "increase") WarnUnlessCounter(evaluator, series.Labels.Name, argument);
        }
        if (name == "quantile_over_time" && result.Count > 0)
        {
            foreach (var q in scalars[0].Distinct()) Quantiles.Check(q, call.Arguments[0].Position, evaluator.Annotations);
        }
        return name == "absent_over_time" ? Calls.Absent(new(result), argument, grid) : new(result);
    }

    /// <summary>The values of those series that are floats and nothing else; null for the others.</summary>
    private static double[]?[] Floats(Evaluator evaluator, string name, RangeInput input, RangeFunction function, double[][] scalars, StepGrid grid)
    {
        var columns = new double[]?[input.Series.Count];
        if (input.Boundary != Boundary.Plain) return columns;
        var samples = 0L;
        foreach (var series in input.Series) samples += series.Times.Length + grid.Steps;
        var bounds = WindowBounds.OfAll(input, grid, evaluator.Cancellation);
        SideBySide.ForEach(columns.Length, grid.IsInstant ? 0 : samples, evaluator.Cancellation, i =>
        {
            var series = input.Series[i];
            if (series.HasHistograms || !series.StartTimes.IsEmpty) return;
            if (!series.Rollups.IsEmpty) columns[i] = RollupFunctions.Evaluate(evaluator.Cancellation, name, series, input, grid);
            else columns[i] = name is "sum_over_time" or "avg_over_time" && WindowSums.IsWorthwhile(grid)
                ? WindowSums.Column(series, bounds[i].Value, grid, mean: name == "avg_over_time", evaluator.Cancellation)
                : Floats(evaluator.Cancellation, series, bounds[i].Value, input, function, scalars, grid);
        });
        return columns;
    }

    private static double[] Floats(CancellationToken cancellation, RangeSeries series, WindowBounds bounds, RangeInput input, RangeFunction function, double[][] scalars, StepGrid grid)
    {
        var column = Samples.NoneOf(grid.Steps);
        var times = series.Times.Span;
        var values = series.Values.Span;
        var falls = new Falls(values);
        Span<double> atStep = stackalloc double[scalars.Length];
        for (var step = 0; step < grid.Steps; step++)
        {
            // A window may have as many samples as a query may load.
            cancellation.ThrowIfCancellationRequested();
            var (from, to) = bounds.At(step);
            if (to == from) continue;
            for (var i = 0; i < atStep.Length; i++) atStep[i] = scalars[i][step];
            var (start, end) = (input.StartOf(grid, step), input.EndOf(grid, step));
            var window = new Window(times[from..to], values[from..to], end, end - start, grid.TimeOf(step)) { NeverFalls = falls.NoneIn(from, to) };
            column[step] = function(window, atStep);
        }
        return column;
    }

    /// <summary>The same where there are histograms, start times, or ends to extend to.</summary>
    private static (double[] Values, FloatHistogram?[]? Histograms) Mixed(
        Evaluator evaluator, CallExpr call, RangeSeries series, RangeInput input, RangeFunction function, double[][] scalars, StepGrid grid)
    {
        var column = Samples.NoneOf(grid.Steps);
        FloatHistogram?[]? histograms = null;
        var times = series.Times.Span;
        var histogramTimes = series.Histograms.Times.Span;
        var (from, to, first, last) = (0, 0, 0, 0);
        var operations = new HistogramOperations(evaluator.Annotations, series.Labels.Name, call.Arguments[0].Position);
        Span<double> atStep = stackalloc double[scalars.Length];
        for (var step = 0; step < grid.Steps; step++)
        {
            evaluator.Cancellation.ThrowIfCancellationRequested();
            var (start, end) = (input.StartOf(grid, step), input.EndOf(grid, step));
            var (after, until) = (start - input.BeforeMs, end + input.BehindMs);
            (from, first) = (Evaluator.Advance(times, from, after), Evaluator.Advance(histogramTimes, first, after));
            (to, last) = (Evaluator.Advance(times, Math.Max(from, to), until), Evaluator.Advance(histogramTimes, Math.Max(first, last), until));
            if (to == from && last == first) continue;
            for (var i = 0; i < atStep.Length; i++) atStep[i] = scalars[i][step];
            var window = new Window(times[from..to], series.Values.Span[from..to], end, end - start, grid.TimeOf(step))
            {
                StartTimes = series.StartTimes.IsEmpty ? default : series.StartTimes.Span[from..to],
                HistogramTimes = histogramTimes[first..last],
                Histograms = series.Histograms.Values.Span[first..last],
                HistogramStartTimes = series.Histograms.StartTimes.IsEmpty ? default : series.Histograms.StartTimes.Span[first..last],
                Boundary = input.Boundary,
            };
            var sample = MixedRangeFunctions.Evaluate(call.Function.Name, function, window, atStep, operations);
            if (sample.Histogram is { } histogram)
            {
                evaluator.Charge(histogram.SampleSize);
                (histograms ??= new FloatHistogram?[grid.Steps])[step] = histogram;
            }
            else
            {
                column[step] = sample.Number;
            }
        }
        return (column, histograms);
    }

    private static void WarnUnlessCounter(Evaluator evaluator, string metric, Expr argument)
    {
        if (metric.Length == 0) return;
        foreach (var suffix in (ReadOnlySpan<string>)["_total", "_sum", "_count", "_bucket"])
        {
            if (metric.EndsWith(suffix, StringComparison.Ordinal)) return;
        }
        evaluator.Annotations.Info($"metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {GoText.Quote(metric)}", argument.Position);
    }
}

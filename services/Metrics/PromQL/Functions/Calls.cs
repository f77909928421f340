using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Evaluates function calls: finds the function, its arguments, and what it does with a vector.</summary>
internal static class Calls
{
    public static Block Evaluate(Evaluator evaluator, CallExpr call, StepGrid grid)
    {
        var (name, arguments) = (call.Function.Name, call.Arguments);
        if (MathFunctions.All.TryGetValue(name, out var math)) return evaluator.Vector(arguments[0], grid).Map(math);
        if (MathFunctions.Calendar.TryGetValue(name, out var calendar)) return Calendar(evaluator, arguments, calendar, grid);
        if (RangeFunctions.All.TryGetValue(name, out var range)) return OverRange(evaluator, call, range, grid);
        switch (name)
        {
            case "time": return AtEachStep(grid, step => grid.TimeOf(step) / 1000d);
            case "pi": return Evaluator.Constant(Math.PI, grid);
            case "start": return Evaluator.Constant(evaluator.Query.StartMs / 1000d, grid);
            case "end": return Evaluator.Constant(evaluator.Query.TimeOf(Math.Max(0, evaluator.Query.Steps - 1)) / 1000d, grid);
            case "range": return Evaluator.Constant((evaluator.Query.TimeOf(Math.Max(0, evaluator.Query.Steps - 1)) - evaluator.Query.StartMs) / 1000d, grid);
            case "step": return Evaluator.Constant(evaluator.Query.IsInstant ? 0 : evaluator.Query.StepMs / 1000d, grid);
            case "max_of" or "min_of":
                var (a, b) = (evaluator.Scalar(arguments[0], grid), evaluator.Scalar(arguments[1], grid));
                return AtEachStep(grid, step => name == "max_of" ? MathFunctions.Max(a[step], b[step]) : MathFunctions.Min(a[step], b[step]));
            case "scalar": return ToScalar(evaluator.Vector(arguments[0], grid), grid);
            case "vector": return new VectorBlock([new(LabelSet.Empty, evaluator.Scalar(arguments[0], grid), false)]);
            case "timestamp": return Timestamp(evaluator, arguments[0], grid);
            case "absent": return Absent(evaluator.Vector(arguments[0], grid), arguments[0], grid);
            case "round":
                var nearest = arguments.Count > 1 ? evaluator.Scalar(arguments[1], grid) : null;
                return evaluator.Vector(arguments[0], grid).Map((v, step) => MathFunctions.Round(v, nearest?[step] ?? 1));
            case "clamp": return Clamp(evaluator, arguments[0], evaluator.Scalar(arguments[1], grid), evaluator.Scalar(arguments[2], grid), grid);
            case "clamp_min": return Clamp(evaluator, arguments[0], evaluator.Scalar(arguments[1], grid), null, grid);
            case "clamp_max": return Clamp(evaluator, arguments[0], null, evaluator.Scalar(arguments[1], grid), grid);
            case "sort" or "sort_desc" or "sort_by_label" or "sort_by_label_desc": return Sort(evaluator, call, grid);
            case "label_replace":
                return LabelFunctions.Replace(evaluator.Vector(arguments[0], grid), Text(arguments[1]), Text(arguments[2]), Text(arguments[3]), Text(arguments[4]), grid.Steps);
            case "label_join":
                return LabelFunctions.Join(evaluator.Vector(arguments[0], grid), Text(arguments[1]), Text(arguments[2]), arguments.Skip(3).Select(Text).ToArray(), grid.Steps);
            case "histogram_quantile": return HistogramQuantile(evaluator, arguments, grid);
            case "histogram_quantiles": return HistogramQuantiles(evaluator, arguments, grid);
            case "histogram_fraction":
                return ClassicHistograms.Fraction(evaluator, evaluator.Vector(arguments[2], grid),
                    evaluator.Scalar(arguments[0], grid), evaluator.Scalar(arguments[1], grid), arguments[2], grid);
            case "histogram_avg" or "histogram_count" or "histogram_sum" or "histogram_stddev" or "histogram_stdvar":
                // They look at native histograms only, and pass over floats.
                evaluator.Vector(arguments[0], grid);
                return VectorBlock.Empty;
            default: throw new InvalidOperationException($"{name} has a signature and no implementation");
        }
    }

    private static VectorBlock OverRange(Evaluator evaluator, CallExpr call, RangeFunction function, StepGrid grid)
    {
        var name = call.Function.Name;
        var rangeAt = call.Arguments.TakeWhile(a => a.Type != ExprType.RangeVector).Count();
        var argument = call.Arguments[rangeAt];
        var scalars = call.Arguments.Where((_, i) => i != rangeAt).Select(a => evaluator.Scalar(a, grid)).ToArray();
        if (name == "quantile_over_time")
        {
            foreach (var q in scalars[0].Distinct()) Quantiles.Check(q, call.Arguments[0].Position, evaluator.Annotations);
        }
        var input = evaluator.RangeOf(argument, grid);
        // These two behave like an offset: the sample is the metric's own.
        var keepsName = name is "first_over_time" or "last_over_time";
        var result = new List<BlockSeries>(input.Series.Count);
        Span<double> atStep = stackalloc double[scalars.Length];
        foreach (var series in input.Series)
        {
            var column = Samples.NoneOf(grid.Steps);
            var any = false;
            var times = series.Times.Span;
            var values = series.Values.Span;
            var (from, to) = (0, 0);
            for (var step = 0; step < grid.Steps; step++)
            {
                var end = input.EndOf(grid, step);
                from = Evaluator.Advance(times, from, end - input.RangeMs);
                to = Evaluator.Advance(times, Math.Max(from, to), end);
                if (to == from) continue;
                for (var i = 0; i < atStep.Length; i++) atStep[i] = scalars[i][step];
                column[step] = function(new Window(times[from..to], values[from..to], end, input.RangeMs, grid.TimeOf(step)), atStep);
                any |= !Samples.IsAbsent(column[step]);
            }
            if (!any) continue;
            result.Add(new(series.Labels, column, series.DropName || !keepsName));
            if (name is "rate" or "increase") WarnUnlessCounter(evaluator, series.Labels.Name, argument);
        }
        return name == "absent_over_time" ? Absent(new(result), argument, grid) : new(result);
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

    /// <summary>1 at the steps at which no series has a sample, with the labels that the selector asks for by equality.</summary>
    private static VectorBlock Absent(VectorBlock input, Expr argument, StepGrid grid)
    {
        var values = new double[grid.Steps];
        values.AsSpan().Fill(1);
        foreach (var series in input.Series)
        {
            for (var step = 0; step < values.Length; step++)
            {
                if (!Samples.IsAbsent(series.Values[step])) values[step] = Samples.Absent;
            }
        }
        return values.AsSpan().ContainsAnyPresent() ? new([new(AbsentLabels(argument), values, false)]) : VectorBlock.Empty;
    }

    private static LabelSet AbsentLabels(Expr argument)
    {
        IReadOnlyList<LabelMatcher> matchers = argument.Unwrap() switch
        {
            VectorSelector vector => vector.Matchers,
            MatrixSelector matrix => matrix.Vector.Matchers,
            _ => [],
        };
        // A label that is asked for in two ways is left out.
        return LabelSet.Create(matchers.Where(m => m.Name != LabelSet.NameLabel).GroupBy(m => m.Name)
            .Where(g => g.Count() == 1 && g.First().Kind == MatchKind.Equal).Select(g => new Label(g.Key, g.First().Value)));
    }

    private static Block Calendar(Evaluator evaluator, IReadOnlyList<Expr> arguments, Func<DateTime, double> function, StepGrid grid) =>
        arguments.Count > 0
            ? evaluator.Vector(arguments[0], grid).Map(v => MathFunctions.At(function, v))
            : new VectorBlock([new(LabelSet.Empty, AtEachStep(grid, step => MathFunctions.At(function, grid.TimeOf(step) / 1000)).Values, false)]);

    private static ScalarBlock AtEachStep(StepGrid grid, Func<int, double> value)
    {
        var values = new double[grid.Steps];
        for (var step = 0; step < values.Length; step++) values[step] = value(step);
        return new(values);
    }

    /// <summary>The value of the only series at each step; NaN where there is none or more than one.</summary>
    private static ScalarBlock ToScalar(VectorBlock input, StepGrid grid) => AtEachStep(grid, step =>
    {
        var (found, result) = (0, double.NaN);
        foreach (var series in input.Series)
        {
            if (Samples.IsAbsent(series.Values[step])) continue;
            if (++found > 1) return double.NaN;
            result = series.Values[step];
        }
        return result;
    });

    /// <summary>When each sample was taken; only a bare selector still knows, anything else is as of the step.</summary>
    private static VectorBlock Timestamp(Evaluator evaluator, Expr argument, StepGrid grid) => argument.Unwrap() is VectorSelector selector
        ? evaluator.Select(selector, grid, timestamps: true)
        : evaluator.Vector(argument, grid).Map((_, step) => grid.TimeOf(step) / 1000d);

    private static VectorBlock Clamp(Evaluator evaluator, Expr argument, double[]? min, double[]? max, StepGrid grid)
    {
        var input = evaluator.Vector(argument, grid);
        var clamped = input.Map((v, step) =>
        {
            var (low, high) = (min?[step] ?? double.NegativeInfinity, max?[step] ?? double.PositiveInfinity);
            // Bounds that cross leave nothing.
            return high < low ? Samples.Absent : MathFunctions.Clamp(v, low, high);
        });
        return new(clamped.Series.Where(s => s.Values.AsSpan().ContainsAnyPresent()).ToArray());
    }

    private static VectorBlock Sort(Evaluator evaluator, CallExpr call, StepGrid grid)
    {
        var input = evaluator.Vector(call.Arguments[0], grid);
        if (!grid.IsInstant)
        {
            evaluator.Annotations.Warn("sort is ineffective for range queries since results are always ordered by labels", call.Position);
            return input;
        }
        var (name, descending) = (call.Function.Name, call.Function.Name.EndsWith("_desc", StringComparison.Ordinal));
        if (name.StartsWith("sort_by_label", StringComparison.Ordinal))
            return LabelFunctions.SortBy(input, call.Arguments.Skip(1).Select(Text).ToArray(), descending);
        // NaN comes last either way.
        var numbersFirst = input.Series.OrderBy(s => double.IsNaN(s.Values[0]));
        return new((descending ? numbersFirst.ThenByDescending(s => s.Values[0]) : numbersFirst.ThenBy(s => s.Values[0])).ToArray());
    }

    private static VectorBlock HistogramQuantile(Evaluator evaluator, IReadOnlyList<Expr> arguments, StepGrid grid)
    {
        var q = evaluator.Scalar(arguments[0], grid);
        foreach (var value in q.Distinct()) Quantiles.Check(value, arguments[0].Position, evaluator.Annotations);
        return ClassicHistograms.Quantile(evaluator, evaluator.Vector(arguments[1], grid), [q], null, arguments[1], grid);
    }

    private static VectorBlock HistogramQuantiles(Evaluator evaluator, IReadOnlyList<Expr> arguments, StepGrid grid)
    {
        var input = evaluator.Vector(arguments[0], grid);
        var quantiles = new List<double[]>();
        foreach (var argument in arguments.Skip(2))
        {
            var q = evaluator.Scalar(argument, grid);
            foreach (var value in q.Distinct()) Quantiles.Check(value, argument.Position, evaluator.Annotations);
            quantiles.Add(q);
        }
        return ClassicHistograms.Quantile(evaluator, input, quantiles, Text(arguments[1]), arguments[0], grid);
    }

    private static string Text(Expr argument) => ((StringLiteral)argument.Unwrap()).Value;
}

using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Evaluates function calls: finds the function, its arguments, and what it does with a vector.</summary>
internal static class Calls
{
    public static Block Evaluate(Evaluator evaluator, CallExpr call, StepGrid grid)
    {
        var (name, arguments) = (call.Function.Name, call.Arguments);
        if (MathFunctions.All.TryGetValue(name, out var math)) return evaluator.Vector(arguments[0], grid).Map(math);
        if (CalendarFunctions.All.TryGetValue(name, out var calendar)) return Calendar(evaluator, arguments, calendar, grid);
        if (RangeFunctions.All.TryGetValue(name, out var range)) return RangeCalls.Evaluate(evaluator, call, range, grid);
        switch (name)
        {
            case "time": return AtEachStep(grid, step => grid.TimeOf(step) / 1000d);
            case "pi": return Evaluator.Constant(Math.PI, grid);
            case "start": return Evaluator.Constant(evaluator.Query.StartMs / 1000d, grid);
            case "end": return Evaluator.Constant(evaluator.Query.EndMs / 1000d, grid);
            case "range": return Evaluator.Constant((evaluator.Query.EndMs - evaluator.Query.StartMs) / 1000d, grid);
            case "step": return Evaluator.Constant(evaluator.Query.IsInstant ? 0 : evaluator.Query.StepMs / 1000d, grid);
            case "max_of" or "min_of":
                var (a, b) = (evaluator.Scalar(arguments[0], grid), evaluator.Scalar(arguments[1], grid));
                return AtEachStep(grid, step => name == "max_of" ? MathFunctions.Max(a[step], b[step]) : MathFunctions.Min(a[step], b[step]));
            case "scalar": return ToScalar(evaluator.Vector(arguments[0], grid), grid);
            case "vector": return new VectorBlock([new(LabelSet.Empty, evaluator.Scalar(arguments[0], grid), false)]);
            case "timestamp": return Timestamp(evaluator, arguments[0], grid);
            case "start_timestamp": return StartTimestamp(evaluator, arguments[0], grid);
            case "info": return InfoEvaluation.Evaluate(evaluator, call, grid);
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
            case "histogram_quantile": return HistogramFunctions.Quantile(evaluator, arguments, grid);
            case "histogram_quantiles": return HistogramFunctions.ManyQuantiles(evaluator, arguments, grid);
            case "histogram_fraction": return HistogramFunctions.Fraction(evaluator, arguments, grid);
            case "histogram_count": return evaluator.Vector(arguments[0], grid).MapHistograms(static h => h.Count);
            case "histogram_sum": return evaluator.Vector(arguments[0], grid).MapHistograms(static h => h.Sum);
            case "histogram_avg": return evaluator.Vector(arguments[0], grid).MapHistograms(static h => h.Sum / h.Count);
            case "histogram_stdvar": return evaluator.Vector(arguments[0], grid).MapHistograms(HistogramEstimates.Variance);
            case "histogram_stddev": return evaluator.Vector(arguments[0], grid).MapHistograms(static h => Math.Sqrt(HistogramEstimates.Variance(h)));
            default: throw new InvalidOperationException($"{name} has a signature and no implementation");
        }
    }

    /// <summary>1 at the steps at which no series has a sample, with the labels that the selector asks for by equality.</summary>
    public static VectorBlock Absent(VectorBlock input, Expr argument, StepGrid grid)
    {
        var values = new double[grid.Steps];
        values.AsSpan().Fill(1);
        foreach (var series in input.Series)
        {
            for (var step = 0; step < values.Length; step++)
            {
                if (series.Has(step)) values[step] = Samples.Absent;
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

    private static Block Calendar(Evaluator evaluator, IReadOnlyList<Expr> arguments, Func<double, double> function, StepGrid grid) =>
        arguments.Count > 0
            ? evaluator.Vector(arguments[0], grid).Map(function)
            : new VectorBlock([new(LabelSet.Empty, AtEachStep(grid, step => function(grid.TimeOf(step) / 1000)).Values, false)]);

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
    private static VectorBlock Timestamp(Evaluator evaluator, Expr argument, StepGrid grid)
    {
        if (argument.Unwrap() is VectorSelector selector)
            return InstantSelection.Newest(evaluator, selector, grid, static (series, at) => series.Times.Span[at] / 1000d);
        return new(evaluator.Vector(argument, grid).Series.Select(s => new BlockSeries(s.Labels,
            AtEachStep(grid, step => s.Has(step) ? grid.TimeOf(step) / 1000d : Samples.Absent).Values, DropName: true)).ToArray());
    }

    /// <summary>When each sample's counter began to count, 0 where that is not known; only a bare selector still knows.</summary>
    private static VectorBlock StartTimestamp(Evaluator evaluator, Expr argument, StepGrid grid) => argument.Unwrap() is VectorSelector selector
        ? InstantSelection.Newest(evaluator, selector, grid, static (series, at) => series.StartTimes.IsEmpty ? 0 : series.StartTimes.Span[at] / 1000d)
        : VectorBlock.Empty;

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
        var (name, descending) = (call.Function.Name, call.Function.Name.EndsWith("_desc", StringComparison.Ordinal));
        var byLabel = name.StartsWith("sort_by_label", StringComparison.Ordinal);
        // Histograms have no order.
        if (!byLabel) input = new(input.Series.Where(s => s.Values.AsSpan().ContainsAnyPresent()).Select(s => s with { Histograms = null }).ToArray());
        if (!grid.IsInstant)
        {
            evaluator.Annotations.Warn("sort is ineffective for range queries since results are always ordered by labels", call.Position);
            return input;
        }
        if (byLabel) return LabelFunctions.SortBy(input, call.Arguments.Skip(1).Select(Text).ToArray(), descending);
        // NaN comes last either way.
        var numbersFirst = input.Series.OrderBy(s => double.IsNaN(s.Values[0]));
        return new((descending ? numbersFirst.ThenByDescending(s => s.Values[0]) : numbersFirst.ThenBy(s => s.Values[0])).ToArray());
    }

    private static string Text(Expr argument) => ((StringLiteral)argument.Unwrap()).Value;
}

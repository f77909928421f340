using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Aggregations that choose series of a group and leave them as they are: topk, bottomk, limitk, limit_ratio.</summary>
internal static class Selections
{
    public static VectorBlock Evaluate(Evaluator evaluator, AggregateExpr expr, double[] parameter, VectorBlock input, Groups groups, StepGrid grid)
    {
        if (!CheckParameter(evaluator, expr, parameter)) return VectorBlock.Empty;
        var columns = new BlockSeries[input.Series.Count];
        var byValue = expr.Operator is AggregateOperator.TopK or AggregateOperator.BottomK;
        var order = new List<int>();
        var members = new List<int>[groups.Labels.Count];
        for (var g = 0; g < members.Length; g++) members[g] = [];
        for (var step = 0; step < grid.Steps; step++)
        {
            evaluator.Cancellation.ThrowIfCancellationRequested();
            foreach (var group in members) group.Clear();
            for (var i = 0; i < input.Series.Count; i++)
            {
                if (!input.Series[i].Has(step)) continue;
                if (!byValue || input.Series[i].At(step).Histogram is null) members[groups.Of(i)].Add(i);
                else if (parameter[step] >= 1)
                    evaluator.Annotations.Info($"ignored histogram in {expr.Operator.Symbol()} aggregation", expr.Position);
            }
            foreach (var group in members)
            {
                foreach (var chosen in Choose(expr.Operator, parameter[step], input, group, step))
                {
                    var series = input.Series[chosen];
                    if (columns[chosen] is null)
                    {
                        columns[chosen] = series with
                        {
                            Values = Samples.NoneOf(grid.Steps),
                            Histograms = series.Histograms is null ? null : new FloatHistogram?[grid.Steps],
                        };
                        order.Add(chosen);
                    }
                    columns[chosen].Values[step] = series.Values[step];
                    if (series.Histograms?[step] is { } histogram) columns[chosen].Histograms![step] = histogram;
                }
            }
        }
        // At an instant the order is the answer's order; over a range it is by labels anyway.
        return new(order.Select(i => columns[i]).ToArray());
    }

    /// <summary>False where nothing can be chosen at any step.</summary>
    private static bool CheckParameter(Evaluator evaluator, AggregateExpr expr, double[] parameter)
    {
        if (parameter.Length == 0) return false;
        var max = parameter.Where(p => !double.IsNaN(p)).DefaultIfEmpty(double.NaN).Max();
        var min = parameter.Where(p => !double.IsNaN(p)).DefaultIfEmpty(double.NaN).Min();
        var anyNaN = parameter.Any(double.IsNaN);
        if (expr.Operator == AggregateOperator.LimitRatio)
        {
            if (max == 0 && min == 0) return false;
            if (anyNaN) throw new EvaluationException("Ratio value is NaN");
            if (max > 1) Warn(max, 1);
            if (min < -1) Warn(min, -1);
            return true;
        }
        if (max < 1) return false;
        if (anyNaN) throw new EvaluationException("Parameter value is NaN");
        if (min <= long.MinValue) throw new EvaluationException($"Scalar value {GoText.FloatG(min)} underflows int64");
        if (max >= long.MaxValue) throw new EvaluationException($"Scalar value {GoText.FloatG(max)} overflows int64");
        return true;

        void Warn(double value, double limit) => evaluator.Annotations.Warn(
            $"ratio value should be between -1 and 1, got {GoText.FloatG(value)}, capping to {GoText.FloatG(limit)}", expr.Parameter!.Position);
    }

    private static IEnumerable<int> Choose(AggregateOperator op, double parameter, VectorBlock input, List<int> group, int step)
    {
        if (op == AggregateOperator.LimitRatio)
        {
            var ratio = Math.Clamp(parameter, -1, 1);
            return group.Where(i => InRatio(ratio, input.Series[i].Labels.Hash));
        }
        var k = (int)Math.Min((long)parameter, group.Count);
        if (k < 1) return [];
        if (op == AggregateOperator.LimitK) return group.Take(k);
        double Value(int i) => input.Series[i].Values[step];
        // NaN comes last either way; the sort is stable, so that of equals the first stay.
        var numbersFirst = group.OrderBy(i => double.IsNaN(Value(i)));
        return (op == AggregateOperator.TopK ? numbersFirst.ThenByDescending(Value) : numbersFirst.ThenBy(Value)).Take(k);
    }

    /// <summary>A negative ratio chooses what its complement does not: r and r - 1 share out all series.</summary>
    private static bool InRatio(double ratio, ulong hash)
    {
        var place = hash / (double)ulong.MaxValue;
        return ratio >= 0 ? place < ratio || ratio >= 1 : place >= 1 + ratio;
    }
}

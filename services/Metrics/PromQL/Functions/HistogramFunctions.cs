using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Functions of histograms, native ones and classic ones. Where a series has both at a moment, neither is used, and a remark tells so.</summary>
internal static class HistogramFunctions
{
    public static VectorBlock Quantile(Evaluator evaluator, IReadOnlyList<Expr> arguments, StepGrid grid)
    {
        var q = evaluator.Scalar(arguments[0], grid);
        var input = evaluator.Vector(arguments[1], grid);
        return Quantiles(evaluator, input, [(arguments[0], q)], null, arguments[1], grid);
    }

    /// <summary>Several quantiles at once, told apart by a label.</summary>
    public static VectorBlock ManyQuantiles(Evaluator evaluator, IReadOnlyList<Expr> arguments, StepGrid grid)
    {
        var input = evaluator.Vector(arguments[0], grid);
        var quantiles = arguments.Skip(2).Select(a => (a, evaluator.Scalar(a, grid))).ToArray();
        return Quantiles(evaluator, input, quantiles, ((StringLiteral)arguments[1].Unwrap()).Value, arguments[0], grid);
    }

    public static VectorBlock Fraction(Evaluator evaluator, IReadOnlyList<Expr> arguments, StepGrid grid)
    {
        var (lower, upper) = (evaluator.Scalar(arguments[0], grid), evaluator.Scalar(arguments[1], grid));
        var input = evaluator.Vector(arguments[2], grid);
        return Each(evaluator, input, arguments[2], grid, Native, Classic);

        IEnumerable<(LabelSet, double)> Native(LabelSet labels, FloatHistogram histogram, int step)
        {
            var fraction = HistogramEstimates.Fraction(histogram, lower[step], upper[step], out var excludesNaN);
            if (excludesNaN)
            {
                Remark(evaluator, "input to histogram_fraction has NaN observations, which are excluded from all fractions", labels, arguments[2]);
            }
            yield return (labels, fraction);
        }

        IEnumerable<(LabelSet, double)> Classic(ClassicHistograms.Histogram histogram, int step)
        {
            if (ClassicHistograms.Fraction(histogram, lower[step], upper[step], step) is { } fraction) yield return (histogram.Labels, fraction);
        }
    }

    private static VectorBlock Quantiles(
        Evaluator evaluator, VectorBlock input, IReadOnlyList<(Expr Argument, double[] Values)> quantiles, string? label, Expr argument, StepGrid grid)
    {
        foreach (var (at, values) in quantiles)
        {
            foreach (var q in values.Distinct()) PromQL.Quantiles.Check(q, at.Position, evaluator.Annotations);
        }
        return Each(evaluator, input, argument, grid, Native, Classic);

        IEnumerable<(LabelSet, double)> Native(LabelSet labels, FloatHistogram histogram, int step)
        {
            foreach (var (_, values) in quantiles)
            {
                var value = HistogramEstimates.Quantile(histogram, values[step], out var remark);
                if (remark == QuantileRemark.IsNaN)
                    Remark(evaluator, "input to histogram_quantile has NaN observations, result is NaN", labels, argument);
                else if (remark == QuantileRemark.SkewedByNaN)
                    Remark(evaluator, "input to histogram_quantile has NaN observations, result is skewed higher", labels, argument);
                yield return (WithQuantile(labels, values[step]), value);
            }
        }

        IEnumerable<(LabelSet, double)> Classic(ClassicHistograms.Histogram histogram, int step)
        {
            foreach (var (_, values) in quantiles)
            {
                if (ClassicHistograms.Quantile(evaluator, histogram, values[step], step, argument, grid) is { } value)
                    yield return (WithQuantile(histogram.Labels, values[step]), value);
            }
        }

        LabelSet WithQuantile(LabelSet labels, double q) => label is null ? labels : labels.With(label, OpenMetricsFloat(q));
    }

    private static VectorBlock Each(
        Evaluator evaluator, VectorBlock input, Expr argument, StepGrid grid,
        Func<LabelSet, FloatHistogram, int, IEnumerable<(LabelSet Labels, double Value)>> native,
        Func<ClassicHistograms.Histogram, int, IEnumerable<(LabelSet Labels, double Value)>> classic)
    {
        var buckets = ClassicHistograms.Collect(evaluator, input, argument);
        var natives = input.Series.Where(s => s.HasAnyHistogram()).ToArray();
        var builder = new BlockBuilder(grid.Steps);
        var conflicts = new HashSet<LabelSet>();
        for (var step = 0; step < grid.Steps; step++)
        {
            evaluator.Cancellation.ThrowIfCancellationRequested();
            conflicts.Clear();
            foreach (var series in natives)
            {
                if (series.Histograms![step] is not { } histogram) continue;
                if (buckets.TryGetValue(series.Labels, out var other) && ClassicHistograms.IsPresent(other, step))
                {
                    conflicts.Add(series.Labels);
                    var name = series.Labels.Name;
                    evaluator.Annotations.Warn("vector contains a mix of classic and native histograms" + ForName(name), argument.Position);
                    continue;
                }
                Set(native(series.Labels, histogram, step), step);
            }
            foreach (var histogram in buckets.Values)
            {
                if (!conflicts.Contains(histogram.Labels)) Set(classic(histogram, step), step);
            }
        }
        return builder.Build();

        void Set(IEnumerable<(LabelSet Labels, double Value)> results, int step)
        {
            foreach (var (labels, value) in results) builder.Set(builder.Place(labels, dropName: true), step, value);
        }
    }

    private static void Remark(Evaluator evaluator, string message, LabelSet labels, Expr argument) =>
        evaluator.Annotations.Info(message + ForName(labels.Name), argument.Position);

    private static string ForName(string name) => name.Length == 0 ? "" : $" for metric name {GoText.Quote(name)}";

    /// <summary>A float as OpenMetrics writes it in labels: always with a fraction or an exponent.</summary>
    private static string OpenMetricsFloat(double value)
    {
        if (!double.IsFinite(value)) return GoText.Float(value);
        var text = GoText.FloatG(value);
        return text.AsSpan().IndexOfAny("e.") < 0 ? text + ".0" : text;
    }
}

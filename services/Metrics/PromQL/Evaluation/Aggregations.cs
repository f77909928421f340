using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Aggregations that fold the samples of a group into one: sum, avg, count, min, max, group, stddev, stdvar, quantile, count_values.</summary>
internal static class Aggregations
{
    private const int StepsTogether = 64;

    public static Block Evaluate(Evaluator evaluator, AggregateExpr expr, StepGrid grid)
    {
        if (expr.Operator == AggregateOperator.CountValues) return CountValues(evaluator, expr, grid);
        var parameter = expr.Parameter is { } p ? evaluator.Scalar(p, grid) : [];
        var input = evaluator.Vector(expr.Operand, grid);
        var groups = Groups.Of(expr, input);
        if (expr.Operator is AggregateOperator.TopK or AggregateOperator.BottomK or AggregateOperator.LimitK or AggregateOperator.LimitRatio)
            return Selections.Evaluate(evaluator, expr, parameter, input, groups, grid);
        if (expr.Operator == AggregateOperator.Quantile)
        {
            foreach (var q in Extremes(parameter)) Quantiles.Check(q, expr.Parameter!.Position, evaluator.Annotations);
        }
        return Fold(evaluator, expr, parameter, input, groups, grid);
    }

    /// <summary>NaN where there is one, the largest, the smallest: what a remark about a parameter over time names.</summary>
    private static IEnumerable<double> Extremes(double[] values)
    {
        if (values.Length == 0) yield break;
        if (values.Any(double.IsNaN)) yield return double.NaN;
        var numbers = values.Where(v => !double.IsNaN(v)).ToArray();
        if (numbers.Length == 0) yield break;
        yield return numbers.Max();
        yield return numbers.Min();
    }

    private static VectorBlock Fold(Evaluator evaluator, AggregateExpr expr, double[] parameter, VectorBlock input, Groups groups, StepGrid grid)
    {
        var op = expr.Operator;
        var columns = new BlockSeries[groups.Labels.Count];
        for (var g = 0; g < columns.Length; g++) columns[g] = new(groups.Labels[g], Samples.NoneOf(grid.Steps), groups.DropName[g]);
        // Steps do not depend on each other; remarks, which only histograms give rise to, are kept in order.
        var samples = input.Series.Any(s => s.Histograms is not null) ? 0 : (long)grid.Steps * input.Series.Count;
        SideBySide.ForEach((grid.Steps + StepsTogether - 1) / StepsTogether, samples, evaluator.Cancellation, some =>
        {
            var states = new Accumulator[columns.Length];
            for (var step = some * StepsTogether; step < Math.Min(grid.Steps, (some + 1) * StepsTogether); step++)
            {
                evaluator.Cancellation.ThrowIfCancellationRequested();
                FoldStep(step, states);
            }
        });
        return new(columns.Where(c => c.HasAny()).ToArray());

        void FoldStep(int step, Accumulator[] states)
        {
            states.AsSpan().Clear();
            for (var i = 0; i < input.Series.Count; i++)
            {
                var series = input.Series[i];
                var value = series.Values[step];
                if (!Samples.IsAbsent(value)) states[groups.Of(i)].Add(op, value);
                else if (series.Histograms?[step] is { } histogram) states[groups.Of(i)].Add(evaluator, expr, histogram, series.Labels);
            }
            for (var g = 0; g < columns.Length; g++)
            {
                if (states[g].Count == 0) continue;
                if (states[g].Histograms is null) columns[g].Values[step] = states[g].Result(op, parameter.Length > 0 ? parameter[step] : 0);
                else if (states[g].Histograms!.Result(evaluator, expr) is { } histogram) SetHistogram(ref columns[g], step, histogram);
            }
        }

        void SetHistogram(ref BlockSeries column, int step, FloatHistogram histogram)
        {
            evaluator.Charge(histogram.SampleSize);
            if (column.Histograms is null) column = column with { Histograms = new FloatHistogram?[grid.Steps] };
            column.Histograms![step] = histogram;
        }
    }

    private static VectorBlock CountValues(Evaluator evaluator, AggregateExpr expr, StepGrid grid)
    {
        var label = ((StringLiteral)expr.Parameter!.Unwrap()).Value;
        if (!LabelNames.IsValid(label)) throw new EvaluationException($"invalid label name {GoText.Quote(label)}");
        var input = evaluator.Vector(expr.Operand, grid);
        var builder = new BlockBuilder(grid.Steps);
        var counts = new Dictionary<int, int>();
        string[] grouping = [.. expr.Grouping, label];
        for (var step = 0; step < grid.Steps; step++)
        {
            counts.Clear();
            evaluator.Cancellation.ThrowIfCancellationRequested();
            foreach (var series in input.Series)
            {
                if (!series.Has(step)) continue;
                var value = series.At(step);
                var labels = series.Labels.With(label, value.Histogram?.ToString() ?? GoText.Float(value.Number));
                labels = expr.Without ? LabelOrder.DropWithName(labels, expr.Grouping) : LabelOrder.Keep(labels, grouping);
                var place = builder.Place(labels, false);
                counts[place] = counts.GetValueOrDefault(place) + 1;
            }
            foreach (var (place, count) in counts) builder.Set(place, step, count);
        }
        return builder.Build();
    }

    /// <summary>What is known of one group at one step.</summary>
    private struct Accumulator
    {
        private FloatFold floats;
        private int histograms;

        /// <summary>Samples of either kind that count.</summary>
        public readonly int Count => floats.Count + histograms;

        /// <summary>What is known of the histograms of a sum or a mean; null while there are none.</summary>
        public HistogramAggregation? Histograms { get; private set; }

        public void Add(Evaluator evaluator, AggregateExpr expr, FloatHistogram histogram, LabelSet labels)
        {
            switch (expr.Operator)
            {
                case AggregateOperator.Sum or AggregateOperator.Avg:
                    Histograms ??= new HistogramAggregation(anyFloat: Count > 0);
                    histograms++;
                    Histograms.Add(evaluator, expr, histogram, labels);
                    break;
                case AggregateOperator.Count or AggregateOperator.Group:
                    histograms++;
                    break;
                default:
                    evaluator.Annotations.Info($"ignored histogram in {expr.Operator.Symbol()} aggregation", expr.Operand.Position);
                    break;
            }
        }

        public void Add(AggregateOperator op, double value)
        {
            Histograms?.AddFloat();
            floats.Add(op, value);
        }

        public readonly double Result(AggregateOperator op, double parameter) => op == AggregateOperator.Count ? Count : floats.Result(op, parameter);
    }
}

/// <summary>The sum or the mean of the histograms of a group at one step.</summary>
internal sealed class HistogramAggregation(bool anyFloat)
{
    private HistogramSum? sum;
    private HistogramMean? mean;
    private HintsSeen seen;
    private bool mixed = anyFloat;
    private bool incompatible;

    public void AddFloat() => mixed |= !incompatible;

    public void Add(Evaluator evaluator, AggregateExpr expr, FloatHistogram histogram, LabelSet labels)
    {
        if (mixed || incompatible) return;
        if (sum is null && mean is null)
        {
            seen = new HintsSeen(histogram);
            if (expr.Operator == AggregateOperator.Sum) sum = new(histogram);
            else mean = new(histogram);
            return;
        }
        incompatible = !seen.Add(histogram, sum?.Add(histogram) ?? mean!.Add(histogram), new(evaluator.Annotations, labels.Name, expr.Operand.Position));
    }

    /// <summary>Null where the group holds what cannot be added up.</summary>
    public FloatHistogram? Result(Evaluator evaluator, AggregateExpr expr)
    {
        var operations = new HistogramOperations(evaluator.Annotations, "", expr.Operand.Position);
        if (mixed)
        {
            evaluator.Annotations.Warn("encountered a mix of histograms and floats for aggregation", expr.Operand.Position);
            return null;
        }
        if (incompatible) return null;
        seen.Report(operations);
        return (sum?.Total() ?? mean!.Value()).Compact();
    }
}

/// <summary>The group of each series of an aggregation.</summary>
internal sealed class Groups
{
    private readonly int[] group;

    private Groups(int[] group, List<LabelSet> labels, List<bool> dropName) => (this.group, Labels, DropName) = (group, labels, dropName);

    public IReadOnlyList<LabelSet> Labels { get; }

    /// <summary>By group: the name of some series in it is to go, so that of the group is.</summary>
    public IReadOnlyList<bool> DropName { get; }

    public int Of(int series) => group[series];

    public static Groups Of(AggregateExpr expr, VectorBlock input)
    {
        var numbers = new Dictionary<LabelSet, int>();
        var (labels, dropName) = (new List<LabelSet>(), new List<bool>());
        var group = new int[input.Series.Count];
        for (var i = 0; i < group.Length; i++)
        {
            var series = input.Series[i];
            var key = expr.Without ? LabelOrder.DropWithName(series.Labels, expr.Grouping)
                : expr.Grouping.Count == 0 ? LabelSet.Empty
                : LabelOrder.Keep(series.Labels, expr.Grouping);
            if (!numbers.TryGetValue(key, out group[i]))
            {
                numbers.Add(key, group[i] = labels.Count);
                labels.Add(key);
                dropName.Add(false);
            }
            dropName[group[i]] |= series.DropName;
        }
        return new(group, labels, dropName);
    }
}

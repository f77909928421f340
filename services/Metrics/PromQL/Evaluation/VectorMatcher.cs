using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Which samples of two vectors belong together: a number per group of labels to match on.</summary>
internal sealed class MatchGroups
{
    private MatchGroups(int[] left, int[] right, int count) => (Left, Right, Count) = (left, right, count);

    /// <summary>The group of each left series.</summary>
    public int[] Left { get; }

    public int[] Right { get; }

    public int Count { get; }

    public static MatchGroups Of(VectorMatching matching, VectorBlock left, VectorBlock right)
    {
        var numbers = new Dictionary<LabelSet, int>();
        var (l, r) = (Numbers(left), Numbers(right));
        return new(l, r, numbers.Count);

        int[] Numbers(VectorBlock block)
        {
            var result = new int[block.Series.Count];
            for (var i = 0; i < result.Length; i++)
            {
                var key = LabelsOf(matching, block.Series[i].Labels);
                if (!numbers.TryGetValue(key, out result[i])) numbers.Add(key, result[i] = numbers.Count);
            }
            return result;
        }
    }

    public static LabelSet LabelsOf(VectorMatching matching, LabelSet labels) =>
        matching.On ? LabelOrder.Keep(labels, matching.Labels) : LabelOrder.DropWithName(labels, matching.Labels);
}

/// <summary>Arithmetic and comparison between vectors: one-to-one, or many-to-one with group_left and group_right.</summary>
internal static class VectorMatcher
{
    public static VectorBlock Evaluate(Evaluator evaluator, BinaryExpr expr, VectorBlock left, VectorBlock right, StepGrid grid)
    {
        var matching = expr.Matching!;
        if ((left.Series.Count == 0 || right.Series.Count == 0) && !matching.Fills) return VectorBlock.Empty;
        return new Join(evaluator, expr, left, right, grid).Run();
    }

    /// <summary>Matching of all steps. The "one" side is the right one but for group_right; "many" is the other.</summary>
    private sealed class Join
    {
        private readonly Evaluator evaluator;
        private readonly BinaryExpr expr;
        private readonly VectorMatching matching;
        private readonly StepGrid grid;
        private readonly bool swapped;
        private readonly VectorBlock many;
        private readonly VectorBlock one;
        private readonly MatchGroups groups;
        private readonly BlockBuilder builder;
        private readonly HistogramPairs pairs;
        private readonly bool onlyFloats;
        private readonly Dictionary<(int Many, int One), int> results = [];
        private readonly HashSet<(int Group, int Result)> used = [];

        // Per group: the series on the "one" side at this step, or -1; and whether anything was matched.
        private readonly int[] oneOf;
        private readonly bool[] matched;

        public Join(Evaluator evaluator, BinaryExpr expr, VectorBlock left, VectorBlock right, StepGrid grid)
        {
            (this.evaluator, this.expr, this.grid) = (evaluator, expr, grid);
            matching = expr.Matching!;
            swapped = matching.Cardinality == MatchCardinality.OneToMany;
            (many, one) = swapped ? (right, left) : (left, right);
            groups = MatchGroups.Of(matching, many, one);
            (oneOf, matched) = (new int[groups.Count], new bool[groups.Count]);
            builder = new BlockBuilder(grid.Steps);
            pairs = new HistogramPairs(expr, evaluator.Annotations);
            onlyFloats = !expr.Operator.IsTrim() && many.Series.All(s => s.Histograms is null) && one.Series.All(s => s.Histograms is null);
        }

        public VectorBlock Run()
        {
            for (var step = 0; step < grid.Steps; step++)
            {
                evaluator.Cancellation.ThrowIfCancellationRequested();
                // Where one side has no sample at a step nothing can match, and a duplicate on the other does no harm.
                var (anyMany, anyOne) = (Any(many, step), Any(one, step));
                if (matching.Fills ? !anyMany && !anyOne : !anyMany || !anyOne) continue;
                Match(step);
            }
            return builder.Build();
        }

        private void Match(int step)
        {
            oneOf.AsSpan().Fill(-1);
            matched.AsSpan().Clear();
            used.Clear();
            for (var i = 0; i < one.Series.Count; i++)
            {
                if (!one.Series[i].Has(step)) continue;
                var group = groups.Right[i];
                if (oneOf[group] >= 0) throw Duplicate(matching, one.Series[oneOf[group]].Labels, one.Series[i].Labels, swapped);
                oneOf[group] = i;
            }
            for (var i = 0; i < many.Series.Count; i++)
            {
                if (!many.Series[i].Has(step)) continue;
                var partner = oneOf[groups.Left[i]];
                if (partner >= 0) Combine(i, partner, step, many.Series[i].At(step), one.Series[partner].At(step));
                // With group_right too it is fill_right that stands for the "one" side, and fill_left for "many", as in Prometheus.
                else if (matching.FillRight is { } fill) Combine(i, -1, step, many.Series[i].At(step), fill);
            }
            if (matching.FillLeft is not { } fillLeft) return;
            for (var i = 0; i < one.Series.Count; i++)
            {
                if (one.Series[i].Has(step) && !matched[groups.Right[i]]) Combine(-1, i, step, fillLeft, one.Series[i].At(step));
            }
        }

        /// <param name="manyAt">The series on the "many" side; -1 where a fill value stands for it.</param>
        /// <param name="oneAt">The same of the "one" side.</param>
        private void Combine(int manyAt, int oneAt, int step, Sample manyValue, Sample oneValue)
        {
            var (l, r) = swapped ? (oneValue, manyValue) : (manyValue, oneValue);
            var (result, holds) = onlyFloats ? default : pairs.Apply(l, r);
            if (!onlyFloats && result.IsAbsent) return;
            var place = Place(manyAt, oneAt);
            var group = manyAt >= 0 ? groups.Left[manyAt] : groups.Right[oneAt];
            if (matching.Cardinality == MatchCardinality.OneToOne)
            {
                if (matched[group])
                    throw new EvaluationException("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)");
            }
            else if (!used.Add((group, place)))
            {
                throw new EvaluationException("multiple matches for labels: grouping labels must ensure unique matches");
            }
            matched[group] = true;
            if (onlyFloats) SetFloat(place, step, l.Number, r.Number);
            else if (expr.ReturnBool) builder.Set(place, step, holds ? 1 : 0);
            else if (holds) builder.Set(place, step, result);
        }

        private void SetFloat(int place, int step, double left, double right)
        {
            if (!expr.Operator.IsComparison() || expr.ReturnBool) builder.Set(place, step, BinaryOperations.Apply(expr.Operator, left, right));
            else if (BinaryOperations.Holds(expr.Operator, left, right)) builder.Set(place, step, left);
        }

        private int Place(int manyAt, int oneAt)
        {
            if (results.TryGetValue((manyAt, oneAt), out var place)) return place;
            var manyLabels = manyAt >= 0 ? many.Series[manyAt].Labels : MatchGroups.LabelsOf(matching, one.Series[oneAt].Labels);
            var oneLabels = oneAt >= 0 ? one.Series[oneAt].Labels : MatchGroups.LabelsOf(matching, manyLabels);
            place = builder.Place(ResultLabels(expr.Operator, matching, manyLabels, oneLabels), expr.ReturnBool || (manyAt >= 0 && many.Series[manyAt].DropName));
            results.Add((manyAt, oneAt), place);
            return place;
        }
    }

    private static bool Any(VectorBlock block, int step)
    {
        foreach (var series in block.Series)
        {
            if (series.Has(step)) return true;
        }
        return false;
    }

    private static LabelSet ResultLabels(BinaryOperator op, VectorMatching matching, LabelSet many, LabelSet one)
    {
        var labels = op.ChangesMeaning() ? LabelOrder.WithoutName(many) : many;
        if (matching.Cardinality == MatchCardinality.OneToOne)
            labels = matching.On ? LabelOrder.Keep(labels, matching.Labels) : labels.Keep(l => !matching.Labels.Contains(l.Name));
        foreach (var name in matching.Include) labels = labels.With(name, one.Get(name));
        return labels;
    }

    private static EvaluationException Duplicate(VectorMatching matching, LabelSet first, LabelSet second, bool swapped)
    {
        var group = LabelOrder.Text(MatchGroups.LabelsOf(matching, second));
        string[] series = [LabelOrder.Text(first), LabelOrder.Text(second)];
        Array.Sort(series, StringComparer.Ordinal);
        return new($"found duplicate series for the match group {group} on the {(swapped ? "left" : "right")} hand-side of the operation: "
            + $"[{series[0]}, {series[1]}];many-to-many matching not allowed: matching labels must be unique on one side");
    }
}

/// <summary>and, or, unless.</summary>
internal static class SetOperations
{
    public static VectorBlock Evaluate(BinaryExpr expr, VectorBlock left, VectorBlock right, StepGrid grid)
    {
        var groups = MatchGroups.Of(expr.Matching!, left, right);
        return expr.Operator switch
        {
            BinaryOperator.And => Filter(left, groups.Left, Present(right, groups.Right, groups.Count, grid), wanted: true),
            BinaryOperator.Unless => Filter(left, groups.Left, Present(right, groups.Right, groups.Count, grid), wanted: false),
            _ => Or(left, Filter(right, groups.Right, Present(left, groups.Left, groups.Count, grid), wanted: false), grid),
        };
    }

    /// <summary>By group and step: whether the vector has a sample there.</summary>
    private static bool[][] Present(VectorBlock block, int[] groups, int count, StepGrid grid)
    {
        var present = new bool[count][];
        for (var i = 0; i < groups.Length; i++)
        {
            var row = present[groups[i]] ??= new bool[grid.Steps];
            for (var step = 0; step < row.Length; step++) row[step] |= block.Series[i].Has(step);
        }
        return present;
    }

    private static VectorBlock Filter(VectorBlock block, int[] groups, bool[][] present, bool wanted)
    {
        var result = new List<BlockSeries>();
        for (var i = 0; i < groups.Length; i++)
        {
            var series = block.Series[i];
            var row = present[groups[i]];
            if (row is null)
            {
                if (!wanted) result.Add(series);
                continue;
            }
            var (values, histograms) = ((double[])series.Values.Clone(), (FloatHistogram?[]?)series.Histograms?.Clone());
            for (var step = 0; step < values.Length; step++)
            {
                if (row[step] == wanted) continue;
                values[step] = Samples.Absent;
                if (histograms is not null) histograms[step] = null;
            }
            var filtered = series with { Values = values, Histograms = histograms };
            if (filtered.HasAny()) result.Add(filtered);
        }
        return new(result);
    }

    private static VectorBlock Or(VectorBlock left, VectorBlock addition, StepGrid grid)
    {
        if (addition.Series.Count == 0) return left;
        var builder = new BlockBuilder(grid.Steps);
        foreach (var series in left.Series) builder.Merge(series);
        foreach (var series in addition.Series) builder.Merge(series);
        return builder.Build();
    }
}

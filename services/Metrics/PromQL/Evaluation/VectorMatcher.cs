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
        if (left.Series.Count == 0 || right.Series.Count == 0) return VectorBlock.Empty;
        var matching = expr.Matching!;
        // Below, the right side is the "one" side.
        var swapped = matching.Cardinality == MatchCardinality.OneToMany;
        var (many, one) = swapped ? (right, left) : (left, right);
        var groups = MatchGroups.Of(matching, many, one);
        var builder = new BlockBuilder(grid.Steps);
        var results = new Dictionary<(int Many, int One), int>();
        // Per group: the series on the "one" side at this step, or -1.
        var oneOf = new int[groups.Count];
        var matched = new bool[groups.Count];
        var used = new HashSet<(int Group, int Result)>();
        for (var step = 0; step < grid.Steps; step++)
        {
            oneOf.AsSpan().Fill(-1);
            matched.AsSpan().Clear();
            used.Clear();
            // Where one side has no sample at a step nothing can match, and a duplicate on the other does no harm.
            if (!Any(many, step) || !Any(one, step)) continue;
            for (var i = 0; i < one.Series.Count; i++)
            {
                if (Samples.IsAbsent(one.Series[i].Values[step])) continue;
                var group = groups.Right[i];
                if (oneOf[group] >= 0) throw Duplicate(matching, one.Series[oneOf[group]].Labels, one.Series[i].Labels, swapped);
                oneOf[group] = i;
            }
            for (var i = 0; i < many.Series.Count; i++)
            {
                var value = many.Series[i].Values[step];
                var group = groups.Left[i];
                if (Samples.IsAbsent(value) || oneOf[group] is var partner && partner < 0) continue;
                if (BinaryOperations.RefusesFloats(evaluator, expr)) continue;
                if (!results.TryGetValue((i, partner), out var place))
                {
                    var labels = ResultLabels(expr.Operator, matching, many.Series[i].Labels, one.Series[partner].Labels);
                    var dropName = expr.ReturnBool || many.Series[i].DropName;
                    results.Add((i, partner), place = builder.Place(labels, dropName));
                }
                if (matching.Cardinality == MatchCardinality.OneToOne)
                {
                    if (matched[group])
                        throw new EvaluationException("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)");
                    matched[group] = true;
                }
                else if (!used.Add((group, place)))
                {
                    throw new EvaluationException("multiple matches for labels: grouping labels must ensure unique matches");
                }
                var (l, r) = swapped ? (one.Series[partner].Values[step], value) : (value, one.Series[partner].Values[step]);
                if (!expr.Operator.IsComparison() || expr.ReturnBool) builder.Set(place, step, BinaryOperations.Apply(expr.Operator, l, r));
                else if (BinaryOperations.Holds(expr.Operator, l, r)) builder.Set(place, step, l);
            }
        }
        return builder.Build();
    }

    private static bool Any(VectorBlock block, int step)
    {
        foreach (var series in block.Series)
        {
            if (!Samples.IsAbsent(series.Values[step])) return true;
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
            var values = block.Series[i].Values;
            for (var step = 0; step < row.Length; step++) row[step] |= !Samples.IsAbsent(values[step]);
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
            var values = (double[])series.Values.Clone();
            for (var step = 0; step < values.Length; step++)
            {
                if (row[step] != wanted) values[step] = Samples.Absent;
            }
            if (values.AsSpan().ContainsAnyPresent()) result.Add(series with { Values = values });
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

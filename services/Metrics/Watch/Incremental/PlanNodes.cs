using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Watch.Incremental;

/// <summary>
/// A vector that a part of an expression yields. Labels are worked out when the series change and not at each evaluation; the values are those of the
/// evaluator, made in its order.
/// </summary>
internal interface IPlanNode
{
    /// <summary>Another number whenever the series are others.</summary>
    int Structure { get; }

    /// <summary>Number of series, those without a value at present among them.</summary>
    int Count { get; }

    LabelSet LabelsOf(int index);

    /// <summary>The metric name goes when the result leaves the plan.</summary>
    bool DropsName(int index);

    /// <summary>Moves to a moment.</summary>
    void Evaluate(long moment);

    /// <summary>The value at the moment, or <see cref="Samples.Absent"/>.</summary>
    double Value(int index);
}

/// <summary>A vector and a number: arithmetic, or a comparison that filters.</summary>
/// <param name="swapped">The number is on the left.</param>
internal sealed class ScalarNode(BinaryOperator op, bool returnBool, IPlanNode vector, double scalar, bool swapped) : IPlanNode
{
    private readonly bool filters = op.IsComparison() && !returnBool;
    private readonly StandingSelection? estimated = vector as StandingSelection;

    public int Structure => vector.Structure;

    public int Count => vector.Count;

    public LabelSet LabelsOf(int index) => vector.LabelsOf(index);

    public bool DropsName(int index) => vector.DropsName(index) || !filters;

    public void Evaluate(long moment) => vector.Evaluate(moment);

    public double Value(int index)
    {
        // Nearly always the value is far from the threshold, and on the side where nobody asks for it.
        if (filters && estimated is not null && estimated.TryEstimate(index, out var about, out var error) && IsOut(about, error)) return Samples.Absent;
        var value = vector.Value(index);
        if (Samples.IsAbsent(value)) return value;
        var (left, right) = swapped ? (scalar, value) : (value, scalar);
        if (!filters) return BinaryOperations.Apply(op, left, right);
        return BinaryOperations.Holds(op, left, right) ? value : Samples.Absent;
    }

    private bool IsOut(double about, double error) => (op, swapped) switch
    {
        (BinaryOperator.Greater or BinaryOperator.GreaterOrEqual, false) or (BinaryOperator.Less or BinaryOperator.LessOrEqual, true) => about + error < scalar,
        (BinaryOperator.Less or BinaryOperator.LessOrEqual, false) or (BinaryOperator.Greater or BinaryOperator.GreaterOrEqual, true) => about - error > scalar,
        _ => false,
    };
}

/// <summary>A function of each value alone: abs(), a sign, and so on.</summary>
internal sealed class MapNode(Func<double, double> function, IPlanNode vector) : IPlanNode
{
    public int Structure => vector.Structure;

    public int Count => vector.Count;

    public LabelSet LabelsOf(int index) => vector.LabelsOf(index);

    public bool DropsName(int index) => true;

    public void Evaluate(long moment) => vector.Evaluate(moment);

    public double Value(int index) => vector.Value(index) is var value && Samples.IsAbsent(value) ? value : function(value);
}

/// <summary>An aggregation. The group of each series is found when it comes; the values of a group are folded in order of labels, as the evaluator does.</summary>
internal sealed class AggregateNode(AggregateExpr expr, double parameter, IPlanNode vector) : IPlanNode
{
    private readonly List<LabelSet> labels = [];
    private int[] groupOf = [];
    private FloatFold[] folds = [];
    private int structure = -1;

    public int Structure => structure;

    public int Count => labels.Count;

    public LabelSet LabelsOf(int index) => labels[index];

    // No grouping by the metric name is compiled.
    public bool DropsName(int index) => false;

    public void Evaluate(long moment)
    {
        vector.Evaluate(moment);
        if (structure != vector.Structure) Regroup();
        for (var i = 0; i < folds.Length; i++) folds[i].Clear();
        for (var i = 0; i < groupOf.Length; i++)
        {
            var value = vector.Value(i);
            if (!Samples.IsAbsent(value)) folds[groupOf[i]].Add(expr.Operator, value);
        }
    }

    public double Value(int index) => folds[index].Count > 0 ? folds[index].Result(expr.Operator, parameter) : Samples.Absent;

    private void Regroup()
    {
        structure = vector.Structure;
        labels.Clear();
        groupOf = new int[vector.Count];
        var numbers = new Dictionary<LabelSet, int>();
        for (var i = 0; i < groupOf.Length; i++)
        {
            var key = expr.Without ? LabelOrder.DropWithName(vector.LabelsOf(i), expr.Grouping)
                : expr.Grouping.Count == 0 ? LabelSet.Empty
                : LabelOrder.Keep(vector.LabelsOf(i), expr.Grouping);
            if (!numbers.TryGetValue(key, out groupOf[i]))
            {
                numbers.Add(key, groupOf[i] = labels.Count);
                labels.Add(key);
            }
        }
        folds = new FloatFold[labels.Count];
    }
}

/// <summary>Arithmetic or a comparison between two vectors, one to one: a ratio, say. Which belong together is found when series come.</summary>
internal sealed class PairNode(BinaryExpr expr, IPlanNode left, IPlanNode right) : IPlanNode
{
    private readonly bool filters = expr.Operator.IsComparison() && !expr.ReturnBool;
    private readonly List<LabelSet> labels = [];
    private readonly List<(int Left, int Right)> pairs = [];
    private (int Left, int Right) seen = (-1, -1);

    public int Structure { get; private set; }

    public int Count => pairs.Count;

    public LabelSet LabelsOf(int index) => labels[index];

    public bool DropsName(int index) => expr.ReturnBool || left.DropsName(pairs[index].Left);

    public void Evaluate(long moment)
    {
        left.Evaluate(moment);
        right.Evaluate(moment);
        if (seen != (left.Structure, right.Structure)) Match();
    }

    public double Value(int index)
    {
        var (l, r) = (left.Value(pairs[index].Left), right.Value(pairs[index].Right));
        if (Samples.IsAbsent(l) || Samples.IsAbsent(r)) return Samples.Absent;
        if (!filters) return BinaryOperations.Apply(expr.Operator, l, r);
        return BinaryOperations.Holds(expr.Operator, l, r) ? l : Samples.Absent;
    }

    private void Match()
    {
        seen = (left.Structure, right.Structure);
        Structure++;
        labels.Clear();
        pairs.Clear();
        var matching = expr.Matching!;
        var rights = Numbered(right);
        Numbered(left);
        for (var i = 0; i < left.Count; i++)
        {
            var own = left.LabelsOf(i);
            if (!rights.TryGetValue(MatchGroups.LabelsOf(matching, own), out var partner)) continue;
            if (expr.Operator.ChangesMeaning()) own = LabelOrder.WithoutName(own);
            labels.Add(matching.On ? LabelOrder.Keep(own, matching.Labels) : own.Keep(l => !matching.Labels.Contains(l.Name)));
            pairs.Add((i, partner));
        }

        Dictionary<LabelSet, int> Numbered(IPlanNode node)
        {
            var numbers = new Dictionary<LabelSet, int>();
            for (var i = 0; i < node.Count; i++)
            {
                // Which of them is there at a moment decides whether that is an error: the evaluator's to say.
                if (!numbers.TryAdd(MatchGroups.LabelsOf(matching, node.LabelsOf(i)), i)) throw new NotIncrementalException("several series of one side belong to the same match group");
            }
            return numbers;
        }
    }
}

/// <summary>The data have a shape that only the full evaluation deals with.</summary>
internal sealed class NotIncrementalException(string message) : Exception(message);

using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Watch.Incremental;

/// <summary>and, or, unless. Series of the same match group are found when series come; which of them have a value is looked at each time.</summary>
internal sealed class SetNode(BinaryExpr expr, IPlanNode left, IPlanNode right) : IPlanNode
{
    private readonly bool both = expr.Operator == BinaryOperator.Or;
    private int[] leftGroups = [];
    private int[] rightGroups = [];
    private bool[] present = [];
    private double[] values = [];
    private (int Left, int Right) seen = (-1, -1);

    public int Structure { get; private set; }

    public int Count => values.Length;

    public LabelSet LabelsOf(int index) => index < leftGroups.Length ? left.LabelsOf(index) : right.LabelsOf(index - leftGroups.Length);

    public bool DropsName(int index) => index < leftGroups.Length ? left.DropsName(index) : right.DropsName(index - leftGroups.Length);

    public void Evaluate(long moment)
    {
        left.Evaluate(moment);
        right.Evaluate(moment);
        if (seen != (left.Structure, right.Structure)) Match();
        present.AsSpan().Clear();
        if (both) Or();
        else Filter(wanted: expr.Operator == BinaryOperator.And);
    }

    public double Value(int index) => values[index];

    private void Or()
    {
        for (var i = 0; i < leftGroups.Length; i++)
        {
            values[i] = left.Value(i);
            present[leftGroups[i]] |= !Samples.IsAbsent(values[i]);
        }
        for (var i = 0; i < rightGroups.Length; i++) values[leftGroups.Length + i] = present[rightGroups[i]] ? Samples.Absent : right.Value(i);
    }

    private void Filter(bool wanted)
    {
        for (var i = 0; i < rightGroups.Length; i++)
        {
            if (!present[rightGroups[i]]) present[rightGroups[i]] = !Samples.IsAbsent(right.Value(i));
        }
        for (var i = 0; i < leftGroups.Length; i++) values[i] = present[leftGroups[i]] == wanted ? left.Value(i) : Samples.Absent;
    }

    private void Match()
    {
        seen = (left.Structure, right.Structure);
        Structure++;
        var numbers = new Dictionary<LabelSet, int>();
        leftGroups = Numbered(left);
        rightGroups = Numbered(right);
        present = new bool[numbers.Count];
        values = new double[leftGroups.Length + (both ? rightGroups.Length : 0)];

        int[] Numbered(IPlanNode node)
        {
            var groups = new int[node.Count];
            for (var i = 0; i < groups.Length; i++)
            {
                var key = MatchGroups.LabelsOf(expr.Matching!, node.LabelsOf(i));
                if (!numbers.TryGetValue(key, out groups[i])) numbers.Add(key, groups[i] = numbers.Count);
            }
            return groups;
        }
    }
}

/// <summary>vector() of a number.</summary>
internal sealed class NumberNode(double value) : IPlanNode
{
    public int Structure => 0;

    public int Count => 1;

    public LabelSet LabelsOf(int index) => LabelSet.Empty;

    public bool DropsName(int index) => false;

    public void Evaluate(long moment)
    {
        // It is always the same.
    }

    public double Value(int index) => value;
}

using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Watch.Incremental;

/// <summary>Makes the nodes of one plan.</summary>
/// <param name="lookbackMs">How long a sample stands for its series.</param>
/// <param name="longestMs">The longest window, its offset included, that samples are held for.</param>
/// <param name="selection">Gives the selection of a leaf: one that is there already, or a new one.</param>
internal sealed class PlanBuilder(long lookbackMs, long longestMs, Func<SelectionSpec, StandingSelection> selection)
{
    private readonly List<StandingSelection> leaves = [];

    /// <summary>The selections so far, as often as they occur.</summary>
    public IReadOnlyList<StandingSelection> Leaves => leaves;

    /// <summary>A leaf was refused for its window alone.</summary>
    public bool TooLong { get; private set; }

    /// <summary>The node of an expression; null where it has none.</summary>
    public IPlanNode? Node(Expr expr)
    {
        switch (expr)
        {
            case ParenExpr paren:
                return Node(paren.Inner);
            case UnaryExpr { Negative: false } plus:
                return Node(plus.Operand);
            case UnaryExpr minus:
                return Node(minus.Operand) is { } negated ? new MapNode(static v => -v, negated) : null;
            case VectorSelector selector when IsPlain(selector):
                return Leaf(new SelectionSpec(Formatter.Format(selector), selector.Matchers, lookbackMs, selector.OffsetMs, null, []));
            case AggregateExpr aggregate:
                return Aggregate(aggregate);
            case BinaryExpr binary:
                return Binary(binary);
            case CallExpr call when MathFunctions.All.TryGetValue(call.Function.Name, out var math):
                return Node(call.Arguments[0]) is { } mapped ? new MapNode(math, mapped) : null;
            case CallExpr { Function.Name: "histogram_quantile" } call:
                return Number(call.Arguments[0]) is { } q && Node(call.Arguments[1]) is { } buckets
                    ? new ClassicHistogramNode(b => ClassicHistograms.QuantileOf(q, b).Value, buckets)
                    : null;
            case CallExpr { Function.Name: "histogram_fraction" } call:
                return Number(call.Arguments[0]) is { } lower && Number(call.Arguments[1]) is { } upper && Node(call.Arguments[2]) is { } counts
                    ? new ClassicHistogramNode(b => ClassicHistograms.FractionOf(lower, upper, b), counts)
                    : null;
            case CallExpr { Function.Name: "vector" } call:
                return Number(call.Arguments[0]) is { } constant ? new NumberNode(constant) : null;
            // What is absent is told by the selector's own labels.
            case CallExpr call when RangeFunctions.All.ContainsKey(call.Function.Name) && call.Function.Name != "absent_over_time":
                return Range(call);
            default:
                return null;
        }
    }

    private StandingSelection? Range(CallExpr call)
    {
        var scalars = new List<double>();
        MatrixSelector? range = null;
        foreach (var argument in call.Arguments)
        {
            if (argument.Unwrap() is MatrixSelector matrix) range = matrix;
            else if (Number(argument) is { } number) scalars.Add(number);
            else return null;
        }
        // A selector with a modifier that is not known here is none of these.
        if (range is null || range != new MatrixSelector(range.Vector, range.RangeMs, range.Position) || !IsPlain(range.Vector)) return null;
        return Leaf(new SelectionSpec(Formatter.Format(call), range.Vector.Matchers, range.RangeMs, range.Vector.OffsetMs, call.Function.Name, [.. scalars]));
    }

    private StandingSelection? Leaf(SelectionSpec spec)
    {
        if (spec.RangeMs + Math.Abs(spec.OffsetMs) > longestMs)
        {
            TooLong = true;
            return null;
        }
        var leaf = selection(spec);
        leaves.Add(leaf);
        return leaf;
    }

    private AggregateNode? Aggregate(AggregateExpr aggregate)
    {
        if (aggregate.Operator is not (AggregateOperator.Sum or AggregateOperator.Avg or AggregateOperator.Count or AggregateOperator.Min or AggregateOperator.Max
            or AggregateOperator.Group or AggregateOperator.Stddev or AggregateOperator.Stdvar or AggregateOperator.Quantile)) return null;
        if (aggregate.Grouping.Contains(LabelSet.NameLabel)) return null;
        var parameter = aggregate.Parameter is null ? 0 : Number(aggregate.Parameter);
        return parameter is { } number && Node(aggregate.Operand) is { } operand ? new AggregateNode(aggregate, number, operand) : null;
    }

    private IPlanNode? Binary(BinaryExpr binary)
    {
        if (binary.Operator.IsSet()) return Set(binary);
        if (binary.Operator is BinaryOperator.TrimLower or BinaryOperator.TrimUpper) return null;
        if (Number(binary.Right) is { } right)
            return Node(binary.Left) is { } vector ? new ScalarNode(binary.Operator, binary.ReturnBool, vector, right, swapped: false) : null;
        if (Number(binary.Left) is { } left)
            return Node(binary.Right) is { } vector ? new ScalarNode(binary.Operator, binary.ReturnBool, vector, left, swapped: true) : null;
        if (binary.Matching is not { Cardinality: MatchCardinality.OneToOne } matching || matching.Labels.Contains(LabelSet.NameLabel)) return null;
        if (matching != new VectorMatching(matching.Cardinality, matching.On, matching.Labels, matching.Include)) return null;
        return Node(binary.Left) is { } one && Node(binary.Right) is { } other ? new PairNode(binary, one, other) : null;
    }

    private SetNode? Set(BinaryExpr binary)
    {
        if (binary.Matching is not { } matching || matching.Labels.Contains(LabelSet.NameLabel)) return null;
        if (matching != new VectorMatching(matching.Cardinality, matching.On, matching.Labels, matching.Include)) return null;
        return Node(binary.Left) is { } one && Node(binary.Right) is { } other ? new SetNode(binary, one, other) : null;
    }

    private static bool IsPlain(VectorSelector selector) =>
        selector == new VectorSelector(selector.Name, selector.Matchers, selector.OffsetMs, null, selector.Position);

    /// <summary>The value of an expression of numbers alone; null where it is not one.</summary>
    private static double? Number(Expr expr) => expr switch
    {
        NumberLiteral number => number.Value,
        ParenExpr paren => Number(paren.Inner),
        UnaryExpr unary => Number(unary.Operand) is { } value ? unary.Negative ? -value : value : null,
        BinaryExpr { Matching: null } binary when !binary.Operator.IsSet() && binary.Operator is not (BinaryOperator.TrimLower or BinaryOperator.TrimUpper)
            && Number(binary.Left) is { } left && Number(binary.Right) is { } right => BinaryOperations.Apply(binary.Operator, left, right),
        _ => null,
    };
}

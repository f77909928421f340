using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Watch.Incremental;

/// <summary>
/// Finds the expressions that can be kept up to date from sample to sample: functions over ranges, and metrics themselves; compared or reckoned with
/// numbers, aggregated, paired one to one. All others are evaluated in full.
/// </summary>
/// <param name="lookbackMs">How long a sample stands for its series.</param>
/// <param name="longestMs">The longest window, its offset included, that samples are held for.</param>
internal sealed class PlanCompiler(long lookbackMs, long longestMs)
{
    /// <summary>The plan of an expression; null where it has none.</summary>
    /// <param name="selection">Gives the selection of a leaf: one that is there already, or a new one.</param>
    public StandingPlan? Compile(Expr expr, Func<SelectionSpec, StandingSelection> selection)
    {
        if (expr.Type != ExprType.InstantVector) return null;
        var leaves = new List<StandingSelection>();
        return Node(expr, spec =>
        {
            var leaf = selection(spec);
            leaves.Add(leaf);
            return leaf;
        }) is { } root && leaves.Count > 0 ? new StandingPlan(root, leaves) : null;
    }

    /// <summary>The leaves of an expression that has a plan; empty where it has none.</summary>
    public IReadOnlyList<SelectionSpec> Leaves(Expr expr)
    {
        var none = new StandingMemory(0);
        return Compile(expr, spec => new StandingSelection(spec, none))?.Leaves.Select(l => l.Spec).ToArray() ?? [];
    }

    private IPlanNode? Node(Expr expr, Func<SelectionSpec, StandingSelection> selection)
    {
        switch (expr)
        {
            case ParenExpr paren:
                return Node(paren.Inner, selection);
            case UnaryExpr { Negative: false } plus:
                return Node(plus.Operand, selection);
            case UnaryExpr minus:
                return Node(minus.Operand, selection) is { } negated ? new MapNode(static v => -v, negated) : null;
            case VectorSelector selector when IsPlain(selector):
                return Leaf(new SelectionSpec(Formatter.Format(selector), selector.Matchers, lookbackMs, selector.OffsetMs, null, []), selection);
            case AggregateExpr aggregate:
                return Aggregate(aggregate, selection);
            case BinaryExpr binary:
                return Binary(binary, selection);
            case CallExpr call when MathFunctions.All.TryGetValue(call.Function.Name, out var math):
                return Node(call.Arguments[0], selection) is { } mapped ? new MapNode(math, mapped) : null;
            // What is absent is told by the selector's own labels.
            case CallExpr call when RangeFunctions.All.ContainsKey(call.Function.Name) && call.Function.Name != "absent_over_time":
                return Range(call, selection);
            default:
                return null;
        }
    }

    private StandingSelection? Range(CallExpr call, Func<SelectionSpec, StandingSelection> selection)
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
        return Leaf(new SelectionSpec(Formatter.Format(call), range.Vector.Matchers, range.RangeMs, range.Vector.OffsetMs, call.Function.Name, [.. scalars]), selection);
    }

    private StandingSelection? Leaf(SelectionSpec spec, Func<SelectionSpec, StandingSelection> selection) =>
        spec.RangeMs + Math.Abs(spec.OffsetMs) <= longestMs ? selection(spec) : null;

    private AggregateNode? Aggregate(AggregateExpr aggregate, Func<SelectionSpec, StandingSelection> selection)
    {
        if (aggregate.Operator is not (AggregateOperator.Sum or AggregateOperator.Avg or AggregateOperator.Count or AggregateOperator.Min or AggregateOperator.Max
            or AggregateOperator.Group or AggregateOperator.Stddev or AggregateOperator.Stdvar or AggregateOperator.Quantile)) return null;
        if (aggregate.Grouping.Contains(LabelSet.NameLabel)) return null;
        var parameter = aggregate.Parameter is null ? 0 : Number(aggregate.Parameter);
        return parameter is { } number && Node(aggregate.Operand, selection) is { } operand ? new AggregateNode(aggregate, number, operand) : null;
    }

    private IPlanNode? Binary(BinaryExpr binary, Func<SelectionSpec, StandingSelection> selection)
    {
        if (binary.Operator.IsSet() || binary.Operator is BinaryOperator.TrimLower or BinaryOperator.TrimUpper) return null;
        if (Number(binary.Right) is { } right)
            return Node(binary.Left, selection) is { } vector ? new ScalarNode(binary.Operator, binary.ReturnBool, vector, right, swapped: false) : null;
        if (Number(binary.Left) is { } left)
            return Node(binary.Right, selection) is { } vector ? new ScalarNode(binary.Operator, binary.ReturnBool, vector, left, swapped: true) : null;
        if (binary.Matching is not { Cardinality: MatchCardinality.OneToOne } matching || matching.Labels.Contains(LabelSet.NameLabel)) return null;
        if (matching != new VectorMatching(matching.Cardinality, matching.On, matching.Labels, matching.Include)) return null;
        return Node(binary.Left, selection) is { } one && Node(binary.Right, selection) is { } other ? new PairNode(binary, one, other) : null;
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

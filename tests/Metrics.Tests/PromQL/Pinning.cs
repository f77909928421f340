using Vigil.Metrics.PromQL;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>Puts @ on the selectors and subqueries that have none.</summary>
internal static class Pinning
{
    /// <summary>Functions whose result changes with the time of evaluation, whatever their arguments.</summary>
    private static readonly string[] OfTheirTime =
    [
        "days_in_month", "day_of_month", "day_of_week", "day_of_year", "hour", "minute", "month", "year", "predict_linear", "time", "timestamp",
        "start", "end", "range", "step",
    ];

    public static bool TryPin(Expr expr, long at, out Expr pinned)
    {
        var possible = true;
        pinned = Pin(expr);
        return possible;

        Expr Pin(Expr node)
        {
            switch (node)
            {
                case VectorSelector vector: return vector with { At = vector.At ?? new(AtAnchor.Time, at) };
                case MatrixSelector matrix: return matrix with { Vector = (VectorSelector)Pin(matrix.Vector) };
                // What is inside follows the subquery's own times.
                case SubqueryExpr subquery: return subquery with { At = subquery.At ?? new(AtAnchor.Time, at) };
                case ParenExpr paren: return paren with { Inner = Pin(paren.Inner) };
                case UnaryExpr unary: return unary with { Operand = Pin(unary.Operand) };
                case BinaryExpr binary: return binary with { Left = Pin(binary.Left), Right = Pin(binary.Right) };
                case AggregateExpr aggregate:
                    return aggregate with { Operand = Pin(aggregate.Operand), Parameter = aggregate.Parameter is { } parameter ? Pin(parameter) : null };
                case CallExpr call:
                    possible &= !OfTheirTime.Contains(call.Function.Name);
                    return call with { Arguments = call.Arguments.Select(Pin).ToArray() };
                default: return node;
            }
        }
    }
}

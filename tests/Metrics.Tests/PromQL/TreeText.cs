using Vigil.Metrics.PromQL;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>A tree as text, without positions: two expressions mean the same when these are the same.</summary>
internal static class TreeText
{
    public static string Of(Expr? expr) => expr switch
    {
        null => "",
        DurationExpr d => $"({d.Operator} {Of(d.Left)} {Of(d.Right)} {d.Wrapped})",
        NumberLiteral n => $"(number {BitConverter.DoubleToInt64Bits(double.IsNaN(n.Value) ? double.NaN : n.Value):x} {n.IsDuration})",
        StringLiteral s => $"(text {s.Value})",
        VectorSelector v => $"(select {v.Name} {Matchers(v)} {v.OffsetMs} {Of(v.OffsetExpr)} {v.At} {v.Boundary})",
        MatrixSelector m => $"(matrix {Of(m.Vector)} {m.RangeMs} {Of(m.RangeExpr)})",
        SubqueryExpr s => $"(subquery {Of(s.Inner)} {s.RangeMs} {Of(s.RangeExpr)} {s.StepMs} {Of(s.StepExpr)} {s.OffsetMs} {Of(s.OffsetExpr)} {s.At})",
        UnaryExpr u => $"(unary {u.Negative} {Of(u.Operand)})",
        BinaryExpr b => $"({b.Operator} {Of(b.Left)} {Of(b.Right)} {b.ReturnBool} {Matching(b.Matching)})",
        AggregateExpr a => $"({a.Operator} {Of(a.Operand)} {(a.Parameter is { } p ? Of(p) : "")} {string.Join(",", a.Grouping)} {a.Without})",
        CallExpr c => $"(call {c.Function.Name} {string.Join(" ", c.Arguments.Select(Of))})",
        ParenExpr p => $"(paren {Of(p.Inner)})",
        _ => throw new ArgumentOutOfRangeException(nameof(expr)),
    };

    private static string Matchers(VectorSelector selector) => string.Join(",", selector.Matchers.Select(m => m.ToString()).Order(StringComparer.Ordinal));

    private static string Matching(VectorMatching? matching) =>
        matching is null ? "" : $"{matching.Cardinality} {matching.On} [{string.Join(",", matching.Labels)}] [{string.Join(",", matching.Include)}] {matching.FillLeft} {matching.FillRight}";
}

using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>What an expression yields.</summary>
internal enum ExprType
{
    Scalar,
    String,
    InstantVector,
    RangeVector,
}

/// <summary>A part of the text: from <paramref name="Start"/> up to, not including, <paramref name="End"/>, in UTF-16 units.</summary>
internal readonly record struct PositionRange(int Start, int End);

/// <summary>A node of a parsed expression. Trees are immutable; <see cref="Depth"/> is kept so that no walk over one can overflow a stack.</summary>
internal abstract record Expr(PositionRange Position)
{
    public abstract ExprType Type { get; }

    /// <summary>Levels of nodes from this one down to its deepest leaf.</summary>
    public virtual int Depth => 1;
}

/// <param name="Value">Seconds, where <paramref name="IsDuration"/>.</param>
/// <param name="IsDuration">Written as a duration (5m), and printed as one.</param>
internal sealed record NumberLiteral(double Value, bool IsDuration, PositionRange Position) : Expr(Position)
{
    public override ExprType Type => ExprType.Scalar;
}

internal sealed record StringLiteral(string Value, PositionRange Position) : Expr(Position)
{
    public override ExprType Type => ExprType.String;
}

/// <summary>Where an @ modifier pins the evaluation.</summary>
internal enum AtAnchor
{
    Time,
    Start,
    End,
}

/// <summary>The @ modifier.</summary>
/// <param name="TimeMs">Milliseconds since 1970, for <see cref="AtAnchor.Time"/>.</param>
internal sealed record AtModifier(AtAnchor Anchor, long TimeMs);

/// <param name="Name">The metric name written before the braces; null where there is none. It is among the matchers too.</param>
/// <param name="OffsetMs">How far back to look; negative looks ahead.</param>
internal sealed record VectorSelector(string? Name, IReadOnlyList<LabelMatcher> Matchers, long OffsetMs, AtModifier? At, PositionRange Position)
    : Expr(Position)
{
    public override ExprType Type => ExprType.InstantVector;
}

internal sealed record MatrixSelector(VectorSelector Vector, long RangeMs, PositionRange Position) : Expr(Position)
{
    public override ExprType Type => ExprType.RangeVector;

    public override int Depth => 2;
}

/// <param name="StepMs">Resolution; null means the default one.</param>
internal sealed record SubqueryExpr(Expr Inner, long RangeMs, long? StepMs, long OffsetMs, AtModifier? At, PositionRange Position) : Expr(Position)
{
    public override ExprType Type => ExprType.RangeVector;

    public override int Depth { get; } = Inner.Depth + 1;
}

internal sealed record UnaryExpr(bool Negative, Expr Operand, PositionRange Position) : Expr(Position)
{
    public override ExprType Type => Operand.Type;

    public override int Depth { get; } = Operand.Depth + 1;
}

internal enum MatchCardinality
{
    OneToOne,
    ManyToOne,
    OneToMany,
    ManyToMany,
}

/// <summary>How the elements of two vectors find each other.</summary>
/// <param name="On">Match on <paramref name="Labels"/> alone; otherwise on all labels but those.</param>
/// <param name="Include">Labels copied from the "one" side.</param>
internal sealed record VectorMatching(MatchCardinality Cardinality, bool On, IReadOnlyList<string> Labels, IReadOnlyList<string> Include);

/// <param name="Matching">Null unless both sides are vectors.</param>
internal sealed record BinaryExpr(BinaryOperator Operator, Expr Left, Expr Right, bool ReturnBool, VectorMatching? Matching, PositionRange Position)
    : Expr(Position)
{
    public override ExprType Type =>
        Left.Type == ExprType.Scalar && Right.Type == ExprType.Scalar ? ExprType.Scalar : ExprType.InstantVector;

    public override int Depth { get; } = Math.Max(Left.Depth, Right.Depth) + 1;
}

internal sealed record AggregateExpr(
    AggregateOperator Operator, Expr Operand, Expr? Parameter, IReadOnlyList<string> Grouping, bool Without, PositionRange Position) : Expr(Position)
{
    public override ExprType Type => ExprType.InstantVector;

    public override int Depth { get; } = Math.Max(Operand.Depth, Parameter?.Depth ?? 0) + 1;
}

internal sealed record CallExpr(FunctionSignature Function, IReadOnlyList<Expr> Arguments, PositionRange Position) : Expr(Position)
{
    public override ExprType Type => Function.Returns;

    public override int Depth { get; } = Arguments.Select(a => a.Depth).DefaultIfEmpty().Max() + 1;
}

internal sealed record ParenExpr(Expr Inner, PositionRange Position) : Expr(Position)
{
    public override ExprType Type => Inner.Type;

    public override int Depth { get; } = Inner.Depth + 1;
}

internal static class ExprExtensions
{
    /// <summary>The expression without the parentheses around it.</summary>
    public static Expr Unwrap(this Expr expr)
    {
        while (expr is ParenExpr paren) expr = paren.Inner;
        return expr;
    }

    /// <summary>The name that Prometheus' messages give a type.</summary>
    public static string Documented(this ExprType type) => type switch
    {
        ExprType.Scalar => "scalar",
        ExprType.String => "string",
        ExprType.InstantVector => "instant vector",
        _ => "range vector",
    };
}

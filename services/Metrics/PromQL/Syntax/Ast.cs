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
internal sealed record AtModifier(AtAnchor Anchor, long TimeMs)
{
    /// <summary>The moment in a query, in milliseconds since 1970.</summary>
    public long TimeIn(StepGrid query) => Anchor switch
    {
        AtAnchor.Start => query.StartMs,
        AtAnchor.End => query.EndMs,
        _ => TimeMs,
    };
}

/// <summary>How a selector deals with the ends of its window.</summary>
internal enum Boundary
{
    /// <summary>Only samples in the window count.</summary>
    Plain,

    /// <summary>The last sample before the window stands for its start.</summary>
    Anchored,

    /// <summary>Values at the ends are interpolated between the samples around them.</summary>
    Smoothed,
}

/// <summary>What arithmetic in a duration does. The last four take no, or two, durations as functions do.</summary>
internal enum DurationOperator
{
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Step,
    Range,
    MinOf,
    MaxOf,
}

/// <summary>Arithmetic in place of a duration: [5m * 2], offset (step() / 2). Its value is known once the query's range and step are.</summary>
/// <param name="Left">Null for a sign, step() and range().</param>
/// <param name="Right">Null for step() and range().</param>
/// <param name="Wrapped">Written in parentheses.</param>
internal sealed record DurationExpr(DurationOperator Operator, Expr? Left, Expr? Right, bool Wrapped, PositionRange Position) : Expr(Position)
{
    public override ExprType Type => ExprType.Scalar;

    public override int Depth { get; } = Math.Max(Left?.Depth ?? 0, Right?.Depth ?? 0) + 1;
}

/// <param name="Name">The metric name written before the braces; null where there is none. It is among the matchers too.</param>
/// <param name="OffsetMs">How far back to look; negative looks ahead.</param>
internal sealed record VectorSelector(string? Name, IReadOnlyList<LabelMatcher> Matchers, long OffsetMs, AtModifier? At, PositionRange Position)
    : Expr(Position)
{
    public override ExprType Type => ExprType.InstantVector;

    /// <summary>In place of <see cref="OffsetMs"/>.</summary>
    public DurationExpr? OffsetExpr { get; init; }

    public Boundary Boundary { get; init; }
}

internal sealed record MatrixSelector(VectorSelector Vector, long RangeMs, PositionRange Position) : Expr(Position)
{
    public override ExprType Type => ExprType.RangeVector;

    public override int Depth => 2;

    /// <summary>In place of <see cref="RangeMs"/>.</summary>
    public DurationExpr? RangeExpr { get; init; }

    /// <summary>In place of <see cref="RangeMs"/>.</summary>
    public CalendarRange? Calendar { get; init; }
}

/// <param name="StepMs">Resolution; null means the default one.</param>
internal sealed record SubqueryExpr(Expr Inner, long RangeMs, long? StepMs, long OffsetMs, AtModifier? At, PositionRange Position) : Expr(Position)
{
    public override ExprType Type => ExprType.RangeVector;

    public override int Depth { get; } = Inner.Depth + 1;

    /// <summary>In place of <see cref="RangeMs"/>.</summary>
    public DurationExpr? RangeExpr { get; init; }

    /// <summary>In place of <see cref="RangeMs"/>.</summary>
    public CalendarRange? Calendar { get; init; }

    /// <summary>In place of <see cref="StepMs"/>.</summary>
    public DurationExpr? StepExpr { get; init; }

    /// <summary>In place of <see cref="OffsetMs"/>.</summary>
    public DurationExpr? OffsetExpr { get; init; }
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
internal sealed record VectorMatching(MatchCardinality Cardinality, bool On, IReadOnlyList<string> Labels, IReadOnlyList<string> Include)
{
    /// <summary>What stands for an element that the left side does not have; null where nothing does.</summary>
    public double? FillLeft { get; init; }

    /// <summary>What stands for an element that the right side does not have; null where nothing does.</summary>
    public double? FillRight { get; init; }

    public bool Fills => FillLeft is not null || FillRight is not null;
}

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

    /// <summary>Of info(): the selector of the series that it takes labels from. Its second argument is no selector to evaluate.</summary>
    public VectorSelector? InfoSeries { get; } = InfoFunction.SelectorOf(Function, Arguments);
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

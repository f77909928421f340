using System.Globalization;
using System.Text;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Writes an expression in its canonical form, on one line; reading that gives the same tree again.</summary>
internal static class Formatter
{
    public static string Format(Expr expr)
    {
        var b = new StringBuilder();
        Write(b, expr);
        return b.ToString();
    }

    /// <summary>What stands before the parentheses of an aggregation.</summary>
    public static string Head(AggregateExpr aggregate)
    {
        var b = new StringBuilder(aggregate.Operator.Symbol());
        if (!aggregate.Without && aggregate.Grouping.Count == 0) return b.ToString();
        WriteLabels(b.Append(aggregate.Without ? " without " : " by "), aggregate.Grouping);
        return b.Append(' ').ToString();
    }

    /// <summary>What stands between two operands.</summary>
    public static string Operator(BinaryExpr binary)
    {
        var b = new StringBuilder(binary.Operator.Symbol());
        if (binary.ReturnBool) b.Append(" bool");
        if (binary.Matching is { } matching) WriteMatching(b, matching);
        return b.ToString();
    }

    /// <summary>What stands behind the expression of a subquery.</summary>
    public static string Tail(SubqueryExpr subquery)
    {
        var b = new StringBuilder().Append('[').Append(subquery.Calendar?.ToString() ?? Duration(subquery.RangeExpr, subquery.RangeMs)).Append(':');
        if (subquery.StepExpr is not null || subquery.StepMs is not null) b.Append(Duration(subquery.StepExpr, subquery.StepMs ?? 0));
        b.Append(']');
        WriteAt(b, subquery.At);
        WriteOffset(b, subquery.OffsetExpr, subquery.OffsetMs);
        return b.ToString();
    }

    private static void Write(StringBuilder b, Expr expr)
    {
        switch (expr)
        {
            case NumberLiteral { IsDuration: true } duration:
                b.Append(Durations.Format((long)Math.Round(duration.Value * 1000, MidpointRounding.AwayFromZero)));
                break;
            case NumberLiteral number:
                b.Append(GoText.Float(number.Value));
                break;
            case StringLiteral text:
                b.Append(GoText.Quote(text.Value));
                break;
            case ParenExpr paren:
                b.Append('(');
                Write(b, paren.Inner);
                b.Append(')');
                break;
            case UnaryExpr unary:
                b.Append(unary.Negative ? '-' : '+');
                Write(b, unary.Operand);
                break;
            case BinaryExpr binary:
                Write(b, binary.Left);
                b.Append(' ').Append(Operator(binary)).Append(' ');
                Write(b, binary.Right);
                break;
            case AggregateExpr aggregate:
                b.Append(Head(aggregate)).Append('(');
                if (aggregate.Parameter is { } parameter)
                {
                    Write(b, parameter);
                    b.Append(", ");
                }
                Write(b, aggregate.Operand);
                b.Append(')');
                break;
            case CallExpr call:
                b.Append(call.Function.Name).Append('(');
                for (var i = 0; i < call.Arguments.Count; i++)
                {
                    if (i > 0) b.Append(", ");
                    Write(b, call.Arguments[i]);
                }
                b.Append(')');
                break;
            case VectorSelector selector:
                WriteSelector(b, selector);
                WriteAt(b, selector.At);
                WriteBoundary(b, selector.Boundary);
                WriteOffset(b, selector.OffsetExpr, selector.OffsetMs);
                break;
            case MatrixSelector matrix:
                WriteSelector(b, matrix.Vector);
                b.Append('[').Append(matrix.Calendar?.ToString() ?? Duration(matrix.RangeExpr, matrix.RangeMs)).Append(']');
                WriteBoundary(b, matrix.Vector.Boundary);
                WriteAt(b, matrix.Vector.At);
                WriteOffset(b, matrix.Vector.OffsetExpr, matrix.Vector.OffsetMs);
                break;
            case SubqueryExpr subquery:
                Write(b, subquery.Inner);
                b.Append(Tail(subquery));
                break;
            case DurationExpr duration:
                WriteDuration(b, duration);
                break;
        }
    }

    private static void WriteSelector(StringBuilder b, VectorSelector selector)
    {
        b.Append(selector.Name);
        // The name before the braces is the last matcher.
        var matchers = selector.Matchers.Take(selector.Matchers.Count - (selector.Name is null ? 0 : 1)).Select(Matcher).ToArray();
        Array.Sort(matchers, StringComparer.Ordinal);
        if (matchers.Length > 0 || selector.Name is null) b.Append('{').AppendJoin(',', matchers).Append('}');
    }

    private static string Matcher(LabelMatcher matcher) => LabelNames.Write(matcher.Name) + matcher.Kind switch
    {
        MatchKind.Equal => "=",
        MatchKind.NotEqual => "!=",
        MatchKind.Regex => "=~",
        _ => "!~",
    } + GoText.Quote(matcher.Value);

    private static void WriteDuration(StringBuilder b, DurationExpr duration)
    {
        if (duration.Wrapped) b.Append('(');
        switch (duration.Operator)
        {
            case DurationOperator.Step or DurationOperator.Range:
                b.Append(duration.Operator.Symbol()).Append("()");
                break;
            case DurationOperator.MinOf or DurationOperator.MaxOf:
                b.Append(duration.Operator.Symbol()).Append('(');
                Write(b, duration.Left!);
                b.Append(", ");
                Write(b, duration.Right!);
                b.Append(')');
                break;
            default:
                if (duration.Left is { } left)
                {
                    Write(b, left);
                    b.Append(' ').Append(duration.Operator.Symbol()).Append(' ');
                }
                else if (duration.Operator == DurationOperator.Subtract)
                {
                    b.Append('-');
                }
                Write(b, duration.Right!);
                break;
        }
        if (duration.Wrapped) b.Append(')');
    }

    private static string Duration(DurationExpr? expr, long milliseconds) => expr is null ? Durations.Format(milliseconds) : Format(expr);

    private static void WriteAt(StringBuilder b, AtModifier? at)
    {
        if (at is null) return;
        b.Append(at.Anchor switch
        {
            AtAnchor.Start => " @ start()",
            AtAnchor.End => " @ end()",
            _ => string.Create(CultureInfo.InvariantCulture, $" @ {(at.TimeMs < 0 ? "-" : "")}{Math.Abs(at.TimeMs / 1000)}.{Math.Abs(at.TimeMs % 1000):000}"),
        });
    }

    private static void WriteBoundary(StringBuilder b, Boundary boundary)
    {
        if (boundary != Boundary.Plain) b.Append(boundary == Boundary.Anchored ? " anchored" : " smoothed");
    }

    private static void WriteOffset(StringBuilder b, DurationExpr? expr, long milliseconds)
    {
        if (expr is not null || milliseconds != 0) b.Append(" offset ").Append(Duration(expr, milliseconds));
    }

    private static void WriteMatching(StringBuilder b, VectorMatching matching)
    {
        var grouped = matching.Cardinality is MatchCardinality.ManyToOne or MatchCardinality.OneToMany;
        if (matching.On || matching.Labels.Count > 0 || grouped) WriteLabels(b.Append(matching.On ? " on " : " ignoring "), matching.Labels);
        if (grouped)
            WriteLabels(b.Append(matching.Cardinality == MatchCardinality.ManyToOne ? " group_left " : " group_right "), matching.Include);
        if (matching.FillLeft is { } both && both == matching.FillRight)
        {
            b.Append(" fill (").Append(GoText.FloatG(both)).Append(')');
            return;
        }
        if (matching.FillLeft is { } left) b.Append(" fill_left (").Append(GoText.FloatG(left)).Append(')');
        if (matching.FillRight is { } right) b.Append(" fill_right (").Append(GoText.FloatG(right)).Append(')');
    }

    private static void WriteLabels(StringBuilder b, IReadOnlyList<string> labels) =>
        b.Append('(').AppendJoin(", ", labels.Select(LabelNames.Write)).Append(')');
}

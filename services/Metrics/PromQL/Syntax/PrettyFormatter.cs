using System.Text;

namespace Vigil.Metrics.PromQL;

/// <summary>Writes an expression as Prometheus' format_query does: what does not fit on a line of 100 characters is spread over several, indented by two spaces a level.</summary>
internal static class PrettyFormatter
{
    private const int LineLength = 100;

    public static string Format(Expr expr) => Format(expr, 0);

    private static string Format(Expr expr, int level)
    {
        var (line, indent) = (Formatter.Format(expr), new string(' ', 2 * level));
        if (Encoding.UTF8.GetByteCount(line) <= LineLength) return indent + line;
        switch (expr)
        {
            case AggregateExpr aggregate:
                var parameter = aggregate.Parameter is { } p ? $"{Format(p, level + 1)},\n" : "";
                return $"{indent}{Formatter.Head(aggregate)}(\n{parameter}{Format(aggregate.Operand, level + 1)}\n{indent})";
            case BinaryExpr binary:
                return $"{Format(binary.Left, level + 1)}\n{indent}{Formatter.Operator(binary)}\n{Format(binary.Right, level + 1)}";
            case CallExpr call:
                return $"{indent}{call.Function.Name}(\n{string.Join(",\n", call.Arguments.Select(a => Format(a, level + 1)))}\n{indent})";
            case ParenExpr paren:
                return $"{indent}(\n{Format(paren.Inner, level + 1)}\n{indent})";
            case SubqueryExpr subquery:
                return Format(subquery.Inner, level) + Formatter.Tail(subquery);
            case UnaryExpr unary:
                return $"{indent}{(unary.Negative ? '-' : '+')}{Format(unary.Operand, level).TrimStart()}";
            default:
                return indent + line;
        }
    }
}

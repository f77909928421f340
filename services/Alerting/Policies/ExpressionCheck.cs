namespace Vigil.Alerting.Policies;

/// <summary>
/// What can be said about an expression without PromQL's grammar, which belongs to Metrics: brackets and quotes that do not
/// close. It catches a cut-off line of YAML even while Metrics cannot be asked.
/// </summary>
internal static class ExpressionCheck
{
    /// <summary>Most characters of an expression.</summary>
    public const int MaxLength = 16_384;

    /// <summary>Null, or the reason why this cannot be an expression.</summary>
    public static string? Find(string expr)
    {
        if (expr.Length > MaxLength) return $"is longer than {MaxLength:N0} characters";
        var open = new Stack<(char Bracket, int At)>();
        for (var i = 0; i < expr.Length; i++)
        {
            switch (expr[i])
            {
                case '"' or '\'' or '`':
                    var end = EndOfString(expr, i);
                    if (end < 0) return $"the string that begins at character {i + 1} is not closed";
                    i = end;
                    break;
                case '#':
                    var newline = expr.IndexOf('\n', i);
                    i = newline < 0 ? expr.Length : newline;
                    break;
                case '(' or '[' or '{':
                    open.Push((expr[i], i));
                    break;
                case ')' or ']' or '}':
                    if (!open.TryPop(out var last)) return $"'{expr[i]}' at character {i + 1} closes nothing";
                    if (!Matches(last.Bracket, expr[i])) return $"'{last.Bracket}' at character {last.At + 1} is closed by '{expr[i]}' at character {i + 1}";
                    break;
            }
        }
        return open.TryPop(out var left) ? $"'{left.Bracket}' at character {left.At + 1} is not closed" : null;
    }

    private static int EndOfString(string expr, int start)
    {
        var quote = expr[start];
        for (var i = start + 1; i < expr.Length; i++)
        {
            if (expr[i] == '\\' && quote != '`') i++;
            else if (expr[i] == quote) return i;
        }
        return -1;
    }

    private static bool Matches(char open, char close) => (open, close) is ('(', ')') or ('[', ']') or ('{', '}');
}

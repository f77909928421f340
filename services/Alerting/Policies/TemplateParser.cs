using System.Globalization;
using System.Text;

namespace Vigil.Alerting.Policies;

/// <summary>Reads a template: text with {{ actions }}, where {{- and -}} eat the white space beside them.</summary>
internal sealed class TemplateParser
{
    /// <summary>Deepest nesting of blocks and brackets: reading and expanding recurse.</summary>
    private const int MaxDepth = 50;

    private readonly List<(string Text, bool IsAction)> parts;
    private int next;
    private int depth;

    private TemplateParser(List<(string, bool)> parts) => this.parts = parts;

    public static IReadOnlyList<TemplateNode> Parse(string text)
    {
        var parser = new TemplateParser(Split(text));
        var nodes = parser.Block(out var end);
        if (end is not null) throw new TemplateException($"unexpected {{{{{end}}}}}");
        return nodes;
    }

    private static List<(string, bool)> Split(string text)
    {
        var parts = new List<(string, bool)>();
        var trimNext = false;
        for (var at = 0; at < text.Length;)
        {
            var open = text.IndexOf("{{", at, StringComparison.Ordinal);
            var literal = open < 0 ? text[at..] : text[at..open];
            if (trimNext) literal = literal.TrimStart();
            if (open < 0)
            {
                parts.Add((literal, false));
                break;
            }
            var close = CloseOf(text, open + 2);
            if (close < 0) throw new TemplateException("unclosed action: {{ without }}");
            var action = text[(open + 2)..close];
            if (action.Length > 1 && action[0] == '-' && char.IsWhiteSpace(action[1]))
            {
                literal = literal.TrimEnd();
                action = action[2..];
            }
            trimNext = action.Length > 1 && action[^1] == '-' && char.IsWhiteSpace(action[^2]);
            if (trimNext) action = action[..^2];
            if (literal.Length > 0) parts.Add((literal, false));
            var trimmed = action.Trim();
            if (!(trimmed.StartsWith("/*", StringComparison.Ordinal) && trimmed.EndsWith("*/", StringComparison.Ordinal))) parts.Add((trimmed, true));
            at = close + 2;
        }
        return parts;
    }

    /// <summary>Where the action's }} stands, not counting those in strings.</summary>
    private static int CloseOf(string text, int from)
    {
        for (var i = from; i < text.Length - 1; i++)
        {
            if (text[i] is '"' or '`')
            {
                var quote = text[i];
                for (i++; i < text.Length && text[i] != quote; i++)
                    if (text[i] == '\\' && quote == '"') i++;
            }
            else if (text[i] == '}' && text[i + 1] == '}')
            {
                return i;
            }
        }
        return -1;
    }

    /// <summary>Nodes up to the end of the text, or to an end or else, which is handed out.</summary>
    private List<TemplateNode> Block(out string? end)
    {
        if (++depth > MaxDepth) throw new TemplateException($"is nested deeper than {MaxDepth} levels");
        var nodes = new List<TemplateNode>();
        end = null;
        while (next < parts.Count)
        {
            var (text, isAction) = parts[next++];
            if (!isAction)
            {
                nodes.Add(new TextNode(text));
                continue;
            }
            var space = text.AsSpan().IndexOfAny(' ', '\t', '\n');
            var keyword = space < 0 ? text : text[..space];
            var rest = space < 0 ? "" : text[(space + 1)..].Trim();
            switch (keyword)
            {
                case "end" or "else":
                    end = text;
                    depth--;
                    return nodes;
                case "if" or "with":
                    nodes.Add(Conditional(rest, keyword == "with"));
                    break;
                case "range":
                    Block(out var closed);
                    if (closed is not null && closed != "end") Block(out closed);
                    if (closed != "end") throw new TemplateException("{{range}} without {{end}}");
                    nodes.Add(new RangeNode(new PipeReader(rest[(rest.IndexOf(":=", StringComparison.Ordinal) is var d and >= 0 ? d + 2 : 0)..]).Read()));
                    break;
                case "define" or "template" or "block" or "break" or "continue":
                    throw new TemplateException($"{{{{{keyword}}}}} is not supported");
                default:
                    nodes.Add(new ActionNode(new PipeReader(text).Read()));
                    break;
            }
        }
        depth--;
        return nodes;
    }

    private IfNode Conditional(string condition, bool setsDot)
    {
        var pipe = new PipeReader(condition).Read();
        var then = Block(out var end);
        IReadOnlyList<TemplateNode> otherwise = [];
        if (end is not null && end.StartsWith("else", StringComparison.Ordinal))
        {
            var more = end["else".Length..].Trim();
            if (more.StartsWith("if ", StringComparison.Ordinal))
            {
                // {{else if}} shares its {{end}} with the {{if}} it belongs to.
                return new IfNode(pipe, then, [Conditional(more["if ".Length..], false)], setsDot);
            }
            otherwise = Block(out end);
        }
        if (end != "end") throw new TemplateException(setsDot ? "{{with}} without {{end}}" : "{{if}} without {{end}}");
        return new IfNode(pipe, then, otherwise, setsDot);
    }

    /// <summary>Reads the inside of an action.</summary>
    private sealed class PipeReader(string text)
    {
        private int at;
        private int nesting;

        public TemplatePipe Read()
        {
            var pipe = Pipe();
            SkipSpace();
            if (at < text.Length) throw new TemplateException($"unexpected '{text[at]}' in {{{{ {text} }}}}");
            return pipe;
        }

        private TemplatePipe Pipe()
        {
            if (++nesting > MaxDepth) throw new TemplateException($"is nested deeper than {MaxDepth} levels");
            var variable = Declaration();
            var commands = new List<IReadOnlyList<TemplateOperand>>();
            do
            {
                var command = new List<TemplateOperand>();
                while (Operand() is { } operand) command.Add(operand);
                if (command.Count == 0) throw new TemplateException($"missing value in {{{{ {text} }}}}");
                commands.Add(command);
            }
            while (Take('|'));
            nesting--;
            return new TemplatePipe(variable, commands);
        }

        private string? Declaration()
        {
            var start = at;
            SkipSpace();
            if (at < text.Length && text[at] == '$')
            {
                at++;
                var name = Word();
                SkipSpace();
                var length = text.AsSpan(at).StartsWith(":=") ? 2 : at < text.Length && text[at] == '=' ? 1 : 0;
                if (length > 0 && name.Length > 0)
                {
                    at += length;
                    return name;
                }
            }
            at = start;
            return null;
        }

        private TemplateOperand? Operand()
        {
            SkipSpace();
            if (at >= text.Length) return null;
            TemplateOperand operand;
            switch (text[at])
            {
                case '|' or ')':
                    return null;
                case '(':
                    at++;
                    operand = new PipeOperand(Pipe());
                    if (!Take(')')) throw new TemplateException("unclosed '('");
                    break;
                case '"' or '`':
                    operand = new LiteralOperand(Quoted());
                    break;
                case '$':
                    at++;
                    operand = new VariableOperand(Word());
                    break;
                case '.' when at + 1 >= text.Length || !char.IsAsciiDigit(text[at + 1]):
                    operand = new DotOperand();
                    if (at + 1 < text.Length && IsWord(text[at + 1])) break;
                    at++;
                    return operand;
                case var c when char.IsAsciiDigit(c) || c is '-' or '+' or '.':
                    return new LiteralOperand(Number());
                case var c when IsWord(c):
                    operand = Named(Word());
                    break;
                case var c:
                    throw new TemplateException($"unexpected '{c}' in {{{{ {text} }}}}");
            }
            while (at + 1 < text.Length && text[at] == '.' && IsWord(text[at + 1]))
            {
                at++;
                operand = new FieldOperand(operand, Word());
            }
            return operand;
        }

        private static TemplateOperand Named(string word) => word switch
        {
            "true" => new LiteralOperand(true),
            "false" => new LiteralOperand(false),
            "nil" => new LiteralOperand(null),
            _ when TemplateFunctions.IsKnown(word) => new FunctionOperand(word),
            _ => throw new TemplateException($"function \"{word}\" not defined"),
        };

        private object Number()
        {
            var start = at++;
            while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] == '.' || (text[at] is '-' or '+' && text[at - 1] is 'e' or 'E'))) at++;
            var word = text[start..at];
            if (long.TryParse(word, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole)) return whole;
            if (double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out var real)) return real;
            throw new TemplateException($"bad number '{word}'");
        }

        private string Quoted()
        {
            var quote = text[at++];
            var value = new StringBuilder();
            for (; at < text.Length && text[at] != quote; at++)
            {
                if (text[at] != '\\' || quote == '`' || at + 1 >= text.Length)
                {
                    value.Append(text[at]);
                    continue;
                }
                value.Append(text[++at] switch { 'n' => '\n', 't' => '\t', 'r' => '\r', var c => c });
            }
            if (at++ >= text.Length) throw new TemplateException("unterminated string");
            return value.ToString();
        }

        private bool Take(char c)
        {
            SkipSpace();
            if (at >= text.Length || text[at] != c) return false;
            at++;
            return true;
        }

        private string Word()
        {
            var start = at;
            while (at < text.Length && IsWord(text[at])) at++;
            return text[start..at];
        }

        private void SkipSpace()
        {
            while (at < text.Length && char.IsWhiteSpace(text[at])) at++;
        }

        private static bool IsWord(char c) => char.IsAsciiLetterOrDigit(c) || c == '_';
    }
}

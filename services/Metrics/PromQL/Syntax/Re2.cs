using System.Text;
using System.Text.RegularExpressions;

namespace Vigil.Metrics.PromQL;

/// <summary>
/// Regular expressions with RE2's syntax and promise: time linear in the text. .NET's non-backtracking engine gives the
/// promise; this class translates the syntax where the two differ (syntax: github.com/google/re2/wiki/Syntax).
/// </summary>
internal static class Re2
{
    private static readonly Dictionary<string, string> PosixClasses = new(StringComparer.Ordinal)
    {
        ["alnum"] = "0-9A-Za-z",
        ["alpha"] = "A-Za-z",
        ["ascii"] = @"\x00-\x7F",
        ["blank"] = @"\t ",
        ["cntrl"] = @"\x00-\x1F\x7F",
        ["digit"] = "0-9",
        ["graph"] = "!-~",
        ["lower"] = "a-z",
        ["print"] = " -~",
        ["punct"] = @"!-/:-@\[-`{-~",
        ["space"] = @"\t\n\v\f\r ",
        ["upper"] = "A-Z",
        ["word"] = "0-9A-Za-z_",
        ["xdigit"] = "0-9A-Fa-f",
    };

    /// <summary>A pattern that must match the whole text, in which a dot matches line ends too.</summary>
    /// <exception cref="FormatException">Not RE2; the message says why.</exception>
    public static Regex Compile(string pattern)
    {
        try
        {
            return new Regex($@"\A(?s:{Translate(pattern)})\z", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            throw new FormatException($"error parsing regexp: {e.Message}", e);
        }
    }

    private static string Translate(string pattern)
    {
        var b = new StringBuilder(pattern.Length + 8);
        var open = 0;
        for (var i = 0; i < pattern.Length; i++)
        {
            var c = pattern[i];
            // The pattern must stand on its own: in the group that is put around it "a)(b" would be taken.
            if (c == '(') open++;
            if (c == ')' && --open < 0) throw new FormatException($"error parsing regexp: unexpected ): `{pattern}`");
            if (c == '\\') i = Escape(pattern, i, b, inClass: false);
            else if (c == '[') i = Class(pattern, i, b);
            else if (c == '$') b.Append(@"\z");
            else if (c == '(' && string.CompareOrdinal(pattern, i, "(?P<", 0, 4) == 0)
            {
                b.Append("(?<");
                i += 3;
            }
            else b.Append(c);
        }
        return b.ToString();
    }

    private static int Class(string pattern, int at, StringBuilder b)
    {
        b.Append('[');
        var i = at + 1;
        if (i < pattern.Length && pattern[i] == '^')
        {
            b.Append('^');
            i++;
        }
        for (var first = true; i < pattern.Length; i++, first = false)
        {
            var c = pattern[i];
            if (c == ']' && !first)
            {
                b.Append(']');
                return i;
            }
            if (c == '[' && i + 1 < pattern.Length && pattern[i + 1] == ':')
            {
                var end = pattern.IndexOf(":]", i + 2, StringComparison.Ordinal);
                if (end > 0 && PosixClasses.TryGetValue(pattern[(i + 2)..end], out var set))
                {
                    b.Append(set);
                    i = end + 1;
                    continue;
                }
            }
            if (c == '\\') i = Escape(pattern, i, b, inClass: true);
            else if (c is '[' or ']') b.Append('\\').Append(c);
            else b.Append(c);
        }
        throw new FormatException($"error parsing regexp: missing closing ]: `{pattern[at..]}`");
    }

    /// <summary>Writes the escape that starts at <paramref name="at"/>; returns the place of its last character.</summary>
    private static int Escape(string pattern, int at, StringBuilder b, bool inClass)
    {
        if (at + 1 == pattern.Length) throw new FormatException("error parsing regexp: trailing backslash at end of expression: ``");
        var c = pattern[at + 1];
        switch (c)
        {
            case 'd': b.Append(inClass ? "0-9" : "[0-9]"); break;
            case 'w': b.Append(inClass ? "0-9A-Za-z_" : "[0-9A-Za-z_]"); break;
            case 's': b.Append(inClass ? @"\t\n\f\r " : @"[\t\n\f\r ]"); break;
            case 'D' when !inClass: b.Append("[^0-9]"); break;
            case 'W' when !inClass: b.Append("[^0-9A-Za-z_]"); break;
            case 'S' when !inClass: b.Append(@"[^\t\n\f\r ]"); break;
            case 'Q' when !inClass:
                var end = pattern.IndexOf(@"\E", at + 2, StringComparison.Ordinal);
                b.Append(Regex.Escape(end < 0 ? pattern[(at + 2)..] : pattern[(at + 2)..end]));
                return end < 0 ? pattern.Length - 1 : end + 1;
            case 'p' or 'P' when at + 2 < pattern.Length && pattern[at + 2] != '{':
                b.Append('\\').Append(c).Append('{').Append(pattern[at + 2]).Append('}');
                return at + 2;
            case 'x' when at + 2 < pattern.Length && pattern[at + 2] == '{':
                var close = pattern.IndexOf('}', at);
                if (close < 0 || !int.TryParse(pattern.AsSpan(at + 3, close - at - 3), System.Globalization.NumberStyles.AllowHexSpecifier, null, out var rune)
                    || !Rune.IsValid(rune))
                {
                    throw new FormatException($"error parsing regexp: invalid escape sequence: `{pattern[at..]}`");
                }
                b.Append(Regex.Escape(new Rune(rune).ToString()));
                return close;
            case >= '1' and <= '9' or 'k' or 'K' or 'G' or 'Z' or 'C' or 'c' or 'u':
                throw new FormatException($@"error parsing regexp: invalid escape sequence: `\{c}`");
            default: b.Append('\\').Append(c); break;
        }
        return at + 1;
    }
}

using System.Text;

namespace Vigil.Metrics.PromQL;

/// <summary>
/// The pattern of a label matcher. Most are lists of literals, or take everything: those need no regular expression, which is
/// dear to make, and a matcher is made anew for every query.
/// </summary>
internal sealed class ValuePattern
{
    private readonly HashSet<string>? literals;
    private readonly Re2? regex;
    private readonly int shortest;

    /// <exception cref="FormatException">The pattern is not RE2.</exception>
    public ValuePattern(string pattern)
    {
        // A dot matches line ends too.
        if (pattern is ".*" or ".+")
        {
            shortest = pattern is ".+" ? 1 : 0;
            return;
        }
        literals = Literals(pattern);
        if (literals is null) regex = Re2.Compile(pattern);
    }

    /// <summary>The texts of a list like "a|b\.c", with or without parentheses around it; null where it is none.</summary>
    private static HashSet<string>? Literals(ReadOnlySpan<char> pattern)
    {
        if (pattern is ['(', .., ')']) pattern = pattern[(pattern.StartsWith("(?:") ? 3 : 1)..^1];
        var (found, text) = (new HashSet<string>(StringComparer.Ordinal), new StringBuilder());
        for (var i = 0; i < pattern.Length; i++)
        {
            var c = pattern[i];
            if (c == '|')
            {
                found.Add(text.ToString());
                text.Clear();
                continue;
            }
            if (c == '\\' && i + 1 < pattern.Length && char.IsAscii(pattern[i + 1]) && !char.IsAsciiLetterOrDigit(pattern[i + 1])) c = pattern[++i];
            else if (@"\.+*?()[]{}^$".Contains(c, StringComparison.Ordinal)) return null;
            text.Append(c);
        }
        found.Add(text.ToString());
        return found;
    }

    public bool IsMatch(string value) => literals?.Contains(value) ?? regex?.IsMatch(value) ?? value.Length >= shortest;
}

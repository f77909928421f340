using System.Text.RegularExpressions;

namespace Vigil.Metrics.PromQL;

/// <summary>
/// The pattern of a label matcher. Most are lists of literals, or take everything: those need no regular expression, which is
/// dear to make, and a matcher is made anew for every query.
/// </summary>
internal sealed class ValuePattern
{
    private readonly HashSet<string>? literals;
    private readonly Regex? regex;
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
        if (pattern.AsSpan().IndexOfAny(@"\.+*?()[]{}^$") < 0) literals = pattern.Split('|').ToHashSet(StringComparer.Ordinal);
        else regex = Re2.Compile(pattern);
    }

    public bool IsMatch(string value) => literals?.Contains(value) ?? regex?.IsMatch(value) ?? value.Length >= shortest;
}

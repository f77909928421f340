using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Vigil.Alerting.Api;

/// <summary>
/// A matcher of Alertmanager's filters: name, one of = != =~ !~, and a value that may be quoted. Regular expressions match the
/// whole value; they run in linear time, whoever wrote them. A missing label counts as empty.
/// </summary>
internal sealed partial class AlertMatcher
{
    private readonly string name;
    private readonly string value;
    private readonly bool negative;
    private readonly Regex? regex;

    private AlertMatcher(string name, string value, bool negative, Regex? regex)
    {
        this.name = name;
        this.value = value;
        this.negative = negative;
        this.regex = regex;
    }

    /// <summary>Reads a matcher; false, with a reason, when it is none.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out AlertMatcher? matcher, [NotNullWhen(false)] out string? reason)
    {
        matcher = null;
        reason = null;
        var match = Form().Match(text.Trim().Trim('{', '}'));
        if (!match.Success)
        {
            reason = $"'{text}' is not a matcher such as severity=\"P1\" or instance=~\"web.*\"";
            return false;
        }
        var value = match.Groups["value"].Value;
        if (value.Length >= 2 && value[0] == '"' && value[^1] == '"') value = value[1..^1].Replace("\\\"", "\"", StringComparison.Ordinal).Replace("\\\\", "\\", StringComparison.Ordinal);
        var op = match.Groups["op"].Value;
        try
        {
            // NonBacktracking takes no lookarounds and backreferences, as Go's regular expressions do not.
            var regex = op.EndsWith('~') ? new Regex($"^(?:{value})$", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant) : null;
            matcher = new AlertMatcher(match.Groups["name"].Value, value, op[0] == '!', regex);
            return true;
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            reason = $"'{value}' is not a regular expression: {e.Message}";
            return false;
        }
    }

    public bool Matches(IReadOnlyDictionary<string, string> labels)
    {
        var label = labels.GetValueOrDefault(name, "");
        return (regex?.IsMatch(label) ?? label == value) != negative;
    }

    [GeneratedRegex("""^\s*(?<name>[a-zA-Z_][a-zA-Z0-9_]*)\s*(?<op>=~|!~|!=|=)\s*(?<value>.*?)\s*$""", RegexOptions.Singleline)]
    private static partial Regex Form();
}

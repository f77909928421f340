using System.Text;
using System.Text.RegularExpressions;

namespace Vigil.Metrics.PromQL;

/// <summary>
/// A regular expression with RE2's syntax and promise: time linear in the text. .NET's non-backtracking engine gives the promise, <see cref="Re2Translator"/>
/// the syntax. It matches whole texts only, and a dot matches line ends too.
/// </summary>
internal sealed class Re2
{
    private readonly Regex regex;
    private readonly IReadOnlyList<(string Name, int Group)> names;

    private Re2(Regex regex, IReadOnlyList<(string Name, int Group)> names) => (this.regex, this.names) = (regex, names);

    /// <summary>Reads a pattern.</summary>
    /// <exception cref="FormatException">It is not RE2; the message is Go's.</exception>
    public static Re2 Compile(string pattern)
    {
        var translator = new Re2Translator(pattern);
        var translated = translator.Translate();
        try
        {
            return new(new Regex($@"\A(?:{translated})\z", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking), translator.Names);
        }
        catch (NotSupportedException e)
        {
            // 10,000 nodes, where RE2 takes some more: a{1000} twice is too large already.
            throw new FormatException($"error parsing regexp: expression too large: `{pattern}`", e);
        }
    }

    public bool IsMatch(string text) => regex.IsMatch(text);

    /// <summary>Go's Regexp.Expand: a template in which $name, ${name}, $1 and $$ stand for what the groups found in a text; an unknown group is empty.</summary>
    /// <returns>Null where the pattern does not match the text.</returns>
    public string? Expand(string template, string text)
    {
        var match = regex.Match(text);
        if (!match.Success) return null;
        var b = new StringBuilder();
        for (var i = 0; i < template.Length; i++)
        {
            if (template[i] != '$')
            {
                b.Append(template[i]);
                continue;
            }
            if (i + 1 < template.Length && template[i + 1] == '$')
            {
                b.Append('$');
                i++;
                continue;
            }
            var braced = i + 1 < template.Length && template[i + 1] == '{';
            var from = braced ? i + 2 : i + 1;
            var to = from;
            while (to < template.Length && (char.IsLetterOrDigit(template[to]) || template[to] == '_')) to++;
            if (to == from || (braced && (to == template.Length || template[to] != '}')))
            {
                b.Append('$');
                continue;
            }
            b.Append(Group(match, template[from..to]));
            i = braced ? to : to - 1;
        }
        return b.ToString();
    }

    private string Group(Match match, string name)
    {
        // A number with zeros in front is a name.
        if (name.All(char.IsAsciiDigit) && name is not ['0', _, ..]) return int.TryParse(name, out var number) ? match.Groups[number].Value : "";
        foreach (var (known, group) in names)
        {
            if (known == name && match.Groups[group].Success) return match.Groups[group].Value;
        }
        return "";
    }
}

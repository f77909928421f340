using System.Globalization;
using System.Text;

namespace Vigil.Metrics.Api;

/// <summary>
/// Names that are not letters, digits and underscores, as they stand in a path: "U__" before, "__" for an underscore, and _HEX_ for
/// any other character (Prometheus' "values" escaping).
/// </summary>
internal static class LabelEscaping
{
    private const string Prefix = "U__";

    /// <summary>The name with an underscore for each character that it may not have unless quoted, as Prometheus writes it for those that do not know quotes.</summary>
    public static string Underscored(string name, bool metric)
    {
        var b = new StringBuilder(name.Length);
        foreach (var rune in name.EnumerateRunes())
        {
            var allowed = rune.IsAscii && ((char)rune.Value is '_' || (metric && rune.Value == ':') || char.IsAsciiLetter((char)rune.Value) || (b.Length > 0 && char.IsAsciiDigit((char)rune.Value)));
            b.Append(allowed ? (char)rune.Value : '_');
        }
        return b.ToString();
    }

    /// <summary>The name that is meant; what is not escaped, or not rightly, stays as it is.</summary>
    public static string Unescape(string name)
    {
        if (!name.StartsWith(Prefix, StringComparison.Ordinal)) return name;
        var b = new StringBuilder(name.Length);
        for (var i = Prefix.Length; i < name.Length; i++)
        {
            if (name[i] != '_')
            {
                b.Append(name[i]);
                continue;
            }
            if (i + 1 < name.Length && name[i + 1] == '_')
            {
                b.Append('_');
                i++;
                continue;
            }
            var end = name.IndexOf('_', i + 1);
            if (end < 0 || !int.TryParse(name.AsSpan(i + 1, end - i - 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var rune)
                || !Rune.IsValid(rune))
            {
                return name;
            }
            b.Append(new Rune(rune).ToString());
            i = end;
        }
        return b.ToString();
    }
}

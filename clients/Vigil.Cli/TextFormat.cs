using System.Globalization;
using System.Text;
using Vigil.Metrics.V1;

namespace Vigil.Cli;

/// <summary>
/// Lines of Prometheus' text exposition format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats): enough to push what a
/// /metrics page says.
/// </summary>
internal static class TextFormat
{
    public static bool IsComment(string line) => line.AsSpan().Trim() is [] or ['#', ..];

    /// <summary>The name and kind of a <c># TYPE</c> line; null for any other line.</summary>
    public static (string Name, SeriesKind Kind)? TypeLine(string line)
    {
        var words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (words is not ["#", "TYPE", var name, var type]) return null;
        return (name, type is "counter" ? SeriesKind.Counter : SeriesKind.Gauge);
    }

    /// <summary>Reads one sample line; null where it is not one.</summary>
    public static TextSample? Parse(string line)
    {
        var rest = line.AsSpan().Trim();
        var end = rest.IndexOfAny(" \t{");
        if (end <= 0 || rest[0] == '#') return null;
        var name = rest[..end].ToString();
        if (!IsName(name)) return null;
        rest = rest[end..].TrimStart();
        var labels = new List<KeyValuePair<string, string>>();
        if (rest[0] == '{')
        {
            rest = rest[1..].TrimStart();
            while (rest.Length > 0 && rest[0] != '}')
            {
                var equals = rest.IndexOf('=');
                if (equals <= 0) return null;
                var label = rest[..equals].Trim().ToString();
                rest = rest[(equals + 1)..].TrimStart();
                if (!IsName(label) || labels.Exists(l => l.Key == label) || ReadQuoted(ref rest) is not { } value) return null;
                labels.Add(KeyValuePair.Create(label, value));
                rest = rest.TrimStart();
                if (rest is [',', ..]) rest = rest[1..].TrimStart();
                else if (rest is not ['}', ..]) return null;
            }
            if (rest.Length == 0) return null;
            rest = rest[1..].TrimStart();
        }
        var space = rest.IndexOfAny(' ', '\t');
        var number = space < 0 ? rest : rest[..space];
        if (ParseValue(number) is not { } sample) return null;
        var stamp = space < 0 ? default : rest[space..].Trim();
        if (stamp.Length == 0) return new TextSample(name, labels, sample, null);
        if (!long.TryParse(stamp, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var ms)) return null;
        return ms is < -62_135_596_800_000 or > 253_402_300_799_999 ? null : new TextSample(name, labels, sample, DateTimeOffset.FromUnixTimeMilliseconds(ms));
    }

    private static bool IsName(string text)
    {
        if (text.Length == 0 || char.IsAsciiDigit(text[0])) return false;
        foreach (var c in text)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or ':')) return false;
        return true;
    }

    private static double? ParseValue(ReadOnlySpan<char> text) => text switch
    {
        "+Inf" or "Inf" => double.PositiveInfinity,
        "-Inf" => double.NegativeInfinity,
        _ => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : null,
    };

    private static string? ReadQuoted(ref ReadOnlySpan<char> rest)
    {
        if (rest is not ['"', ..]) return null;
        var text = new StringBuilder();
        for (var i = 1; i < rest.Length; i++)
        {
            switch (rest[i])
            {
                case '"':
                    rest = rest[(i + 1)..];
                    return text.ToString();
                case '\\' when i + 1 < rest.Length:
                    i++;
                    text.Append(rest[i] == 'n' ? '\n' : rest[i]);
                    break;
                default:
                    text.Append(rest[i]);
                    break;
            }
        }
        return null;
    }
}

/// <summary>One sample of a text line. <paramref name="At"/> is null where the line has no time.</summary>
internal sealed record TextSample(string Name, IReadOnlyList<KeyValuePair<string, string>> Labels, double Value, DateTimeOffset? At);

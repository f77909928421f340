using System.Text;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Scrape;

/// <summary>Makes labels of a series as a target writes it: <c>name{label="value",...}</c>, or <c>{"any name","any label"="value",...}</c>.</summary>
internal static class SeriesText
{
    /// <summary>Reads name (as <see cref="LabelSet.NameLabel"/>) and labels, in the order written. Labels with an empty value are left out.</summary>
    /// <returns>Null, or why it is none.</returns>
    public static string? TryParse(ReadOnlySpan<byte> series, bool openMetrics, List<Label> labels)
    {
        labels.Clear();
        var name = ExpositionReader.NameLength(series, colons: true);
        if (name > 0) labels.Add(new Label(LabelSet.NameLabel, Encoding.UTF8.GetString(series[..name])));
        var rest = openMetrics ? series[name..] : ExpositionReader.TrimStart(series[name..]);
        if (rest.IsEmpty) return null;
        if (ReadLabels(rest, openMetrics, labels) is { } error) return error;
        // Also where it stands behind other labels.
        var at = labels.FindIndex(static l => l.Name == LabelSet.NameLabel);
        if (at < 0 || labels[at].Value.Length == 0) return "a metric name is expected";
        if (at > 0) (labels[0], labels[at]) = (labels[at], labels[0]);
        for (var i = 1; i < labels.Count; i++)
        {
            for (var j = 0; j < i; j++)
            {
                if (labels[i].Name == labels[j].Name) return $"the label {labels[i].Name} is given twice";
            }
        }
        labels.RemoveAll(static l => l.Value.Length == 0);
        return null;
    }

    /// <summary>Whether braces hold labels as they must be written.</summary>
    public static bool AreLabels(ReadOnlySpan<byte> braces, bool openMetrics) => ReadLabels(braces, openMetrics, null) is null;

    /// <summary>Bytes up to the closing quotation mark, which no backslash stands before; -1 where there is none.</summary>
    public static int QuotedLength(ReadOnlySpan<byte> text)
    {
        for (var at = 0; ;)
        {
            var next = text[at..].IndexOfAny((byte)'"', (byte)'\\');
            if (next < 0) return -1;
            at += next;
            if (text[at] == '"') return at;
            at += 2;
            if (at > text.Length) return -1;
        }
    }

    private static string? ReadLabels(ReadOnlySpan<byte> rest, bool openMetrics, List<Label>? labels)
    {
        rest = Skip(rest[1..], openMetrics);
        while (!rest.IsEmpty && rest[0] != '}')
        {
            var length = rest[0] == '"' ? QuotedLength(rest[1..]) : ExpositionReader.NameLength(rest, colons: false);
            if (length <= 0) return "a label name is expected";
            var quotedName = rest[0] == '"';
            var name = quotedName ? rest.Slice(1, length) : rest[..length];
            if (!ExpositionReader.IsUtf8(name)) return "a name is not UTF-8";
            rest = Skip(rest[(quotedName ? length + 2 : length)..], openMetrics);
            // In quotes and without a value it is the metric's.
            if (quotedName && labels is not null && !rest.IsEmpty && rest[0] is (byte)',' or (byte)'}')
            {
                labels.Add(new Label(LabelSet.NameLabel, Unescape(name)));
                if (rest[0] == '}') break;
                rest = Skip(rest[1..], openMetrics);
                continue;
            }
            if (rest.IsEmpty || rest[0] != '=') return "= is expected after a label name";
            rest = Skip(rest[1..], openMetrics);
            if (rest.IsEmpty || rest[0] != '"') return "a label value in quotation marks is expected";
            var quoted = QuotedLength(rest[1..]);
            if (quoted < 0) return "a label value does not end";
            var value = rest.Slice(1, quoted);
            if (!ExpositionReader.IsUtf8(value)) return "a label value is not UTF-8";
            labels?.Add(new Label(Unescape(name), Unescape(value)));
            rest = Skip(rest[(quoted + 2)..], openMetrics);
            if (rest.IsEmpty || rest[0] == '}') break;
            if (rest[0] != ',') return "a comma or } is expected after a label";
            rest = Skip(rest[1..], openMetrics);
        }
        return rest.Length == 1 && rest[0] == '}' ? null : "} is expected after the labels";
    }

    private static ReadOnlySpan<byte> Skip(ReadOnlySpan<byte> rest, bool openMetrics) => openMetrics ? rest : ExpositionReader.TrimStart(rest);

    /// <summary>\\, \" and \n; another backslash stands for itself.</summary>
    public static string Unescape(ReadOnlySpan<byte> value)
    {
        var text = Encoding.UTF8.GetString(value);
        if (!text.Contains('\\', StringComparison.Ordinal)) return text;
        var b = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var next = text[i] == '\\' && i + 1 < text.Length ? text[i + 1] : '\0';
            if (next is '\\' or '"' or 'n')
            {
                b.Append(next == 'n' ? '\n' : next);
                i++;
            }
            else
            {
                b.Append(text[i]);
            }
        }
        return b.ToString();
    }
}

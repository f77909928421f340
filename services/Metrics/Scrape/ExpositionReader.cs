using System.Text;

namespace Vigil.Metrics.Scrape;

/// <summary>What a line of an exposition is.</summary>
internal enum ExpositionEntry
{
    /// <summary>A sample: series, value, and a time where it has one.</summary>
    Sample,

    /// <summary># TYPE</summary>
    Type,

    /// <summary># HELP</summary>
    Help,

    /// <summary># UNIT</summary>
    Unit,
}

/// <summary>
/// Reads what a target exposes, line by line and without allocating: Prometheus' text format 0.0.4 (github.com/prometheus/docs,
/// exposition_formats.md) or OpenMetrics 1.0 (prometheus.io/docs/specs/om/open_metrics_spec). A series stays the bytes it was written
/// in: <see cref="SeriesText"/> makes labels of them, once for as long as the target writes them alike. What is not in the format ends
/// the reading with <see cref="Error"/>, as in Prometheus, where a scrape counts as a whole or not at all.
/// </summary>
/// <param name="text">The whole body.</param>
/// <param name="openMetrics">OpenMetrics rather than the text format.</param>
internal ref struct ExpositionReader(ReadOnlySpan<byte> text, bool openMetrics) : IPageReader
{
    private readonly ReadOnlySpan<byte> text = text;
    private int position;
    private int line;
    private bool ended;

    /// <summary>What was read.</summary>
    public ExpositionEntry Entry { get; private set; }

    public byte[]? Expected { readonly get; set; }

    public bool IsExpected { get; private set; }

    /// <summary>Of a sample: name and labels as written, without the blanks behind.</summary>
    public ReadOnlySpan<byte> Series { get; private set; }

    /// <summary>Of a sample.</summary>
    public double Value { get; private set; }

    /// <summary>The text formats have none.</summary>
    public readonly byte[]? Histogram => null;

    /// <summary>Of a sample: milliseconds since 1970; null where the line says none.</summary>
    public long? TimeMs { get; private set; }

    /// <summary>Of metadata: the metric family's name, still escaped where it was in quotes.</summary>
    public ReadOnlySpan<byte> Name { get; private set; }

    /// <summary>Of metadata: what is said about it, still escaped.</summary>
    public ReadOnlySpan<byte> Detail { get; private set; }

    /// <summary>Why <see cref="Read"/> ended early, with the line; null where the body was read to its end.</summary>
    public string? Error { get; private set; }

    /// <summary>The line that was read last.</summary>
    public readonly string Place => $"line {line}";

    /// <summary>Goes to the next entry; false at the end, or at an error.</summary>
    public bool Read()
    {
        while (Error is null && position < text.Length)
        {
            line++;
            var rest = text[position..];
            var end = rest.IndexOf((byte)'\n');
            if (end < 0 && openMetrics && !rest.SequenceEqual("# EOF"u8)) return Fail("the line does not end");
            var current = end < 0 ? rest : rest[..end];
            position += current.Length + (end < 0 ? 0 : 1);
            if (ended) return Fail("something follows # EOF");
            if (!openMetrics) current = TrimStart(current);
            if (current.IsEmpty)
            {
                if (openMetrics) return Fail("an empty line");
                continue;
            }
            if (current[0] == '#')
            {
                if (openMetrics ? ReadOpenMetricsComment(current) : ReadComment(current)) return true;
                continue;
            }
            return ReadSample(current);
        }
        if (Error is null && openMetrics && !ended) Fail("the body does not end with # EOF");
        return false;
    }

    private bool ReadComment(ReadOnlySpan<byte> current)
    {
        // Only a word after "# " makes more of it than a comment.
        var rest = current[1..];
        if (rest.IsEmpty || rest[0] is not ((byte)' ' or (byte)'\t')) return false;
        rest = TrimStart(rest);
        var isHelp = rest.StartsWith("HELP"u8);
        if (!isHelp && !rest.StartsWith("TYPE"u8)) return false;
        rest = rest[4..];
        if (rest.IsEmpty || rest[0] is not ((byte)' ' or (byte)'\t')) return false;
        rest = TrimStart(rest);
        var after = FamilyName(rest, out var name);
        if (name.IsEmpty) return Fail("a metric name is missing");
        if (!after.IsEmpty && after[0] is not ((byte)' ' or (byte)'\t')) return Fail("a metric name has characters that it must not have");
        return Described(isHelp ? ExpositionEntry.Help : ExpositionEntry.Type, name, TrimStart(after));
    }

    private bool ReadOpenMetricsComment(ReadOnlySpan<byte> current)
    {
        if (current.SequenceEqual("# EOF"u8))
        {
            ended = true;
            return false;
        }
        var entry = current.StartsWith("# HELP "u8) ? ExpositionEntry.Help
            : current.StartsWith("# TYPE "u8) ? ExpositionEntry.Type
            : current.StartsWith("# UNIT "u8) ? ExpositionEntry.Unit
            : (ExpositionEntry?)null;
        if (entry is null) return Fail("a comment is none of # HELP, # TYPE, # UNIT and # EOF");
        var after = FamilyName(current[7..], out var name);
        if (name.IsEmpty || after.IsEmpty || after[0] != ' ') return Fail("a metric name and a blank are expected");
        return Described(entry.Value, name, after[1..]);
    }

    /// <summary>The name that a comment is about, in quotes or not; returns what follows.</summary>
    private static ReadOnlySpan<byte> FamilyName(ReadOnlySpan<byte> rest, out ReadOnlySpan<byte> name)
    {
        if (!rest.StartsWith("\""u8))
        {
            name = rest[..NameLength(rest, colons: true)];
            return rest[name.Length..];
        }
        var length = SeriesText.QuotedLength(rest[1..]);
        name = length > 0 && IsUtf8(rest.Slice(1, length)) ? rest.Slice(1, length) : [];
        return length < 0 ? rest : rest[(length + 2)..];
    }

    private bool Described(ExpositionEntry entry, ReadOnlySpan<byte> name, ReadOnlySpan<byte> detail)
    {
        if (entry == ExpositionEntry.Type)
        {
            detail = openMetrics ? detail : detail.TrimEnd(" \t"u8);
            if (!MetricMetadata.IsType(detail, openMetrics)) return Fail($"\"{Shown(detail)}\" is no metric type");
        }
        else if (entry == ExpositionEntry.Unit && !detail.IsEmpty && !(name.Length > detail.Length && name.EndsWith(detail) && name[^(detail.Length + 1)] == '_'))
        {
            return Fail($"the unit \"{Shown(detail)}\" is not the end of the metric name");
        }
        else if (entry == ExpositionEntry.Help && !IsUtf8(detail))
        {
            return Fail("the help text is not UTF-8");
        }
        Entry = entry;
        Name = name;
        Detail = detail;
        return true;
    }

    private bool ReadSample(ReadOnlySpan<byte> current)
    {
        IsExpected = Expected is { } expected && current.StartsWith(expected) && EndsAt(current, expected.Length);
        var length = IsExpected ? Expected!.Length : SeriesLength(current);
        if (length <= 0) return Fail(length == 0 ? "a metric name is expected" : "the labels do not end");
        Series = current[..length];
        var rest = current[length..];
        if (openMetrics ? rest.IsEmpty || rest[0] != ' ' : rest.IsEmpty || (rest[0] is not ((byte)' ' or (byte)'\t') && current[length - 1] != '}'))
            return Fail("a value is expected");
        rest = openMetrics ? rest[1..] : TrimStart(rest);
        var word = Word(rest);
        if (!ExpositionNumber.TryParse(word, out var value)) return Fail($"\"{Shown(word)}\" is no value");
        Value = value;
        TimeMs = null;
        rest = rest[word.Length..];
        if (openMetrics) return ReadOpenMetricsTail(rest);
        rest = TrimStart(rest);
        if (!rest.IsEmpty)
        {
            word = Word(rest);
            if (!ExpositionNumber.TryMilliseconds(word, out var time)) return Fail($"\"{Shown(word)}\" is no time in milliseconds");
            TimeMs = time;
            if (!TrimStart(rest[word.Length..]).IsEmpty) return Fail("something follows the time");
        }
        Entry = ExpositionEntry.Sample;
        return true;
    }

    /// <summary>[ time][ # {labels} value[ time]]</summary>
    private bool ReadOpenMetricsTail(ReadOnlySpan<byte> rest)
    {
        if (!rest.IsEmpty && !rest.StartsWith(" #"u8))
        {
            rest = rest[1..];
            var word = Word(rest);
            if (!ExpositionNumber.TrySeconds(word, out var time)) return Fail($"\"{Shown(word)}\" is no time in seconds");
            TimeMs = time;
            rest = rest[word.Length..];
        }
        if (!rest.IsEmpty && !IsExemplar(rest)) return Fail("neither the end of the line nor an exemplar");
        Entry = ExpositionEntry.Sample;
        return true;
    }

    /// <summary>Exemplars are checked and passed over: there is nothing here yet that they could point to.</summary>
    private static bool IsExemplar(ReadOnlySpan<byte> rest)
    {
        if (!rest.StartsWith(" # {"u8)) return false;
        rest = rest[3..];
        var labels = LabelsLength(rest);
        if (labels < 0 || !SeriesText.AreLabels(rest[..labels], openMetrics: true)) return false;
        rest = rest[labels..];
        if (rest.IsEmpty || rest[0] != ' ') return false;
        rest = rest[1..];
        var word = Word(rest);
        if (!ExpositionNumber.TryParse(word, out _)) return false;
        rest = rest[word.Length..];
        return rest.IsEmpty || ExpositionNumber.TrySeconds(rest[1..], out _);
    }

    /// <summary>Whether a series that a line begins with is the line's: labels end with their brace, a bare name must go on neither with itself nor with labels.</summary>
    private readonly bool EndsAt(ReadOnlySpan<byte> current, int length)
    {
        if (current[length - 1] == '}') return true;
        if (length == current.Length || current[length] is not ((byte)' ' or (byte)'\t')) return false;
        return openMetrics || !TrimStart(current[length..]).StartsWith("{"u8);
    }

    /// <summary>Bytes of name and labels; 0 where there is no name, -1 where the labels do not end.</summary>
    private int SeriesLength(ReadOnlySpan<byte> current)
    {
        var name = NameLength(current, colons: true);
        // A name beyond [a-zA-Z_:][a-zA-Z0-9_:]* stands in quotes among the labels.
        if (name == 0 && current[0] != '{') return 0;
        var brace = name;
        if (!openMetrics) brace += current.Length - name - TrimStart(current[name..]).Length;
        if (brace >= current.Length || current[brace] != '{') return name;
        var labels = LabelsLength(current[brace..]);
        return labels < 0 ? -1 : brace + labels;
    }

    /// <summary>Bytes from the opening brace to the closing one, which may stand in a quoted value too; -1 where there is none.</summary>
    private static int LabelsLength(ReadOnlySpan<byte> labels)
    {
        for (var at = 1; at < labels.Length;)
        {
            var next = labels[at..].IndexOfAny((byte)'}', (byte)'"');
            if (next < 0) return -1;
            at += next + 1;
            if (labels[at - 1] == '}') return at;
            var length = SeriesText.QuotedLength(labels[at..]);
            if (length < 0) return -1;
            at += length + 1;
        }
        return -1;
    }

    /// <summary>Bytes of [a-zA-Z_:][a-zA-Z0-9_:]* at the beginning.</summary>
    internal static int NameLength(ReadOnlySpan<byte> bytes, bool colons)
    {
        var length = 0;
        while (length < bytes.Length)
        {
            var b = bytes[length];
            if (!(b is (>= (byte)'a' and <= (byte)'z') or (>= (byte)'A' and <= (byte)'Z') or (byte)'_' || (length > 0 && b is >= (byte)'0' and <= (byte)'9') || (colons && b == ':'))) break;
            length++;
        }
        return length;
    }

    internal static ReadOnlySpan<byte> TrimStart(ReadOnlySpan<byte> bytes) => bytes.TrimStart(" \t"u8);

    private static ReadOnlySpan<byte> Word(ReadOnlySpan<byte> rest)
    {
        var end = rest.IndexOfAny((byte)' ', (byte)'\t');
        return end < 0 ? rest : rest[..end];
    }

    internal static bool IsUtf8(ReadOnlySpan<byte> bytes) => System.Text.Unicode.Utf8.IsValid(bytes);

    // An error must not echo a whole body.
    private static string Shown(ReadOnlySpan<byte> bytes) => Encoding.UTF8.GetString(bytes.Length <= 64 ? bytes : bytes[..64]);

    private bool Fail(string reason)
    {
        Error = $"{Place}: {reason}";
        return false;
    }
}

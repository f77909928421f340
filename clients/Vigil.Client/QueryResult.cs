using System.Globalization;
using System.Text;
using Vigil.Metrics.V1;

namespace Vigil.Client;

/// <summary>One series and its value at a moment.</summary>
/// <param name="Labels">Sorted by name; the metric's name is the label <c>__name__</c>.</param>
/// <param name="Value">May be NaN or infinite; NaN where the value is a histogram.</param>
public sealed record SeriesValue(IReadOnlyList<KeyValuePair<string, string>> Labels, double Value)
{
    /// <summary>The value, where it is a native histogram; null where it is a number.</summary>
    public NativeHistogram? Histogram { get; init; }

    /// <summary>The value as text: a number, or a histogram with its buckets.</summary>
    public string ValueText => Histogram?.ToString() ?? SeriesText.Format(Value);

    /// <summary>The series as PromQL writes it: <c>name{a="b"}</c>.</summary>
    public string Series => SeriesText.Format(Labels);

    internal static SeriesValue From(VectorSample sample) =>
        new(SeriesText.Pairs(sample.Labels), sample.Value) { Histogram = sample.Histogram is { } histogram ? NativeHistogram.From(histogram) : null };
}

/// <summary>A series with its samples over a range.</summary>
/// <param name="Labels">Sorted by name.</param>
/// <param name="Points">Time and value, oldest first; NaN where the sample is a histogram.</param>
public sealed record SeriesRange(IReadOnlyList<KeyValuePair<string, string>> Labels, IReadOnlyList<(DateTimeOffset At, double Value)> Points)
{
    /// <summary>The samples that are native histograms, by their position in <see cref="Points"/>.</summary>
    public IReadOnlyDictionary<int, NativeHistogram> Histograms { get; init; } = new Dictionary<int, NativeHistogram>();

    /// <summary>The value at a position of <see cref="Points"/> as text: a number, or a histogram with its buckets.</summary>
    public string ValueText(int position) => Histograms.TryGetValue(position, out var histogram) ? histogram.ToString() : SeriesText.Format(Points[position].Value);

    /// <summary>The series as PromQL writes it: <c>name{a="b"}</c>.</summary>
    public string Series => SeriesText.Format(Labels);
}

/// <summary>What a query came to. Exactly one of the kinds is not null.</summary>
/// <param name="At">The moment of the evaluation.</param>
/// <param name="Vector">An instant vector.</param>
/// <param name="Scalar">A scalar.</param>
/// <param name="Matrix">A range vector.</param>
/// <param name="Text">A string literal.</param>
public sealed record QueryResult(DateTimeOffset At, IReadOnlyList<SeriesValue>? Vector, double? Scalar, IReadOnlyList<SeriesRange>? Matrix, string? Text)
{
    internal static QueryResult From(QueryResponse response)
    {
        var at = DateTimeOffset.FromUnixTimeMilliseconds(response.TimeUnixMs);
        return response.ResultCase switch
        {
            QueryResponse.ResultOneofCase.Vector => new(at, [.. response.Vector.Samples.Select(SeriesValue.From)], null, null, null),
            QueryResponse.ResultOneofCase.Scalar => new(at, null, response.Scalar, null, null),
            QueryResponse.ResultOneofCase.Matrix => new(at, null, null, [.. response.Matrix.Series.Select(Range)], null),
            QueryResponse.ResultOneofCase.Text => new(at, null, null, null, response.Text),
            _ => new(at, [], null, null, null),
        };
    }

    private static SeriesRange Range(MatrixSeries series) => new(SeriesText.Pairs(series.Labels),
        [.. series.TimesUnixMs.Zip(series.Values, (t, v) => (DateTimeOffset.FromUnixTimeMilliseconds(t), v))])
    {
        Histograms = series.Histograms.ToDictionary(h => (int)h.Index, h => NativeHistogram.From(h.Histogram)),
    };
}

/// <summary>One message of a watch.</summary>
/// <param name="At">The moment of the evaluation.</param>
/// <param name="Values">The value; null when <paramref name="Error"/> says why there is none.</param>
/// <param name="Error">Why the value is unknown.</param>
/// <param name="InputSeries">How many series the expression's selectors found; 0: there is no data to judge.</param>
/// <param name="Changed">False for a heartbeat.</param>
public sealed record WatchedValue(DateTimeOffset At, IReadOnlyList<SeriesValue>? Values, string? Error, long InputSeries, bool Changed)
{
    internal static WatchedValue From(WatchEvent e) => new(
        DateTimeOffset.FromUnixTimeMilliseconds(e.EvaluatedAtUnixMs),
        e.OutcomeCase == WatchEvent.OutcomeOneofCase.Error ? null : [.. (e.Vector?.Samples ?? []).Select(SeriesValue.From)],
        e.OutcomeCase == WatchEvent.OutcomeOneofCase.Error ? e.Error : null,
        e.InputSeries, e.Changed);
}

/// <summary>Series as text, in PromQL's notation.</summary>
public static class SeriesText
{
    /// <summary>
    /// Writes labels as <c>name{a="b",c="d"}</c>, with backslash, quote and control characters escaped: whoever may push chooses label values, and
    /// they must not drive a terminal. Names beyond letters, digits, underscores and a metric's colons are in quotes, the metric's among the labels:
    /// <c>{"any name","any label"="b"}</c>.
    /// </summary>
    public static string Format(IReadOnlyList<KeyValuePair<string, string>> labels)
    {
        var text = new StringBuilder();
        var first = true;
        foreach (var (name, value) in labels)
        {
            if (name != "__name__") continue;
            first = IsPlain(value, colons: true);
            text.Append(first ? "" : "{");
            AppendName(text, value, colons: true);
        }
        foreach (var (name, value) in labels)
        {
            if (name == "__name__") continue;
            text.Append(first ? '{' : ',');
            AppendName(text, name, colons: false);
            text.Append("=\"");
            AppendEscaped(text, value);
            text.Append('"');
            first = false;
        }
        if (!first) text.Append('}');
        return text.Length == 0 ? "{}" : text.ToString();
    }

    private static void AppendName(StringBuilder text, string name, bool colons)
    {
        if (IsPlain(name, colons))
        {
            text.Append(name);
            return;
        }
        text.Append('"');
        AppendEscaped(text, name);
        text.Append('"');
    }

    // The empty name, which stands for none, is left as it is.
    private static bool IsPlain(string name, bool colons) =>
        name.Length == 0 || (!char.IsAsciiDigit(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_' || (colons && c == ':')));

    private static void AppendEscaped(StringBuilder text, string value)
    {
        foreach (var c in value)
        {
            if (c is '\\' or '"') text.Append('\\').Append(c);
            else if (c == '\n') text.Append("\\n");
            else if (char.IsControl(c)) text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else text.Append(c);
        }
    }

    /// <summary>Writes a value as Prometheus does: <c>+Inf</c>, <c>-Inf</c>, <c>NaN</c>, else the shortest text that reads back equal.</summary>
    public static string Format(double value) =>
        double.IsPositiveInfinity(value) ? "+Inf" : double.IsNegativeInfinity(value) ? "-Inf" : value.ToString("R", CultureInfo.InvariantCulture);

    internal static IReadOnlyList<KeyValuePair<string, string>> Pairs(IEnumerable<Label> labels) =>
        [.. labels.Select(l => KeyValuePair.Create(l.Name, l.Value))];
}

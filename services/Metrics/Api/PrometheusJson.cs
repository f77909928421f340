using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Api;

/// <summary>Writes answers of the Prometheus API: {"status":"success","data":...}, numbers in the forms that its clients read.</summary>
internal static class PrometheusJson
{
    // Answers are JSON documents, never parts of HTML pages: text stays legible.
    public static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    /// <summary>Sends a whole answer.</summary>
    public static async Task WriteAsync(HttpContext context, Action<Utf8JsonWriter> data, IReadOnlyList<string> warnings, IReadOnlyList<string> infos)
    {
        context.Response.ContentType = "application/json";
        await using var json = new Utf8JsonWriter(context.Response.BodyWriter, Options);
        json.WriteStartObject();
        json.WriteString("status", "success");
        json.WritePropertyName("data");
        data(json);
        WriteRemarks(json, "warnings", warnings);
        WriteRemarks(json, "infos", infos);
        json.WriteEndObject();
    }

    /// <summary>The value of a query.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="value">The value.</param>
    /// <param name="more">Writes further properties beside type and result, such as statistics.</param>
    public static void WriteValue(Utf8JsonWriter json, QueryValue value, Action<Utf8JsonWriter>? more = null)
    {
        json.WriteStartObject();
        switch (value)
        {
            case ScalarValue scalar:
                json.WriteString("resultType", "scalar");
                json.WritePropertyName("result");
                WriteSingle(json, scalar.TimeMs, GoText.Float(scalar.Value));
                break;
            case TextValue text:
                json.WriteString("resultType", "string");
                json.WritePropertyName("result");
                WriteSingle(json, text.TimeMs, text.Text);
                break;
            case VectorValue vector:
                json.WriteString("resultType", "vector");
                json.WriteStartArray("result");
                foreach (var element in vector.Elements)
                {
                    json.WriteStartObject();
                    json.WritePropertyName("metric");
                    WriteLabels(json, element.Labels);
                    json.WritePropertyName(element.Histogram is null ? "value" : "histogram");
                    if (element.Histogram is { } histogram) WritePoint(json, vector.TimeMs, histogram);
                    else WritePoint(json, vector.TimeMs, GoText.FloatJson(element.Value));
                    json.WriteEndObject();
                }
                json.WriteEndArray();
                break;
            case MatrixValue matrix:
                json.WriteString("resultType", "matrix");
                json.WriteStartArray("result");
                foreach (var series in matrix.Series) WriteSeries(json, series);
                json.WriteEndArray();
                break;
        }
        more?.Invoke(json);
        json.WriteEndObject();
    }

    public static void WriteLabels(Utf8JsonWriter json, LabelSet labels)
    {
        json.WriteStartObject();
        var pairs = labels.Pairs;
        for (var i = 0; i < pairs.Length; i += 2) json.WriteString(pairs[i], pairs[i + 1]);
        json.WriteEndObject();
    }

    /// <summary>A moment in RFC 3339; Go's zero time, which clients know for "never", where there is none.</summary>
    public static string Moment(DateTimeOffset? time) =>
        time is { } at ? at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture) : "0001-01-01T00:00:00Z";

    public static void WriteTexts(Utf8JsonWriter json, IEnumerable<string> texts)
    {
        json.WriteStartArray();
        foreach (var text in texts) json.WriteStringValue(text);
        json.WriteEndArray();
    }

    private static void WriteSeries(Utf8JsonWriter json, SeriesSamples series)
    {
        json.WriteStartObject();
        json.WritePropertyName("metric");
        WriteLabels(json, series.Labels);
        var times = series.Times.Span;
        var values = series.Values.Span;
        var histograms = series.Histograms.Span;
        var anyHistogram = false;
        foreach (var histogram in histograms) anyHistogram |= histogram is not null;
        if (!anyHistogram || histograms.Contains(null))
        {
            json.WriteStartArray("values");
            for (var i = 0; i < times.Length; i++)
            {
                if (!anyHistogram || histograms[i] is null) WritePoint(json, times[i], GoText.FloatJson(values[i]));
            }
            json.WriteEndArray();
        }
        if (anyHistogram)
        {
            json.WriteStartArray("histograms");
            for (var i = 0; i < times.Length; i++)
            {
                if (histograms[i] is { } histogram) WritePoint(json, times[i], histogram);
            }
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }

    /// <summary>A scalar or text: unlike a point of a series, its time is a number without closing zeros, and its value has no exponent.</summary>
    private static void WriteSingle(Utf8JsonWriter json, long timeMs, string value)
    {
        json.WriteStartArray();
        json.WriteNumberValue(timeMs / 1000m);
        json.WriteStringValue(value);
        json.WriteEndArray();
    }

    private static void WritePoint(Utf8JsonWriter json, long timeMs, string value)
    {
        json.WriteStartArray();
        WriteTime(json, timeMs);
        json.WriteStringValue(value);
        json.WriteEndArray();
    }

    private static void WritePoint(Utf8JsonWriter json, long timeMs, FloatHistogram histogram)
    {
        json.WriteStartArray();
        WriteTime(json, timeMs);
        json.WriteStartObject();
        json.WriteString("count", GoText.FloatJson(histogram.Count));
        json.WriteString("sum", GoText.FloatJson(histogram.Sum));
        var any = false;
        for (var place = 0; place < histogram.Places; place++)
        {
            if (!histogram.BucketAt(place, out var bucket) || bucket.Count == 0) continue;
            if (!any) json.WriteStartArray("buckets");
            any = true;
            json.WriteStartArray();
            // Which bounds belong to the bucket: 0 the upper, 1 the lower, 2 none, 3 both.
            json.WriteNumberValue(bucket.LowerInclusive ? (bucket.UpperInclusive ? 3 : 1) : (bucket.UpperInclusive ? 0 : 2));
            json.WriteStringValue(GoText.FloatJson(bucket.Lower));
            json.WriteStringValue(GoText.FloatJson(bucket.Upper));
            json.WriteStringValue(GoText.FloatJson(bucket.Count));
            json.WriteEndArray();
        }
        if (any) json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
    }

    private static void WriteTime(Utf8JsonWriter json, long timeMs)
    {
        // Seconds, with the milliseconds there are and no rounding.
        Span<char> text = stackalloc char[32];
        var sign = timeMs < 0 ? "-" : "";
        var (seconds, rest) = (Math.Abs(timeMs) / 1000, Math.Abs(timeMs) % 1000);
        var fits = rest == 0
            ? text.TryWrite(CultureInfo.InvariantCulture, $"{sign}{seconds}", out var written)
            : text.TryWrite(CultureInfo.InvariantCulture, $"{sign}{seconds}.{rest:000}", out written);
        System.Diagnostics.Debug.Assert(fits, "a long has at most 20 characters");
        json.WriteRawValue(text[..written], skipInputValidation: true);
    }

    private static void WriteRemarks(Utf8JsonWriter json, string name, IReadOnlyList<string> remarks)
    {
        if (remarks.Count == 0) return;
        const int Most = 10;
        json.WritePropertyName(name);
        WriteTexts(json, remarks.Count <= Most
            ? remarks
            : remarks.Take(Most).Append($"{remarks.Count - Most} more {name.TrimEnd('s')} annotations omitted"));
    }
}

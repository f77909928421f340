using System.Text.Json;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Api;

/// <summary>The value of a query, as Prometheus' API writes it.</summary>
internal static class PrometheusValues
{
    /// <summary>Writes a value, in parts of a series each.</summary>
    /// <param name="value">The value.</param>
    /// <param name="more">Writes further properties beside type and result, such as statistics.</param>
    public static IEnumerable<Action<Utf8JsonWriter>> Parts(QueryValue value, Action<Utf8JsonWriter>? more = null)
    {
        yield return json => Begin(json, value);
        if (value is MatrixValue matrix)
        {
            foreach (var series in matrix.Series) yield return json => WriteSeries(json, series);
            yield return static json => json.WriteEndArray();
        }
        yield return json =>
        {
            more?.Invoke(json);
            json.WriteEndObject();
        };
    }

    private static void Begin(Utf8JsonWriter json, QueryValue value)
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
                foreach (var element in vector.Elements) WriteElement(json, vector.TimeMs, element);
                json.WriteEndArray();
                break;
            case MatrixValue:
                json.WriteString("resultType", "matrix");
                json.WriteStartArray("result");
                break;
        }
    }

    private static void WriteElement(Utf8JsonWriter json, long timeMs, VectorElement element)
    {
        json.WriteStartObject();
        json.WritePropertyName("metric");
        PrometheusJson.WriteLabels(json, element.Labels);
        json.WritePropertyName(element.Histogram is null ? "value" : "histogram");
        if (element.Histogram is { } histogram)
        {
            WritePoint(json, timeMs, histogram);
        }
        else
        {
            Span<byte> point = stackalloc byte[PointText.MaxBytes];
            json.WriteRawValue(point[..PointText.Write(point, timeMs, element.Value)], skipInputValidation: true);
        }
        json.WriteEndObject();
    }

    private static void WriteSeries(Utf8JsonWriter json, SeriesSamples series)
    {
        json.WriteStartObject();
        json.WritePropertyName("metric");
        PrometheusJson.WriteLabels(json, series.Labels);
        var times = series.Times.Span;
        var values = series.Values.Span;
        var histograms = series.Histograms.Span;
        var anyHistogram = false;
        foreach (var histogram in histograms) anyHistogram |= histogram is not null;
        if (!anyHistogram || histograms.Contains(null)) WriteFloats(json, times, values, anyHistogram ? histograms : default);
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

    private static void WriteFloats(Utf8JsonWriter json, ReadOnlySpan<long> times, ReadOnlySpan<double> values, ReadOnlySpan<FloatHistogram?> histograms)
    {
        json.WriteStartArray("values");
        // Many points for each call of the writer, which costs more than a point does.
        Span<byte> text = stackalloc byte[4096];
        var length = 0;
        for (var i = 0; i < times.Length; i++)
        {
            if (!histograms.IsEmpty && histograms[i] is not null) continue;
            if (length > 0) text[length++] = (byte)',';
            length += PointText.Write(text[length..], times[i], values[i]);
            if (text.Length - length > PointText.MaxBytes) continue;
            json.WriteRawValue(text[..length], skipInputValidation: true);
            length = 0;
        }
        if (length > 0) json.WriteRawValue(text[..length], skipInputValidation: true);
        json.WriteEndArray();
    }

    /// <summary>A scalar or text: unlike a point of a series, its time is a number without closing zeros, and its value has no exponent.</summary>
    private static void WriteSingle(Utf8JsonWriter json, long timeMs, string value)
    {
        json.WriteStartArray();
        json.WriteNumberValue(timeMs / 1000m);
        json.WriteStringValue(value);
        json.WriteEndArray();
    }

    private static void WritePoint(Utf8JsonWriter json, long timeMs, FloatHistogram histogram)
    {
        Span<byte> time = stackalloc byte[PointText.MaxBytes];
        json.WriteStartArray();
        json.WriteRawValue(time[..PointText.WriteTime(time, timeMs)], skipInputValidation: true);
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
}

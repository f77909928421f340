using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Api;

/// <summary>Writes answers of the Prometheus API: {"status":"success","data":...}, numbers in the forms that its clients read.</summary>
internal static class PrometheusJson
{
    // Answers are JSON documents, never parts of HTML pages: text stays legible.
    public static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    // As much is written before it is sent. A hundred megabytes of values, which a query may yield, need not be in memory as text, too.
    private const int SendBytes = 128 * 1024;

    /// <summary>Sends a whole answer.</summary>
    public static Task WriteAsync(HttpContext context, Action<Utf8JsonWriter> data, IReadOnlyList<string> warnings, IReadOnlyList<string> infos) =>
        WriteAsync(context, [data], warnings, infos);

    /// <summary>Sends a whole answer whose data is written in parts, one after the other.</summary>
    public static async Task WriteAsync(HttpContext context, IEnumerable<Action<Utf8JsonWriter>> data, IReadOnlyList<string> warnings, IReadOnlyList<string> infos)
    {
        context.Response.ContentType = "application/json";
        var body = context.Response.BodyWriter;
        await using var json = new Utf8JsonWriter(body, Options);
        json.WriteStartObject();
        json.WriteString("status", "success");
        json.WritePropertyName("data");
        long sent = 0;
        foreach (var part in data)
        {
            part(json);
            if (json.BytesCommitted + json.BytesPending - sent < SendBytes) continue;
            json.Flush();
            sent = json.BytesCommitted;
            // Nobody reads on: the rest need not be written.
            if ((await body.FlushAsync().ConfigureAwait(false)).IsCompleted) return;
        }
        WriteRemarks(json, "warnings", warnings);
        WriteRemarks(json, "infos", infos);
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

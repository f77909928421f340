using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Vigil.Alerting.Policies;
using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Alerting.Notify;

/// <summary>
/// Alertmanager's webhook format, version 4 (prometheus.io/docs/alerting/latest/configuration, webhook_config), one alert per
/// message. What Alertmanager does not know (severity's clock, who to tell, what to do) stands under the key "vigil", which
/// its receivers pass over.
/// </summary>
internal static class WebhookPayload
{
    private static readonly JsonWriterOptions Relaxed = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The body of a post.</summary>
    public static ReadOnlyMemory<byte> Body(Page page, string receiver, string externalUrl)
    {
        var buffer = new ArrayBufferWriter<byte>(2_048);
        using (var json = new Utf8JsonWriter(buffer, Relaxed))
        {
            json.WriteStartObject();
            json.WriteString("version", "4");
            json.WriteString("groupKey", $"{{}}:{{alertname=\"{page.Alertname}\", fingerprint=\"{page.Fingerprint}\"}}");
            json.WriteNumber("truncatedAlerts", 0);
            json.WriteString("status", page.Status);
            json.WriteString("receiver", receiver);
            WriteMap(json, "groupLabels", new Dictionary<string, string> { ["alertname"] = page.Alertname });
            WriteMap(json, "commonLabels", page.Labels);
            WriteMap(json, "commonAnnotations", page.Annotations);
            json.WriteString("externalURL", externalUrl);
            json.WriteStartArray("alerts");
            WriteAlert(json, page);
            json.WriteEndArray();
            WriteVigil(json, page);
            json.WriteEndObject();
        }
        return buffer.WrittenMemory;
    }

    /// <summary>The line of a file: the alert, and what Vigil adds.</summary>
    public static string Line(Page page)
    {
        var buffer = new ArrayBufferWriter<byte>(2_048);
        using (var json = new Utf8JsonWriter(buffer, Relaxed))
        {
            json.WriteStartObject();
            WriteAlertFields(json, page);
            WriteVigil(json, page);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>Go's RFC 3339 with nanoseconds, as Alertmanager writes times; the zero time for "not yet".</summary>
    public static string Time(DateTimeOffset? time) =>
        time is { } t ? t.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture) : "0001-01-01T00:00:00Z";

    public static void WriteMap(Utf8JsonWriter json, string name, IReadOnlyDictionary<string, string> map)
    {
        json.WriteStartObject(name);
        foreach (var (key, value) in map.OrderBy(p => p.Key, StringComparer.Ordinal)) json.WriteString(key, value);
        json.WriteEndObject();
    }

    private static void WriteAlert(Utf8JsonWriter json, Page page)
    {
        json.WriteStartObject();
        WriteAlertFields(json, page);
        json.WriteEndObject();
    }

    private static void WriteAlertFields(Utf8JsonWriter json, Page page)
    {
        json.WriteString("status", page.Status);
        WriteMap(json, "labels", page.Labels);
        WriteMap(json, "annotations", page.Annotations);
        json.WriteString("startsAt", Time(page.StartsAt));
        json.WriteString("endsAt", Time(page.EndsAt));
        json.WriteString("generatorURL", page.GeneratorUrl);
        json.WriteString("fingerprint", page.Fingerprint);
    }

    private static void WriteVigil(Utf8JsonWriter json, Page page)
    {
        var response = page.Response;
        json.WriteStartObject("vigil");
        json.WriteString("idempotencyKey", page.IdempotencyKey);
        json.WriteString("policy", page.Policy);
        json.WriteString("reason", page.Reason);
        json.WriteString("value", page.Value);
        json.WriteString("decidedAt", Time(page.DecidedAt));
        if (page.CauseReceivedUnixUs > 0) json.WriteString("causeReceivedAt", Time(DateTimeOffset.UnixEpoch.AddMicroseconds(page.CauseReceivedUnixUs)));
        json.WriteString("severity", response.Severity);
        json.WriteNumber("level", response.Level);
        if (response.RespondWithin is { } within) json.WriteString("respondWithin", PrometheusDuration.Format(within));
        WriteList(json, "escalate", response.Escalate);
        WriteList(json, "communicate", response.Communicate);
        if (response.Action.Length > 0) json.WriteString("action", response.Action);
        if (response.Playbook.Length > 0) json.WriteString("playbook", response.Playbook);
        if (response.Row.Length > 0) json.WriteString("row", response.Row);
        if (page.IsTest) json.WriteBoolean("test", true);
        json.WriteEndObject();
    }

    private static void WriteList(Utf8JsonWriter json, string name, IReadOnlyList<string> values)
    {
        if (values.Count == 0) return;
        json.WriteStartArray(name);
        foreach (var value in values) json.WriteStringValue(value);
        json.WriteEndArray();
    }
}

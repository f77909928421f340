using System.Buffers;
using System.Text.Json;
using System.Text.RegularExpressions;
using Vigil.Alerting.Grains;
using Vigil.Alerting.Notify;
using Vigil.Alerting.Policies;
using Vigil.ServiceDefaults;

namespace Vigil.Alerting.Api;

/// <summary>
/// Alertmanager's reading API: v2 (alertmanager/api/v2/openapi.yaml) for its tools, and v1, which Alertmanager itself gave up in
/// 0.27, for runbooks that still say curl :9093/api/v1/alerts. Both list what fires.
/// </summary>
internal static class AlertmanagerApi
{
    /// <summary>Alertmanager's resolve_timeout: clients take an alert whose endsAt lies in the past as resolved.</summary>
    private static readonly TimeSpan EndsAfter = TimeSpan.FromMinutes(5);

    public static void MapAlertmanagerApi(this IEndpointRouteBuilder app)
    {
        var v2 = app.MapGroup("/api/v2").RequireScope(Scope.Read);
        v2.MapGet("/alerts", V2Async);
        v2.MapGet("/status", (ServiceIdentity identity, StartTime start) => Json(json => WriteStatus(json, identity, start.At)));
        app.MapGet("/api/v1/alerts", V1Async).RequireScope(Scope.Read);
    }

    private static async Task<IResult> V2Async(HttpRequest request, PolicyReader reader, PageDispatcher dispatcher, TimeProvider clock, ExternalAddress address, CancellationToken ct)
    {
        if (!Filter.TryRead(request.Query, out var filter, out var refusal)) throw refusal!.ToException();
        var alerts = await ListAsync(filter!, reader, dispatcher, ct).ConfigureAwait(false);
        var now = clock.GetUtcNow();
        return Json(json =>
        {
            json.WriteStartArray();
            foreach (var alert in alerts) WriteAlert(json, alert, now, address.Url, v2: true);
            json.WriteEndArray();
        });
    }

    private static async Task<IResult> V1Async(HttpRequest request, PolicyReader reader, PageDispatcher dispatcher, TimeProvider clock, ExternalAddress address, CancellationToken ct)
    {
        if (!Filter.TryRead(request.Query, out var filter, out var refusal)) throw refusal!.ToException();
        var alerts = await ListAsync(filter!, reader, dispatcher, ct).ConfigureAwait(false);
        var now = clock.GetUtcNow();
        return Json(json =>
        {
            json.WriteStartObject();
            json.WriteString("status", "success");
            json.WriteStartArray("data");
            foreach (var alert in alerts) WriteAlert(json, alert, now, address.Url, v2: false);
            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    private static async Task<IReadOnlyList<Listed>> ListAsync(Filter filter, PolicyReader reader, PageDispatcher dispatcher, CancellationToken ct)
    {
        var listed = new List<Listed>();
        foreach (var reading in await reader.ReadAllAsync(ct).ConfigureAwait(false))
        {
            var receivers = dispatcher.Channels.Where(c => DispatchMath.Takes(c, reading.Policy.Response.Severity)).Select(c => c.Name).ToArray();
            if (!filter.TakesReceivers(receivers)) continue;
            foreach (var alert in reading.Snapshot?.Alerts ?? [])
                if (alert.Status == (int)AlertStatus.Firing && filter.Takes(alert.Labels)) listed.Add(new Listed(alert, receivers));
        }
        return [.. listed.OrderBy(l => l.Alert.Fingerprint, StringComparer.Ordinal)];
    }

    private static void WriteAlert(Utf8JsonWriter json, Listed listed, DateTimeOffset now, string externalUrl, bool v2)
    {
        var alert = listed.Alert;
        json.WriteStartObject();
        WebhookPayload.WriteMap(json, "annotations", alert.Annotations);
        json.WriteString("endsAt", Time(now + EndsAfter));
        json.WriteString("fingerprint", alert.Fingerprint);
        json.WriteStartArray("receivers");
        foreach (var receiver in listed.Receivers)
        {
            if (!v2)
            {
                json.WriteStringValue(receiver);
                continue;
            }
            json.WriteStartObject();
            json.WriteString("name", receiver);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteString("startsAt", Time(alert.FiredAt ?? alert.ActiveAt));
        json.WriteStartObject("status");
        WriteEmptyArrays(json, "inhibitedBy", "silencedBy");
        json.WriteString("state", "active");
        json.WriteEndObject();
        json.WriteString("updatedAt", Time(alert.SeenAt));
        json.WriteString("generatorURL", $"{externalUrl}/api/v2/alerts?filter=alertname%3D%22{Uri.EscapeDataString(alert.Labels.GetValueOrDefault("alertname", ""))}%22");
        WebhookPayload.WriteMap(json, "labels", alert.Labels);
        json.WriteEndObject();
    }

    private static void WriteStatus(Utf8JsonWriter json, ServiceIdentity identity, DateTimeOffset start)
    {
        json.WriteStartObject();
        json.WriteStartObject("cluster");
        WriteEmptyArrays(json, "peers");
        json.WriteString("status", "disabled");
        json.WriteEndObject();
        json.WriteStartObject("config");
        json.WriteString("original", "");
        json.WriteEndObject();
        json.WriteString("uptime", Time(start));
        json.WriteStartObject("versionInfo");
        json.WriteString("version", identity.Version);
        foreach (var name in (string[])["branch", "buildDate", "buildUser", "goVersion", "revision"]) json.WriteString(name, "");
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteEmptyArrays(Utf8JsonWriter json, params string[] names)
    {
        foreach (var name in names)
        {
            json.WriteStartArray(name);
            json.WriteEndArray();
        }
    }

    /// <summary>Milliseconds, as Alertmanager's API writes times.</summary>
    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture);

    private static IResult Json(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(4_096);
        using (var json = new Utf8JsonWriter(buffer)) write(json);
        return Results.Bytes(buffer.WrittenMemory, "application/json");
    }

    private sealed record Listed(AlertMessage Alert, IReadOnlyList<string> Receivers);

    /// <summary>The query's conditions. Nothing is silenced or inhibited, so that only "active" decides by state.</summary>
    private sealed class Filter
    {
        private const int MaxMatchers = 50;
        private readonly List<AlertMatcher> matchers = [];
        private Regex? receiver;
        private bool active = true;

        public static bool TryRead(IQueryCollection query, out Filter? filter, out Refusal? refusal)
        {
            filter = new Filter();
            refusal = null;
            if (query["filter"].Count > MaxMatchers) refusal = Refusal.Invalid("filter", $"is given {query["filter"].Count} times; the limit is {MaxMatchers}");
            else
            {
                foreach (var text in query["filter"])
                {
                    if (AlertMatcher.TryParse(text ?? "", out var matcher, out var reason)) filter.matchers.Add(matcher);
                    else refusal = Refusal.Invalid("filter", reason);
                }
            }
            foreach (var name in (string[])["active", "silenced", "inhibited", "unprocessed", "muted"])
            {
                if (query[name].FirstOrDefault() is not { Length: > 0 } text) continue;
                if (!bool.TryParse(text, out var wanted)) refusal = Refusal.Invalid(name, $"'{text}' must be true or false");
                else if (name == "active") filter.active = wanted;
            }
            try
            {
                if (query["receiver"].FirstOrDefault() is { Length: > 0 } pattern) filter.receiver = new Regex($"^(?:{pattern})$", RegexOptions.NonBacktracking);
            }
            catch (Exception e) when (e is ArgumentException or NotSupportedException)
            {
                refusal = Refusal.Invalid("receiver", e.Message);
            }
            return refusal is null;
        }

        public bool Takes(IReadOnlyDictionary<string, string> labels) => active && matchers.TrueForAll(m => m.Matches(labels));

        public bool TakesReceivers(IReadOnlyList<string> receivers) => receiver is null || receivers.Any(receiver.IsMatch);
    }
}

/// <summary>When this process began to serve.</summary>
internal sealed record StartTime(DateTimeOffset At);

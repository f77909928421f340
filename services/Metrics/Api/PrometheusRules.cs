using System.Text.Json;
using Orleans;
using Orleans.Runtime;
using Vigil.Alerting.V1;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Rules;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>Rules and alerts: recording rules are evaluated here, alerts by Alerting, and this API has both.</summary>
internal sealed class PrometheusRules(RuleTable table, AlertingView alerting, IGrainFactory grains)
{
    /// <summary>Maps the endpoints.</summary>
    public void Map(RouteGroupBuilder group, PrometheusEndpoint endpoint)
    {
        group.MapGet("/rules", endpoint.Answer(RulesAsync));
        group.MapGet("/alerts", endpoint.Answer(AlertsAsync));
    }

    private async Task<PrometheusReply> AlertsAsync(HttpContext context, PrometheusParameters parameters)
    {
        var answer = await alerting.ReadAsync(policies: false, context.RequestAborted).ConfigureAwait(false);
        return new(json =>
        {
            json.WriteStartObject();
            WriteAlerts(json, answer.Alerts);
            json.WriteEndObject();
        }, Warnings(answer), []);
    }

    private async Task<PrometheusReply> RulesAsync(HttpContext context, PrometheusParameters parameters)
    {
        var filter = RuleFilter.Read(parameters);
        var answer = filter.Alerts ? await alerting.ReadAsync(policies: true, context.RequestAborted).ConfigureAwait(false) : AlertingAnswer.Nothing;
        var groups = new SortedDictionary<(string File, string Name), ShownGroup>();
        if (filter.Recordings) await AddRecordingsAsync(groups, context.RequestAborted).ConfigureAwait(false);
        var alerts = answer.Alerts.ToLookup(a => a.Policy, StringComparer.Ordinal);
        foreach (var policy in answer.Policies)
        {
            var shown = Group(groups, policy.File, policy.Group);
            if (policy.LastEvaluationUnixMs > 0) shown.Evaluated(DateTimeOffset.FromUnixTimeMilliseconds(policy.LastEvaluationUnixMs), TimeSpan.Zero);
            shown.Rules.Add(new ShownRule((int)policy.Line, policy.Alert, Labels(policy.Labels), json => WriteAlerting(json, policy, filter.ExcludeAlerts ? [] : alerts[policy.Key])));
        }
        var (page, next) = filter.Select(groups.Values);
        return new(json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("groups");
            foreach (var group in page) Write(json, group);
            json.WriteEndArray();
            if (next is not null) json.WriteString("groupNextToken", next);
            json.WriteEndObject();
        }, Warnings(answer), []);
    }

    private async Task AddRecordingsAsync(SortedDictionary<(string, string), ShownGroup> groups, CancellationToken ct)
    {
        var defined = table.Groups;
        RuleGroupStatus?[] found;
        try
        {
            found = await Task.WhenAll(defined.Select(g => grains.GetGrain<IRuleGroupGrain>(g.Key).GetStatusAsync())).WaitAsync(ct).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OrleansException or TimeoutException)
        {
            throw new RefusalException(RefusalKind.Unavailable, $"how the rules fare cannot be read for the moment: {e.Message}");
        }
        foreach (var (group, status) in defined.Zip(found))
        {
            var shown = Group(groups, group.File, group.Name);
            (shown.Interval, shown.Limit) = (group.Interval, group.Limit);
            if (status?.LastEvaluation is { } at) shown.Evaluated(at, status.EvaluationTime);
            foreach (var rule in group.Rules)
            {
                var fares = status?.Rules.FirstOrDefault(r => r.Identity == rule.Identity);
                shown.Rules.Add(new ShownRule(rule.Line, rule.Record, rule.Labels, json => WriteRecording(json, rule, fares)));
            }
        }
    }

    private static ShownGroup Group(SortedDictionary<(string, string), ShownGroup> groups, string file, string name)
    {
        if (!groups.TryGetValue((file, name), out var group)) groups.Add((file, name), group = new ShownGroup(file, name));
        return group;
    }

    private static string[] Warnings(AlertingAnswer answer) => answer.Warning is { } warning ? [warning] : [];

    private static LabelSet Labels(IEnumerable<KeyValuePair<string, string>> labels) => LabelSet.Create(labels.Select(l => new Series.Label(l.Key, l.Value)));

    private static void Write(Utf8JsonWriter json, ShownGroup group)
    {
        json.WriteStartObject();
        json.WriteString("name", group.Name);
        json.WriteString("file", group.File);
        json.WriteStartArray("rules");
        foreach (var rule in group.Rules.OrderBy(r => r.Line)) rule.Write(json);
        json.WriteEndArray();
        json.WriteNumber("interval", group.Interval.TotalSeconds);
        json.WriteNumber("limit", group.Limit);
        json.WriteNumber("evaluationTime", group.EvaluationTime.TotalSeconds);
        json.WriteString("lastEvaluation", PrometheusJson.Moment(group.LastEvaluation));
        json.WriteEndObject();
    }

    private static void WriteRecording(Utf8JsonWriter json, RecordingRule rule, RuleStatus? fares)
    {
        json.WriteStartObject();
        json.WriteString("name", rule.Record);
        json.WriteString("query", Shown(rule.Expr));
        json.WritePropertyName("labels");
        PrometheusJson.WriteLabels(json, rule.Labels);
        json.WriteString("health", fares?.LastEvaluation is null ? "unknown" : fares.Error is null ? "ok" : "err");
        if (fares?.Error is { } error) json.WriteString("lastError", error);
        json.WriteNumber("evaluationTime", fares?.EvaluationTime.TotalSeconds ?? 0);
        json.WriteString("lastEvaluation", PrometheusJson.Moment(fares?.LastEvaluation));
        json.WriteString("type", "recording");
        json.WriteEndObject();
    }

    private static void WriteAlerting(Utf8JsonWriter json, Policy policy, IEnumerable<Alert> alerts)
    {
        json.WriteStartObject();
        json.WriteString("state", policy.Status switch
        {
            AlertStatus.Firing => "firing",
            AlertStatus.Pending => "pending",
            _ => "inactive",
        });
        json.WriteString("name", policy.Alert);
        json.WriteString("query", Shown(policy.Expr));
        json.WriteNumber("duration", policy.ForMs / 1000d);
        json.WriteNumber("keepFiringFor", policy.KeepFiringForMs / 1000d);
        WriteTexts(json, "labels", policy.Labels);
        WriteTexts(json, "annotations", policy.Annotations);
        WriteAlerts(json, alerts);
        json.WriteString("health", policy.Sight switch
        {
            Sight.Clear or Sight.NoData => "ok",
            Sight.Unknown => "err",
            _ => "unknown",
        });
        if (policy.Sight == Sight.Unknown && policy.SightReason.Length > 0) json.WriteString("lastError", policy.SightReason);
        // Alerting is told of changes and evaluates nothing by itself.
        json.WriteNumber("evaluationTime", 0);
        json.WriteString("lastEvaluation", PrometheusJson.Moment(Time(policy.LastEvaluationUnixMs)));
        json.WriteString("type", "alerting");
        json.WriteEndObject();
    }

    private static void WriteAlerts(Utf8JsonWriter json, IEnumerable<Alert> alerts)
    {
        json.WriteStartArray("alerts");
        foreach (var alert in alerts)
        {
            json.WriteStartObject();
            WriteTexts(json, "labels", alert.Labels);
            WriteTexts(json, "annotations", alert.Annotations);
            json.WriteString("state", alert.Status == AlertStatus.Firing ? "firing" : "pending");
            if (Time(alert.ActiveAtUnixMs) is { } since) json.WriteString("activeAt", PrometheusJson.Moment(since));
            json.WriteString("value", GoText.FloatE(alert.Value));
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteTexts(Utf8JsonWriter json, string name, IEnumerable<KeyValuePair<string, string>> texts)
    {
        json.WriteStartObject(name);
        foreach (var (key, text) in texts.OrderBy(t => t.Key, StringComparer.Ordinal)) json.WriteString(key, text);
        json.WriteEndObject();
    }

    private static string Shown(string expr) => PromQlParser.TryParse(expr, out var parsed, out _) ? Formatter.Format(parsed) : expr;

    private static DateTimeOffset? Time(long unixMs) => unixMs > 0 ? DateTimeOffset.FromUnixTimeMilliseconds(unixMs) : null;
}

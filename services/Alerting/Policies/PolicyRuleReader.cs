using System.Text.RegularExpressions;
using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Alerting.Policies;

/// <summary>Turns the mappings of one policy file into policies.</summary>
internal sealed partial class PolicyRuleReader(string file, YamlReport report)
{
    private readonly Dictionary<string, SeverityDefaults> severities = new(StringComparer.Ordinal);

    /// <summary>Recording rules seen.</summary>
    public int RecordingRules { get; private set; }

    public IReadOnlyList<PolicyDefinition> Read(YamlMap root)
    {
        ReadSeverities(root.Map("severities"));
        var policies = new List<PolicyDefinition>();
        var groups = new HashSet<string>(StringComparer.Ordinal);
        foreach (var group in root.Maps("groups"))
        {
            ReadGroup(group, groups, policies);
            if (policies.Count <= PolicyFileParser.MaxPolicies) continue;
            group.Error("rules", $"more than {PolicyFileParser.MaxPolicies:N0} policies in one file");
            break;
        }
        root.RefuseUnknown();
        return policies;
    }

    /// <summary>The file's own words for severities, with what holds for all policies of that word.</summary>
    private void ReadSeverities(YamlMap? map)
    {
        if (map is null) return;
        foreach (var name in map.Keys)
        {
            if (map.Map(name) is not { } severity) continue;
            var level = severity.WholeNumber("level", 1, 3);
            severities[name] = new SeverityDefaults(level ?? SeverityScale.LevelOf(name), severity.Duration("respond_within"),
                severity.Words("escalate") ?? [], severity.Words("communicate") ?? []);
            if (severities[name].Level == 0) severity.Error("level", $"is needed: '{name}' is on no known scale (Critical, P1, Sev1, Warning, P2, Sev2, Info, P3, Sev3)");
            severity.RefuseUnknown();
        }
    }

    private void ReadGroup(YamlMap group, HashSet<string> names, List<PolicyDefinition> policies)
    {
        var name = group.Required("name", "the group's name");
        if (name.Length > 0 && !names.Add(name)) group.Error("name", $"'{name}' is the name of an earlier group of this file");
        var settings = new GroupSettings(name, group.Duration("interval"), group.WholeNumber("limit", 0, int.MaxValue) ?? 0, ReadLabels(group));
        if (settings.Interval == TimeSpan.Zero) group.Error("interval", "must be longer than 0");
        if (group.Text("query_offset") is not null) group.Warn("query_offset", "has no effect: expressions are evaluated when their samples arrive");
        var seen = new Dictionary<string, int>(StringComparer.Ordinal);
        var identical = new HashSet<string>(StringComparer.Ordinal);
        foreach (var rule in group.Maps("rules"))
        {
            if (rule.Has("record")) ReadRecordingRule(rule);
            else if (ReadPolicy(rule, settings, seen) is { } policy)
            {
                if (!identical.Add($"{policy.Alert}\0{policy.Version}"))
                    rule.Warn("alert", $"'{policy.Alert}' stands in this group twice with the same expression, clocks and labels");
                policies.Add(policy);
            }
            rule.RefuseUnknown();
        }
        group.RefuseUnknown();
    }

    private void ReadRecordingRule(YamlMap rule)
    {
        var name = rule.Required("record", "the series' name");
        if (name.Length > 0 && !MetricName().IsMatch(name)) rule.Error("record", $"'{name}' is not a metric name");
        CheckExpression(rule);
        ReadLabels(rule);
        foreach (var key in new[] { "alert", "for", "keep_firing_for", "annotations" })
            if (rule.Text(key) is not null) rule.Error(key, "does not belong to a recording rule");
        RecordingRules++;
    }

    private PolicyDefinition? ReadPolicy(YamlMap rule, GroupSettings group, Dictionary<string, int> seen)
    {
        var alert = rule.Required("alert", "the alert's name (or 'record' for a recording rule)");
        var expr = CheckExpression(rule);
        var labels = new SortedDictionary<string, string>(group.Labels, StringComparer.Ordinal);
        foreach (var (name, value) in ReadLabels(rule)) labels[name] = value;
        var annotations = ReadTexts(rule, "annotations");
        var response = ReadResponse(rule, labels);
        var noData = ReadNoData(rule);
        var unlessDown = rule.Words("unless_down") ?? [];
        if (unlessDown.Count > 0) rule.Warn("unless_down", "is kept and shown, but suppresses nothing yet");
        var lasts = rule.Duration("for") ?? TimeSpan.Zero;
        var keep = rule.Duration("keep_firing_for") ?? TimeSpan.Zero;
        if (alert.Length == 0 || expr.Length == 0) return null;
        if (alert.Length > 200 || alert.Any(char.IsControl)) rule.Error("alert", "must be at most 200 characters, none of them a control character");

        var n = seen[alert] = seen.GetValueOrDefault(alert) + 1;
        return new PolicyDefinition
        {
            Key = $"{file}:{group.Name}/{alert}{(n > 1 ? $"#{n}" : "")}",
            File = file,
            Group = group.Name,
            Alert = alert,
            Line = (int)rule.Start.Line,
            Expr = expr,
            For = lasts,
            KeepFiringFor = keep,
            Interval = group.Interval,
            Limit = group.Limit,
            Labels = labels,
            Annotations = annotations,
            NoData = noData,
            Response = response,
            UnlessDown = unlessDown,
        };
    }

    private ResponsePlan ReadResponse(YamlMap rule, SortedDictionary<string, string> labels)
    {
        var severity = rule.Text("severity");
        var labelled = labels.GetValueOrDefault("severity");
        if (severity is not null && labelled is not null && labelled != severity)
            rule.Error("severity", $"is '{severity}', but the label severity says '{labelled}'");
        severity ??= labelled ?? "";
        if (severity.Length > 0) labels["severity"] = severity;
        var defaults = severities.GetValueOrDefault(severity) ?? new SeverityDefaults(SeverityScale.LevelOf(severity), null, [], []);
        return new ResponsePlan(severity, rule.WholeNumber("level", 1, 3) ?? defaults.Level, rule.Duration("respond_within") ?? defaults.RespondWithin,
            rule.Words("escalate") ?? defaults.Escalate, rule.Words("communicate") ?? defaults.Communicate,
            rule.Text("action") ?? "", rule.Text("playbook") ?? "", rule.Text("row") ?? "");
    }

    private static NoDataPolicy ReadNoData(YamlMap rule)
    {
        switch (rule.Text("no_data"))
        {
            case null or "keep":
                return NoDataPolicy.Keep;
            case "alert":
                return NoDataPolicy.Alert;
            case "ok":
                return NoDataPolicy.Ok;
            case var other:
                rule.Error("no_data", $"'{other}' must be keep, alert or ok");
                return NoDataPolicy.Keep;
        }
    }

    private static string CheckExpression(YamlMap map)
    {
        var expr = map.Required("expr", "the PromQL expression").Trim();
        if (expr.Length > 0 && ExpressionCheck.Find(expr) is { } reason) map.Error("expr", reason);
        return expr;
    }

    private SortedDictionary<string, string> ReadLabels(YamlMap map)
    {
        var labels = ReadTexts(map, "labels");
        foreach (var name in labels.Keys)
        {
            if (name is "__name__" or "alertname") report.Error(map.MarkOf("labels"), map.PathOf($"labels.{name}"), "cannot be set by a policy");
        }
        return labels;
    }

    /// <summary>Labels or annotations: names as Prometheus takes them, values that are well-formed templates.</summary>
    private SortedDictionary<string, string> ReadTexts(YamlMap map, string key)
    {
        var texts = map.Texts(key);
        if (texts.Count == 0) return texts;
        var inner = map.Map(key)!;
        foreach (var (name, value) in texts)
        {
            if (!LabelName().IsMatch(name)) inner.Error(name, $"'{name}' is not a name: letters, digits and _, not beginning with a digit");
            if (value.Length > 4_096) inner.Error(name, "is longer than 4,096 characters");
            else if (Template.Parse(value).Error is { } reason) inner.Error(name, $"is not a template: {reason}");
        }
        return texts;
    }

    [GeneratedRegex("^[a-zA-Z_][a-zA-Z0-9_]*$")]
    private static partial Regex LabelName();

    [GeneratedRegex("^[a-zA-Z_:][a-zA-Z0-9_:]*$")]
    private static partial Regex MetricName();

    private sealed record GroupSettings(string Name, TimeSpan? Interval, int Limit, SortedDictionary<string, string> Labels);

    private sealed record SeverityDefaults(int Level, TimeSpan? RespondWithin, IReadOnlyList<string> Escalate, IReadOnlyList<string> Communicate);
}

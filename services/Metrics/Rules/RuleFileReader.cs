using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults.Yaml;
using YamlDotNet.RepresentationModel;

namespace Vigil.Metrics.Rules;

/// <summary>What a file has for us.</summary>
/// <param name="File">Its name.</param>
/// <param name="Groups">Groups with at least one recording rule; none where the file is refused.</param>
/// <param name="Diagnostics">Findings, in order of place.</param>
internal sealed record RuleFile(string File, IReadOnlyList<RuleGroup> Groups, IReadOnlyList<Diagnostic> Diagnostics)
{
    public bool HasErrors => Diagnostics.Any(d => d.Level == DiagnosticLevel.Error);
}

/// <summary>
/// Reads the recording rules of a rule file (prometheus/docs/configuration/recording_rules.md). Alerts in it are passed over: they are Alerting's half, which
/// reads the same files and passes over this one. Every finding names line, key and reason.
/// </summary>
internal sealed class RuleFileReader
{
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    private readonly string file;
    private readonly TimeSpan interval;
    private readonly YamlReport report;

    private RuleFileReader(string file, TimeSpan interval) => (this.file, this.interval, report) = (file, interval, new YamlReport(file));

    /// <summary>Reads a file.</summary>
    /// <param name="file">Its name.</param>
    /// <param name="content">YAML.</param>
    /// <param name="interval">How often groups are evaluated that do not say.</param>
    public static RuleFile Read(string file, string content, TimeSpan interval)
    {
        var reader = new RuleFileReader(file, interval);
        var root = YamlFile.Load<YamlMappingNode>(content, "a mapping with the key 'groups'", reader.report);
        var groups = root is null ? [] : reader.Groups(new YamlMap(root, "", reader.report));
        return new RuleFile(file, reader.report.HasErrors ? [] : groups, reader.report.Sorted());
    }

    private List<RuleGroup> Groups(YamlMap root)
    {
        var groups = new List<RuleGroup>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var map in root.Maps("groups"))
        {
            var group = Group(map);
            if (group.Name.Length > 0 && !names.Add(group.Name)) map.Error("name", $"'{group.Name}' is the name of an earlier group of this file");
            if (group.Rules.Length > 0) groups.Add(group);
        }
        return groups;
    }

    private RuleGroup Group(YamlMap map)
    {
        var name = map.Required("name", "the group's name");
        if (name.Contains('\0', StringComparison.Ordinal)) map.Error("name", "must not contain the character 0");
        var every = map.Duration("interval") ?? interval;
        if (every < Shortest || every > Longest) map.Error("interval", "must be 1s to 1d");
        var labels = Labels(map);
        var rules = new List<RecordingRule>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var rule in map.Maps("rules"))
        {
            if (!rule.Has("record"))
            {
                if (!rule.Has("alert")) rule.Error("record", "is missing: the series' name (or 'alert' for an alert)");
                continue;
            }
            var read = Rule(rule, labels);
            if (!seen.Add(read.Identity)) rule.Error("record", $"'{read.Record}' stands in this group twice with the same labels: both would write the same series");
            rules.Add(read);
        }
        var group = new RuleGroup
        {
            File = file,
            Name = name,
            Interval = every,
            Limit = map.WholeNumber("limit", 0, int.MaxValue) ?? 0,
            QueryOffset = map.Duration("query_offset") ?? TimeSpan.Zero,
            Rules = [.. rules],
        };
        // Alerting knows more keys, and refuses what it does not know.
        if (rules.Count > 0) map.RefuseUnknown();
        return group;
    }

    private RecordingRule Rule(YamlMap map, SortedDictionary<string, string> shared)
    {
        var record = map.Required("record", "the series' name");
        // Allowed as a name, and surely a slip.
        if (record.AsSpan().ContainsAny('{', '}')) map.Error("record", $"'{record}' has braces: should it be in 'expr'?");
        else if (record.Length > 0 && !SeriesRules.IsName(record)) map.Error("record", $"'{record}' is not UTF-8");
        var expr = map.Required("expr", "the PromQL expression").Trim();
        if (expr.Length > 0)
        {
            if (!PromQlParser.TryParse(expr, out var parsed, out var error)) map.Error("expr", error.ToString());
            else if (parsed.Type is not (ExprType.Scalar or ExprType.InstantVector)) map.Error("expr", $"is a {parsed.Type.Documented()}: only a scalar or an instant vector can be recorded");
        }
        var labels = new SortedDictionary<string, string>(shared, StringComparer.Ordinal);
        foreach (var (name, value) in Labels(map)) labels[name] = value;
        foreach (var key in (string[])["alert", "for", "keep_firing_for", "annotations"])
        {
            if (map.Has(key)) map.Error(key, "does not belong to a recording rule");
            map.Touch(key);
        }
        map.RefuseUnknown();
        return new RecordingRule { Record = record, Expr = expr, Labels = LabelSet.Create(labels.Select(l => new Label(l.Key, l.Value))), Line = (int)map.Start.Line };
    }

    private SortedDictionary<string, string> Labels(YamlMap map)
    {
        var labels = map.Texts("labels");
        foreach (var name in labels.Keys)
        {
            if (name == LabelSet.NameLabel) report.Error(map.MarkOf("labels"), map.PathOf($"labels.{name}"), "is set by 'record'");
            else if (!SeriesRules.IsName(name)) report.Error(map.MarkOf("labels"), map.PathOf($"labels.{name}"), $"'{name}' is not a label name");
        }
        return labels;
    }
}

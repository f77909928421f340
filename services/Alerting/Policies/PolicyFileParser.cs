using Vigil.ServiceDefaults.Yaml;
using YamlDotNet.RepresentationModel;

namespace Vigil.Alerting.Policies;

/// <summary>What a policy file held.</summary>
/// <param name="File">Its name.</param>
/// <param name="Policies">Its policies, in order; empty when there are errors.</param>
/// <param name="RecordingRules">Recording rules that were passed over.</param>
/// <param name="Diagnostics">Findings, in order of appearance.</param>
internal sealed record ParsedPolicyFile(string File, IReadOnlyList<PolicyDefinition> Policies, int RecordingRules, IReadOnlyList<Diagnostic> Diagnostics)
{
    public bool HasErrors => Diagnostics.Any(d => d.Level == DiagnosticLevel.Error);
}

/// <summary>
/// Reads policy files: Prometheus' rule file (prometheus/docs/configuration/alerting_rules.md) with more keys. Every finding
/// names line, column, key and reason; all findings of a file are reported at once.
/// </summary>
internal static class PolicyFileParser
{
    /// <summary>Most characters of a file.</summary>
    public const int MaxLength = YamlFile.MaxLength;

    /// <summary>Most policies of a file.</summary>
    public const int MaxPolicies = 10_000;

    public static ParsedPolicyFile Parse(string file, string content)
    {
        var report = new YamlReport(file);
        var root = YamlFile.Load<YamlMappingNode>(content, "a mapping with the key 'groups'", report);
        // Empty, or refused with what the report has.
        if (root is null) return new ParsedPolicyFile(file, [], 0, report.Sorted());
        var reader = new PolicyRuleReader(file, report);
        var policies = reader.Read(new YamlMap(root, "", report));
        return new ParsedPolicyFile(file, report.HasErrors ? [] : policies, report.HasErrors ? 0 : reader.RecordingRules, report.Sorted());
    }
}

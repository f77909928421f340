using YamlDotNet.Core;
using YamlDotNet.Core.Events;
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
    public const int MaxLength = 1 << 20;

    /// <summary>Most policies of a file.</summary>
    public const int MaxPolicies = 10_000;

    /// <summary>Deepest nesting read: the format itself needs 6.</summary>
    private const int MaxDepth = 32;

    private const int MaxNodes = 500_000;

    public static ParsedPolicyFile Parse(string file, string content)
    {
        var report = new YamlReport(file);
        if (content.Length > MaxLength)
        {
            report.Error(Mark.Empty, "", $"is {content.Length:N0} characters long; the limit is {MaxLength:N0}");
            return Refused(file, report);
        }
        // Editors put a byte order mark in front; read from a file it is gone by now, sent to be checked it is not.
        if (content.StartsWith('\uFEFF')) content = content[1..];
        YamlMappingNode? root;
        try
        {
            root = Load(content, report);
        }
        catch (YamlException e)
        {
            report.Error(e.Start, "", $"is not YAML: {Plain(e)}");
            return Refused(file, report);
        }
        if (root is null) return new ParsedPolicyFile(file, [], 0, report.Diagnostics);
        var reader = new PolicyRuleReader(file, report);
        var policies = reader.Read(new YamlMap(root, "", report));
        return report.HasErrors ? Refused(file, report) : new ParsedPolicyFile(file, policies, reader.RecordingRules, Sorted(report));
    }

    /// <summary>
    /// Loads the document after a pass over its events, which bounds depth and size: the loader itself recurses, and a file of
    /// a hundred thousand brackets would end the process.
    /// </summary>
    private static YamlMappingNode? Load(string content, YamlReport report)
    {
        var parser = new Parser(new StringReader(content));
        var depth = 0;
        var nodes = 0;
        while (parser.MoveNext())
        {
            if (parser.Current is not { } current) continue;
            depth += current.NestingIncrease;
            if (depth > MaxDepth || ++nodes > MaxNodes)
            {
                report.Error(current.Start, "", depth > MaxDepth ? $"is nested deeper than {MaxDepth} levels" : $"has more than {MaxNodes:N0} nodes");
                return null;
            }
        }
        var stream = new YamlStream();
        stream.Load(new StringReader(content));
        if (stream.Documents.Count > 1) report.Error(stream.Documents[1].RootNode.Start, "", "has more than one YAML document");
        if (stream.Documents.Count == 0) return null;
        switch (stream.Documents[0].RootNode)
        {
            case YamlMappingNode mapping:
                return mapping;
            case YamlScalarNode { Value: null or "" or "~" or "null" }:
                return null;
            case var other:
                report.Error(other.Start, "", "must be a mapping with the key 'groups'");
                return null;
        }
    }

    private static string Plain(YamlException e)
    {
        // YamlDotNet puts the position in front of some messages; the diagnostic has it already.
        var message = e.InnerException is ArgumentException inner ? inner.Message : e.Message;
        var end = message.IndexOf("): ", StringComparison.Ordinal);
        return message.StartsWith('(') && end > 0 ? message[(end + 3)..] : message;
    }

    private static ParsedPolicyFile Refused(string file, YamlReport report) => new(file, [], 0, Sorted(report));

    private static List<Diagnostic> Sorted(YamlReport report) => [.. report.Diagnostics.OrderBy(d => d.Line).ThenBy(d => d.Column)];
}

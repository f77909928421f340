using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Alerting.Policies;

/// <summary>All policies of a directory, read together: it is in force as a whole or not at all.</summary>
/// <param name="Policies">By file, then in order of appearance; empty when there are errors.</param>
/// <param name="RecordingRules">Recording rules that were passed over.</param>
/// <param name="Diagnostics">Findings of all files.</param>
internal sealed record PolicySet(IReadOnlyList<PolicyDefinition> Policies, int RecordingRules, IReadOnlyList<Diagnostic> Diagnostics)
{
    public static readonly PolicySet Empty = new([], 0, []);

    public bool HasErrors => Diagnostics.Any(d => d.Level == DiagnosticLevel.Error);

    /// <summary>Reads files together.</summary>
    /// <param name="files">Name, relative to the directory, and content.</param>
    public static PolicySet Read(IEnumerable<(string Name, string Content)> files)
    {
        var policies = new List<PolicyDefinition>();
        var diagnostics = new List<Diagnostic>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        var recording = 0;
        foreach (var (name, content) in files.OrderBy(f => f.Name, StringComparer.Ordinal))
        {
            if (!names.Add(name))
            {
                diagnostics.Add(new Diagnostic(DiagnosticLevel.Error, name, 0, 0, "", "stands in the set twice"));
                continue;
            }
            var parsed = PolicyFileParser.Parse(name, content);
            policies.AddRange(parsed.Policies);
            diagnostics.AddRange(parsed.Diagnostics);
            recording += parsed.RecordingRules;
        }
        return diagnostics.Exists(d => d.Level == DiagnosticLevel.Error)
            ? new PolicySet([], recording, diagnostics)
            : new PolicySet(policies, recording, diagnostics);
    }
}

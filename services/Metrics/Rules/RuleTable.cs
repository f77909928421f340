using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Metrics.Rules;

/// <summary>The recording rules in force, as this process read them.</summary>
internal sealed class RuleTable
{
    private volatile State state = new([], [], null);

    /// <summary>In order of file, and of place in it.</summary>
    public IReadOnlyList<RuleGroup> Groups => state.Groups;

    /// <summary>What the newest reading found.</summary>
    public IReadOnlyList<Diagnostic> Diagnostics => state.Diagnostics;

    /// <summary>Some file was refused: what was in force of it before is still.</summary>
    public bool HasErrors => state.Diagnostics.Any(d => d.Level == DiagnosticLevel.Error);

    /// <summary>When the newest reading without errors was; null before it.</summary>
    public DateTimeOffset? LoadedAt => state.LoadedAt;

    /// <summary>Takes what was read.</summary>
    public void Replace(IReadOnlyList<RuleGroup> groups, IReadOnlyList<Diagnostic> diagnostics, DateTimeOffset now) =>
        state = new State(groups, diagnostics, diagnostics.Any(d => d.Level == DiagnosticLevel.Error) ? state.LoadedAt : now);

    private sealed record State(IReadOnlyList<RuleGroup> Groups, IReadOnlyList<Diagnostic> Diagnostics, DateTimeOffset? LoadedAt);
}

using Vigil.Metrics.Watch.Incremental;

namespace Vigil.Metrics.Watch.Groups;

/// <summary>A selection of a group, which expressions that read the same share.</summary>
internal sealed class GroupLeaf(int id, StandingSelection selection, string? service)
{
    public int Id { get; } = id;

    public StandingSelection Selection { get; } = selection;

    /// <summary>The only service that may have such series; null where any may.</summary>
    public string? Service { get; } = service;

    public List<GroupQuery> Queries { get; } = [];

    /// <summary>Grains that it has yet to read from.</summary>
    public HashSet<GroupSource> Missing { get; } = [];

    /// <summary>Those of them that could not be read, until they can.</summary>
    public HashSet<GroupSource> Failed { get; } = [];

    /// <summary>All grains that it follows.</summary>
    public HashSet<GroupSource> Sources { get; } = [];

    /// <summary>From when on its samples are read: the start of the window at the first moment.</summary>
    public long From { get; set; }

    /// <summary>Samples came since its expressions were queued.</summary>
    public bool Touched { get; set; }
}

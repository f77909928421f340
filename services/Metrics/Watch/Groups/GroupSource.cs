using Vigil.Metrics.Watch.Incremental;

namespace Vigil.Metrics.Watch.Groups;

/// <summary>A service grain that a group follows.</summary>
internal sealed class GroupSource(string key)
{
    public string Key { get; } = key;

    /// <summary>The windows that the samples of each of its series belong to.</summary>
    public Dictionary<int, SelectedWindow[]> Series { get; } = [];

    public HashSet<GroupLeaf> Leaves { get; } = [];

    /// <summary>Numbers of selections that it need not follow any more.</summary>
    public List<int> Removed { get; } = [];

    /// <summary>0 before its first reply.</summary>
    public long Activation { get; set; }

    /// <summary>Number of the newest batch of samples.</summary>
    public long No { get; set; }

    /// <summary>It is being asked.</summary>
    public bool Asking { get; set; }
}

using Vigil.Metrics.Grains;
using Vigil.Metrics.Watch.Incremental;

namespace Vigil.Metrics.Watch;

/// <summary>An expression of a group.</summary>
internal sealed class GroupQuery(string text)
{
    public string Text { get; } = text;

    /// <summary>Null until it is made, and where the expression is evaluated in full.</summary>
    public StandingPlan? Plan { get; set; }

    public GroupLeaf[] Leaves { get; set; } = [];

    /// <summary>It is evaluated in full, elsewhere.</summary>
    public bool InFull { get; set; }

    public StandingValue Current { get; set; } = new();

    public JudgedMoment Judged { get; set; } = JudgedMoment.None;

    /// <summary>When time may change its value, milliseconds since 1970.</summary>
    public long Due { get; set; } = long.MaxValue;

    /// <summary>When it was last evaluated, by the clock; not <see cref="JudgedMoment.Moment"/> after the clock was set back.</summary>
    public long EvaluatedAt { get; set; }

    /// <summary>When the newest of the samples since then was received, microseconds since 1970; 0 for none.</summary>
    public long Cause { get; set; }

    /// <summary>It waits to be evaluated.</summary>
    public bool Queued { get; set; }

    public List<(GroupSession Session, int Watch)> Watches { get; } = [];

    /// <summary>All that it reads is there.</summary>
    public bool IsLive
    {
        get
        {
            foreach (var leaf in Leaves)
            {
                if (leaf.Missing.Count > 0 || leaf.Failed.Count > 0) return false;
            }
            return true;
        }
    }
}

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

/// <summary>Somebody who watches expressions of a group.</summary>
internal sealed class GroupSession(string name)
{
    private readonly HashSet<int> changed = [];

    public string Name { get; } = name;

    public Dictionary<int, GroupQuery> Watches { get; } = [];

    /// <summary>Calls that wait.</summary>
    public int Waiting { get; set; }

    /// <summary>When it last asked: a timestamp, which does not notice when the wall clock is set.</summary>
    public long AskedAt { get; set; }

    public TaskCompletionSource Signal { get; private set; } = NewSignal();

    public bool HasChanges => changed.Count > 0;

    public void Changed(int watch) => changed.Add(watch);

    public void Forget(int watch) => changed.Remove(watch);

    /// <summary>Wakes the calls that wait.</summary>
    public void Wake()
    {
        if (Waiting == 0) return;
        var waiting = Signal;
        Signal = NewSignal();
        waiting.SetResult();
    }

    /// <summary>The values that it was not given yet.</summary>
    public StandingChange[] Take()
    {
        if (changed.Count == 0) return [];
        var taken = new StandingChange[changed.Count];
        var count = 0;
        foreach (var watch in changed)
        {
            var query = Watches[watch];
            taken[count++] = new StandingChange { Watch = watch, Value = query.InFull ? null : query.Current };
        }
        changed.Clear();
        return taken;
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

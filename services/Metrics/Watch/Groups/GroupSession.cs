using Vigil.Metrics.Grains;

namespace Vigil.Metrics.Watch.Groups;

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

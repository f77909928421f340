using Vigil.Metrics.Series;

namespace Vigil.Metrics.Grains;

/// <summary>A standing query that follows series of a grain.</summary>
internal sealed class Subscription(string key, LabelMatcher[][] selectors)
{
    public string Key { get; } = key;

    /// <summary>A series is followed when all matchers of one selector hold for it.</summary>
    public LabelMatcher[][] Selectors { get; } = selectors;

    /// <summary>Milliseconds since 1970.</summary>
    public long Until { get; set; }

    /// <summary>When the newest sample that it was not told of was received; 0 for none.</summary>
    public long Pending { get; set; }

    /// <summary>It is being told: what comes meanwhile is told afterwards, at once.</summary>
    public bool Telling { get; set; }
}

/// <summary>
/// Who follows which series of a grain. Each series carries the slots of its followers, so that storing a sample costs nothing
/// where nobody follows it and no matching where somebody does.
/// </summary>
internal sealed class Subscriptions(int most)
{
    private readonly Dictionary<string, int> slots = new(StringComparer.Ordinal);
    private readonly List<Subscription?> list = [];

    /// <summary>How many there are.</summary>
    public int Count => slots.Count;

    /// <summary>The subscription in a slot; null where it has ended.</summary>
    public Subscription? this[int slot] => list[slot];

    /// <summary>Renews a subscription, or makes it. False where there are too many.</summary>
    public bool Follow(string key, Func<LabelMatcher[][]> selectors, long now, long until, SeriesTable table)
    {
        if (slots.TryGetValue(key, out var slot))
        {
            list[slot]!.Until = until;
            return true;
        }
        if (slots.Count >= most) Expire(now, table);
        if (slots.Count >= most) return false;
        slot = list.IndexOf(null);
        if (slot < 0)
        {
            slot = list.Count;
            list.Add(null);
        }
        var added = new Subscription(key, selectors()) { Until = until };
        list[slot] = added;
        slots.Add(key, slot);
        var found = new List<SeriesEntry>();
        foreach (var matchers in added.Selectors) table.Find(matchers, found);
        foreach (var entry in found.Distinct()) Attach(entry, slot);
        return true;
    }

    /// <summary>The matchers of a subscription that is there; null otherwise.</summary>
    public LabelMatcher[][]? SelectorsOf(string key) => slots.TryGetValue(key, out var slot) ? list[slot]!.Selectors : null;

    /// <summary>Finds the followers of a new series.</summary>
    public void Added(SeriesEntry entry)
    {
        if (slots.Count == 0) return;
        var labels = entry.Labels;
        for (var slot = 0; slot < list.Count; slot++)
        {
            if (list[slot] is { } subscription && subscription.Selectors.Any(m => LabelMatcher.AllMatch(m, labels))) Attach(entry, slot);
        }
    }

    /// <summary>Drops those that were not renewed in time.</summary>
    public void Expire(long now, SeriesTable table)
    {
        var ended = slots.Where(s => list[s.Value]!.Until < now).ToArray();
        if (ended.Length == 0) return;
        var endedSlots = ended.Select(s => s.Value).ToHashSet();
        foreach (var entry in table.All)
        {
            if (entry.Subscribers is null || !entry.Subscribers.Any(endedSlots.Contains)) continue;
            var left = entry.Subscribers.Where(s => !endedSlots.Contains(s)).ToArray();
            entry.Subscribers = left.Length == 0 ? null : left;
        }
        foreach (var (key, slot) in ended)
        {
            slots.Remove(key);
            list[slot] = null;
        }
    }

    private static void Attach(SeriesEntry entry, int slot) => entry.Subscribers = entry.Subscribers is null ? [slot] : [.. entry.Subscribers, slot];
}

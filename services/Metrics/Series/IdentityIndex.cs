namespace Vigil.Metrics.Series;

/// <summary>
/// Series by their labels: an open hash table of series numbers, some ten bytes a series, where a dictionary that holds the labels once more takes fifty.
/// Probes linearly; removing moves the followers up, so that no gap cuts a chain.
/// </summary>
internal sealed class IdentityIndex
{
    // 0 where free; its length is a power of two.
    private int[] slots = new int[16];

    /// <summary>The series with these labels, or null.</summary>
    public SeriesEntry? Find(LabelSet labels, SeriesEntry?[] byId)
    {
        for (var at = Home(labels); slots[at] != 0; at = Next(at))
        {
            var entry = byId[slots[at]]!;
            if (entry.Labels.Equals(labels)) return entry;
        }
        return null;
    }

    /// <summary>Adds one that is not there.</summary>
    /// <param name="entry">The series; in <paramref name="byId"/> already.</param>
    /// <param name="byId">All series.</param>
    /// <param name="count">How many there are with it.</param>
    public void Add(SeriesEntry entry, SeriesEntry?[] byId, int count)
    {
        if (count > slots.Length / 4 * 3) Resize(byId);
        Put(entry);
    }

    /// <summary>Forgets one that is there, and still in <paramref name="byId"/>.</summary>
    public void Remove(SeriesEntry entry, SeriesEntry?[] byId)
    {
        var gap = Home(entry.Labels);
        while (slots[gap] != entry.Id)
        {
            if (slots[gap] == 0) return;
            gap = Next(gap);
        }
        slots[gap] = 0;
        for (var at = Next(gap); slots[at] != 0; at = Next(at))
        {
            // May this one move to the gap? Not when its home lies between the two.
            var home = Home(byId[slots[at]]!.Labels);
            if (((at - home) & (slots.Length - 1)) < ((at - gap) & (slots.Length - 1))) continue;
            (slots[gap], slots[at]) = (slots[at], 0);
            gap = at;
        }
    }

    private void Resize(SeriesEntry?[] byId)
    {
        var before = slots;
        slots = new int[before.Length * 2];
        foreach (var id in before)
        {
            if (id != 0) Put(byId[id]!);
        }
    }

    private void Put(SeriesEntry entry)
    {
        var at = Home(entry.Labels);
        while (slots[at] != 0) at = Next(at);
        slots[at] = entry.Id;
    }

    // The upper half: shards are picked by the lower bits.
    private int Home(LabelSet labels) => (int)(labels.Hash >> 32) & (slots.Length - 1);

    private int Next(int at) => (at + 1) & (slots.Length - 1);
}

namespace Vigil.Metrics.Series;

/// <summary>
/// Series by the hash of their labels: an open hash table of numbers, each with half of its hash, some fifteen bytes a series, where a dictionary that holds the labels once more
/// takes fifty. Probes linearly; removing moves the followers up, so that no gap cuts a chain.
/// </summary>
internal sealed class IdentityIndex
{
    // Half of the hash above the number; 0 where free. Its length is a power of two.
    private ulong[] slots = new ulong[16];
    private int count;

    /// <summary>The series that may be one with this hash.</summary>
    public Candidates With(ulong hash) => new(slots, Tag(hash));

    /// <summary>Adds one that is not there.</summary>
    public void Add(ulong hash, int id)
    {
        if (++count > slots.Length / 4 * 3) Resize();
        Put(((ulong)Tag(hash) << 32) | (uint)id);
    }

    /// <summary>Forgets one.</summary>
    public void Remove(ulong hash, int id)
    {
        var gap = Home(Tag(hash));
        while ((uint)slots[gap] != (uint)id)
        {
            if (slots[gap] == 0) return;
            gap = Next(gap);
        }
        count--;
        slots[gap] = 0;
        for (var at = Next(gap); slots[at] != 0; at = Next(at))
        {
            // May this one move to the gap? Not when its home lies between the two.
            var home = Home((uint)(slots[at] >> 32));
            if (((at - home) & (slots.Length - 1)) < ((at - gap) & (slots.Length - 1))) continue;
            (slots[gap], slots[at]) = (slots[at], 0);
            gap = at;
        }
    }

    private void Resize()
    {
        var before = slots;
        slots = new ulong[before.Length * 2];
        foreach (var slot in before)
        {
            if (slot != 0) Put(slot);
        }
    }

    private void Put(ulong slot)
    {
        var at = Home((uint)(slot >> 32));
        while (slots[at] != 0) at = Next(at);
        slots[at] = slot;
    }

    // The upper half: shards are picked by the lower bits.
    private static uint Tag(ulong hash) => (uint)(hash >> 32);

    private int Home(uint tag) => (int)(tag & (uint)(slots.Length - 1));

    private int Next(int at) => (at + 1) & (slots.Length - 1);

    /// <summary>Goes through a chain.</summary>
    internal ref struct Candidates(ulong[] slots, uint tag)
    {
        private int at = (int)(tag & (uint)(slots.Length - 1));

        /// <summary>False at the end.</summary>
        public bool Next(out int id)
        {
            while (slots[at] is var slot && slot != 0)
            {
                at = (at + 1) & (slots.Length - 1);
                if ((uint)(slot >> 32) != tag) continue;
                id = (int)(uint)slot;
                return true;
            }
            id = 0;
            return false;
        }
    }
}

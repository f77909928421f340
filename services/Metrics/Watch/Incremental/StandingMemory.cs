namespace Vigil.Metrics.Watch.Incremental;

/// <summary>The samples that all incremental states of this process may hold together. Safe for several threads.</summary>
/// <param name="most">How many.</param>
internal sealed class StandingMemory(long most)
{
    private long taken;

    /// <summary>Samples that there is room for, used or not, in all states.</summary>
    public long Taken => Interlocked.Read(ref taken);

    /// <summary>Takes room; false, and nothing is taken, where there is not as much.</summary>
    public bool TryTake(long samples)
    {
        if (Interlocked.Add(ref taken, samples) <= most) return true;
        Give(samples);
        return false;
    }

    /// <summary>Gives room back.</summary>
    public void Give(long samples) => Interlocked.Add(ref taken, -samples);
}

using Microsoft.Extensions.Options;

namespace Vigil.Metrics.Watch;

/// <summary>What each caller, as its token proves it, watches on all of its calls together.</summary>
internal sealed class WatchCallers(IOptions<MetricsOptions> options)
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, Entry> entries = new(StringComparer.Ordinal);

    /// <summary>A Watch call of a caller, until the result is disposed.</summary>
    public WatchCaller Enter(string caller)
    {
        lock (gate)
        {
            if (!entries.TryGetValue(caller, out var entry)) entries.Add(caller, entry = new Entry());
            entry.Calls++;
            return new WatchCaller(this, caller, entry);
        }
    }

    private bool TryAdd(Entry entry)
    {
        lock (gate)
        {
            if (entry.Watches >= options.Value.MaxWatchesPerCaller) return false;
            entry.Watches++;
            return true;
        }
    }

    private void Remove(Entry entry)
    {
        lock (gate) entry.Watches--;
    }

    private void Leave(string caller, Entry entry)
    {
        lock (gate)
        {
            if (--entry.Calls == 0) entries.Remove(caller);
        }
    }

    internal sealed class Entry
    {
        public int Calls { get; set; }

        public int Watches { get; set; }

        // Never disposed of: it makes no wait handle as it is used here, and somebody may be leaving it still.
        public SemaphoreSlim Starting { get; } = new(Math.Max(1, Environment.ProcessorCount / 2));
    }

    /// <summary>One Watch call of a caller.</summary>
    internal sealed class WatchCaller(WatchCallers callers, string caller, Entry entry) : IDisposable
    {
        /// <summary>
        /// To be held while an expression is evaluated for the first time, when nobody knows yet what it costs. Half of the processors at most,
        /// whatever one caller registers at once.
        /// </summary>
        public SemaphoreSlim Starting => entry.Starting;

        /// <summary>Takes a place for a watch; false where the caller has as many as it may.</summary>
        public bool TryAdd() => callers.TryAdd(entry);

        /// <summary>Gives a place back.</summary>
        public void Remove() => callers.Remove(entry);

        public void Dispose() => callers.Leave(caller, entry);
    }
}

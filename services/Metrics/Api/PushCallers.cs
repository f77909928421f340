using Microsoft.Extensions.Options;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>The series that each caller, as its token proves it, has declared on all of its push streams together.</summary>
internal sealed class PushCallers(IOptions<MetricsOptions> options)
{
    private readonly int most = options.Value.MaxSeriesPerCaller;
    private readonly Lock gate = new();
    private readonly Dictionary<string, Entry> entries = new(StringComparer.Ordinal);

    /// <summary>A push stream of a caller, until the result is disposed.</summary>
    /// <exception cref="RefusalException">The caller has as many series already as it may.</exception>
    public PushCaller Enter(string caller)
    {
        lock (gate)
        {
            if (!entries.TryGetValue(caller, out var entry)) entries.Add(caller, entry = new Entry());
            if (entry.Series >= most) throw new RefusalException(RefusalKind.ResourceExhausted, $"{Limit}: no further stream is opened");
            entry.Streams++;
            return new PushCaller(this, caller, entry);
        }
    }

    private string Limit => $"the caller has {most} series on its open streams, which is as many as may be (Metrics:{nameof(MetricsOptions.MaxSeriesPerCaller)})";

    private bool TryAdd(Entry entry)
    {
        lock (gate)
        {
            if (entry.Series >= most) return false;
            entry.Series++;
            return true;
        }
    }

    private void Remove(Entry entry, int series)
    {
        lock (gate) entry.Series -= series;
    }

    private void Leave(string caller, Entry entry, int series)
    {
        lock (gate)
        {
            entry.Series -= series;
            if (--entry.Streams == 0) entries.Remove(caller);
        }
    }

    internal sealed class Entry
    {
        public int Streams { get; set; }

        public int Series { get; set; }
    }

    /// <summary>One push stream of a caller. Its series are given back at its end.</summary>
    internal sealed class PushCaller(PushCallers callers, string caller, Entry entry) : IDisposable
    {
        private int series;

        /// <summary>Why <see cref="TryAdd"/> said no, as a sentence.</summary>
        public string Limit => callers.Limit;

        /// <summary>Takes a place for a series; false where the caller has as many as it may.</summary>
        public bool TryAdd()
        {
            if (!callers.TryAdd(entry)) return false;
            series++;
            return true;
        }

        /// <summary>Gives a place back.</summary>
        public void Remove()
        {
            callers.Remove(entry, 1);
            series--;
        }

        public void Dispose() => callers.Leave(caller, entry, series);
    }
}

using Microsoft.Extensions.Options;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Query;

/// <summary>
/// Lets so many queries run at once, because each holds its samples in memory and a processor while it is evaluated. Further ones wait in line for as long
/// as a query may take, and beyond the line's length are sent away.
/// </summary>
internal sealed class QueryGate(IOptions<MetricsOptions> settings, MetricsInstruments instruments) : IDisposable
{
    private readonly MetricsOptions options = settings.Value;
    private readonly SemaphoreSlim places = new(settings.Value.MaxConcurrentQueries);
    private int waiting;
    private int running;

    /// <summary>Queries in line.</summary>
    public int Waiting => Volatile.Read(ref waiting);

    /// <summary>Queries that have a place.</summary>
    public int Running => Volatile.Read(ref running);

    /// <summary>Waits for a place, which is given back when what this returns is disposed.</summary>
    /// <exception cref="RefusalException">The line is full.</exception>
    public async Task<Place> EnterAsync(CancellationToken ct)
    {
        if (!await places.WaitAsync(0, ct).ConfigureAwait(false)) await QueueAsync(ct).ConfigureAwait(false);
        Interlocked.Increment(ref running);
        instruments.QueriesRunning.Add(1);
        return new Place(this);
    }

    public void Dispose() => places.Dispose();

    private async Task QueueAsync(CancellationToken ct)
    {
        try
        {
            if (Interlocked.Increment(ref waiting) > options.MaxQueuedQueries)
            {
                throw new RefusalException(RefusalKind.Unavailable,
                    $"{options.MaxConcurrentQueries} queries are running and {options.MaxQueuedQueries} are waiting, which is as many as may be " +
                    $"(Metrics:{nameof(MetricsOptions.MaxConcurrentQueries)}, Metrics:{nameof(MetricsOptions.MaxQueuedQueries)}): try again later");
            }
            await places.WaitAsync(ct).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref waiting);
        }
    }

    private void Leave()
    {
        Interlocked.Decrement(ref running);
        instruments.QueriesRunning.Add(-1);
        places.Release();
    }

    /// <summary>A query's place.</summary>
    internal readonly struct Place(QueryGate gate) : IDisposable
    {
        public void Dispose() => gate?.Leave();
    }
}

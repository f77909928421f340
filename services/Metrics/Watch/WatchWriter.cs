using Grpc.Core;
using Vigil.Metrics.V1;

namespace Vigil.Metrics.Watch;

/// <summary>Writes the events of a Watch call, one at a time.</summary>
internal sealed class WatchWriter(IServerStreamWriter<WatchEvent> responses, CancellationToken ct) : IDisposable
{
    /// <summary>Events written before they are sent on together.</summary>
    private const int MostBuffered = 64;

    private static readonly WriteOptions Buffered = new(WriteFlags.BufferHint);

    private readonly SemaphoreSlim writing = new(1, 1);

    public void Dispose() => writing.Dispose();

    public async Task WriteAsync(WatchEvent value, CancellationToken ending)
    {
        await writing.WaitAsync(ending).ConfigureAwait(false);
        try
        {
            await responses.WriteAsync(value, ct).ConfigureAwait(false);
        }
        finally
        {
            writing.Release();
        }
    }

    /// <summary>Writes many, of which the last sends all on.</summary>
    /// <param name="collect">Says, once it is its turn, what there is to write.</param>
    /// <param name="ending">Gives up.</param>
    public async Task WriteAsync(Func<IReadOnlyList<WatchEvent>> collect, CancellationToken ending)
    {
        await writing.WaitAsync(ending).ConfigureAwait(false);
        try
        {
            var events = collect();
            for (var i = 0; i < events.Count; i++)
            {
                responses.WriteOptions = i == events.Count - 1 || i % MostBuffered == MostBuffered - 1 ? null : Buffered;
                await responses.WriteAsync(events[i], ct).ConfigureAwait(false);
            }
        }
        finally
        {
            responses.WriteOptions = null;
            writing.Release();
        }
    }

    /// <summary>Does something while nothing is written.</summary>
    public async Task BetweenAsync(Action action)
    {
        await writing.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        action();
        writing.Release();
    }
}

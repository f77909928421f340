using System.Collections.Concurrent;
using System.Diagnostics;
using System.Threading.Tasks.Sources;
using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;

namespace Vigil.Metrics.Grains;

/// <summary>
/// A row from being filled until it is applied, what became of its samples, and the reply to who sent them. Back in its grain's pool as
/// soon as that reply was taken.
/// </summary>
/// <param name="grain">Key of the grain.</param>
/// <param name="pool">Where it goes back to.</param>
internal sealed class RowUnderWay(string grain, ConcurrentQueue<RowUnderWay> pool) : IValueTaskSource<AppendReply>
{
    /// <summary>Rows kept in a pool: as many as a few busy streams have on their way.</summary>
    private const int MaxPooled = 128;

    /// <summary>Bytes of their arrays.</summary>
    private const long MaxPooledBytes = 32 * 1024 * 1024;

    private ManualResetValueTaskSourceCore<AppendReply> reply;
    private byte[] buffer = [];
    private TaskCompletionSource? applied;
    private Exception? failure;
    private bool isApplied;

    public JournalRow Row { get; } = new(grain);

    public AppendTally Tally { get; } = new();

    /// <summary>When the samples reached the service, microseconds since 1970.</summary>
    public long ReceivedUnixUs { get; set; }

    /// <summary>Where the samples came in.</summary>
    public Door Door { get; set; }

    /// <summary>See <see cref="AppendBatch.Implied"/>.</summary>
    public bool Implied { get; set; }

    /// <summary>The span of the call that brought it.</summary>
    public Activity? Trace { get; set; }

    /// <summary>What <see cref="Journal.AppendAsync"/> returned: to be awaited once.</summary>
    public ValueTask Durable { get; set; }

    /// <summary>The reply, once the row is applied: to be awaited once.</summary>
    public ValueTask<AppendReply> Reply => new(this, reply.Version);

    /// <summary>Ends once the row is applied or cannot be. Any number may await it, also after the row is in use again.</summary>
    public Task WhenApplied => isApplied ? Task.CompletedTask
        : failure is not null ? Task.FromException(failure)
        : (applied ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    /// <summary>The row's own array for its data.</summary>
    public byte[] Buffer(int length) => buffer.Length >= length ? buffer : buffer = new byte[length];

    /// <summary>Its effect is in memory now.</summary>
    public void Applied(AppendReply answer)
    {
        isApplied = true;
        applied?.SetResult();
        reply.SetResult(answer);
    }

    /// <summary>It will not be applied.</summary>
    public void Fail(Exception cause)
    {
        failure = cause;
        applied?.SetException(cause);
        reply.SetException(cause);
    }

    AppendReply IValueTaskSource<AppendReply>.GetResult(short token)
    {
        // Where it failed it is not used again: the journal may still hold it.
        var result = reply.GetResult(token);
        (applied, isApplied) = (null, false);
        (Row.Data, Trace, Durable) = (default, null, default);
        Tally.Clear();
        reply.Reset();
        var pooled = pool.Count;
        // As if all were as large as this one.
        if ((pooled + 1L) * buffer.Length > MaxPooledBytes) buffer = [];
        if (pooled < MaxPooled) pool.Enqueue(this);
        return result;
    }

    ValueTaskSourceStatus IValueTaskSource<AppendReply>.GetStatus(short token) => reply.GetStatus(token);

    void IValueTaskSource<AppendReply>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        reply.OnCompleted(continuation, state, token, flags);
}

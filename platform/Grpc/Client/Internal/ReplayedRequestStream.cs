using System.Net;

namespace Grpc.Net.Client.Internal;

/// <summary>
/// Keeps the frames it sent so that another attempt can send them again, until the call is committed: response headers came,
/// or the frames are larger than may be kept (<paramref name="overflow"/> is told).
/// </summary>
internal sealed class ReplayedRequestStream(RetryBudget budget, long? limit, Action overflow) : RequestStream
{
    private readonly Lock gate = new();
    private readonly List<byte[]?> frames = [];   // frames[i] is the call's frame number gone + i
    private TaskCompletionSource changed = New();
    private long kept;
    private int sent;
    private int dropped;
    private int gone;
    private int attempt;
    private bool complete;
    private bool committed;

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        int mine;
        lock (gate)
        {
            if (dropped > 0) throw new IOException("The connection was lost after the call had begun to send.");
            mine = ++attempt;
            sent = 0;
        }
        await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
        for (var next = 0; ;)
        {
            byte[]? frame = null;
            Task? wait = null;
            lock (gate)
            {
                if (attempt != mine) throw new OperationCanceledException("Another attempt has taken over.");
                if (next < gone + frames.Count) frame = frames[next - gone];
                else if (complete) return;
                else wait = changed.Task;
            }
            if (wait is not null)
            {
                await wait.WaitAsync(cancellationToken).ConfigureAwait(false);
                continue;
            }
            await stream.WriteAsync(frame, cancellationToken).ConfigureAwait(false);
            await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
            next++;
            lock (gate)
            {
                if (attempt != mine) continue;
                sent = next;
                DropSent();
                Pulse();
            }
        }
    }

    public override async Task WriteAsync(ReadOnlyMemory<byte> frame, bool flush, CancellationToken cancellationToken)
    {
        int index;
        var tooMuch = false;
        lock (gate)
        {
            index = gone + frames.Count;
            frames.Add(frame.ToArray());
            if (!committed && (kept + frame.Length > limit || !budget.TryKeep(frame.Length))) tooMuch = true;
            else if (!committed) kept += frame.Length;
            Pulse();
        }
        if (tooMuch)
        {
            Commit();
            overflow();
        }
        while (true)
        {
            Task wait;
            lock (gate)
            {
                if (sent > index) return;
                wait = changed.Task;
            }
            await wait.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public override void Complete()
    {
        lock (gate)
        {
            complete = true;
            Pulse();
        }
    }

    public override void Abandon()
    {
        lock (gate)
        {
            attempt++;
            sent = 0;
            Pulse();
        }
    }

    /// <summary>There will be no other attempt: what is sent need not be kept.</summary>
    public void Commit()
    {
        lock (gate)
        {
            if (committed) return;
            committed = true;
            budget.Release(kept);
            kept = 0;
            DropSent();
        }
    }

    private void DropSent()
    {
        if (!committed) return;
        for (; dropped < sent; dropped++) frames[dropped - gone] = null;
        if (dropped - gone < 256) return;
        frames.RemoveRange(0, dropped - gone);
        gone = dropped;
    }

    private void Pulse()
    {
        changed.TrySetResult();
        changed = New();
    }
}

using System.Runtime.ExceptionServices;
using Grpc.Core;
using Vigil.Metrics.V1;

namespace Vigil.Client;

/// <summary>
/// Streams samples to Vigil, each counted exactly once: what is recorded is kept until the server says that it is durable, and
/// sent again, under its first number, after a lost connection. Series that the server has forgotten, because nothing came for as long as it
/// keeps samples, are declared anew. All members are thread-safe.
/// </summary>
/// <remarks>
/// Recording costs no allocation per sample: samples go straight into the columns of the frame that is sent, and frames are used again once
/// acknowledged.
/// </remarks>
public sealed class MetricsPusher : IAsyncDisposable
{
    private readonly MetricsIngest.MetricsIngestClient client;
    private readonly MetricsPusherOptions options;
    private readonly TimeProvider time;
    /// <summary>How long <see cref="DisposeAsync"/> waits for the server to agree that the stream is over.</summary>
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);

    /// <summary>Series in one message.</summary>
    private const int MaxDeclarations = 1_000;

    private readonly CancellationTokenSource stopping = new();
    private readonly Lock gate = new();
    private readonly SeriesTable series = new();
    private readonly FrameQueue frames;
    private readonly ForgottenSeries forgotten;
    private readonly Task running;
    private TaskCompletionSource changed = NewSignal();
    private Exception? fault;
    private bool closing;
    private volatile bool connected;
    private bool disposed;
    private long recorded, accepted, refused, duplicate, reconnects, resent;

    internal MetricsPusher(MetricsIngest.MetricsIngestClient client, MetricsPusherOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        this.client = client;
        this.options = options;
        this.time = time;
        frames = new FrameQueue(options.MaxSamplesPerFrame);
        forgotten = new ForgottenSeries(frames);
        StreamId = Guid.NewGuid().ToString("N");
        running = Task.Run(RunAsync);
    }

    /// <summary>The identity under which the server remembers what it has stored of this stream.</summary>
    public string StreamId { get; }

    /// <summary>What has been done so far.</summary>
    public PusherStatistics Statistics
    {
        get
        {
            lock (gate) return new PusherStatistics(recorded, accepted, refused, duplicate, frames.Samples, reconnects, resent);
        }
    }

    /// <summary>Series that were declared. Each takes some hundred bytes until this is disposed of: the stream is told them anew on each connection.</summary>
    public int DeclaredSeries
    {
        get
        {
            lock (gate) return series.Count;
        }
    }

    /// <summary>Declares a series, once; the same name and labels give the same handle.</summary>
    /// <param name="name">Metric name: any text; beyond <c>[a-zA-Z_:][a-zA-Z0-9_:]*</c> PromQL has it in quotes.</param>
    /// <param name="labels">Its own labels; those of <see cref="MetricsPusherOptions.Labels"/> are added by the server.</param>
    /// <param name="kind">Gauge or cumulative counter.</param>
    /// <param name="unit">UCUM unit, e.g. <c>s</c>, <c>By</c>, <c>1</c>.</param>
    /// <param name="help">A sentence for people.</param>
    public SeriesHandle Declare(string name, IEnumerable<KeyValuePair<string, string>>? labels = null,
        SeriesKind kind = SeriesKind.Gauge, string unit = "", string help = "")
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        lock (gate)
        {
            var handle = series.Declare(name, labels ?? [], kind, unit, help, out var isNew);
            if (isNew) Signal();
            return handle;
        }
    }

    /// <summary>
    /// Records one sample. It leaves with the next <see cref="FlushAsync"/>, or when its frame is full. Nothing is ever dropped here:
    /// a caller that never awaits <see cref="FlushAsync"/> while the server is away only uses memory.
    /// </summary>
    /// <param name="handle">From <see cref="Declare"/> of this pusher.</param>
    /// <param name="value">Any double; NaN is stored as such.</param>
    /// <param name="at">The sample's time, kept to the millisecond; null: now.</param>
    public void Record(SeriesHandle handle, double value, DateTimeOffset? at = null)
    {
        var milliseconds = (at ?? time.GetUtcNow()).ToUnixTimeMilliseconds();
        lock (gate)
        {
            recorded++;
            if (frames.Add(handle.Id, milliseconds, value)) Signal();
        }
    }

    /// <summary>Sends what was recorded; waits while more than <see cref="MetricsPusherOptions.MaxUnacknowledgedSamples"/> are kept.</summary>
    /// <exception cref="RpcException">The server turned this stream away for good (token, malformed request).</exception>
    /// <exception cref="ObjectDisposedException">The pusher was disposed of meanwhile, or its client.</exception>
    public async Task FlushAsync(CancellationToken cancellationToken = default)
    {
        Seal();
        await WhenAsync(() => frames.Samples <= options.MaxUnacknowledgedSamples, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sends what was recorded and waits until all of it is durable on the server (or refused, which is counted).</summary>
    /// <exception cref="RpcException">The server turned this stream away for good (token, malformed request).</exception>
    /// <exception cref="ObjectDisposedException">The pusher was disposed of before all was durable, or its client.</exception>
    public async Task FlushDurableAsync(CancellationToken cancellationToken = default)
    {
        var last = Seal();
        await WhenAsync(() => frames.AcknowledgedSequence >= last && !forgotten.IsUnderWay(last), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Ends the stream. What was flushed is still sent where there is a connection, for at most two seconds; to know that it arrived await
    /// <see cref="FlushDurableAsync"/> before.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            closing = true;
            Signal();
        }
        if (Interlocked.Exchange(ref disposed, true))
        {
            // Whoever disposes of it again may rely on its end as well.
            await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return;
        }
        if (connected) await Task.WhenAny(running, Task.Delay(Farewell, time)).ConfigureAwait(false);
        await stopping.CancelAsync().ConfigureAwait(false);
        await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stopping.Dispose();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ulong Seal()
    {
        lock (gate)
        {
            frames.Seal();
            Signal();
            return frames.LastSequence;
        }
    }

    /// <summary>Wakes the sender and everyone who waits for room or for an acknowledgement. Call under the lock.</summary>
    private void Signal()
    {
        changed.TrySetResult();
        changed = NewSignal();
    }

    private async Task WhenAsync(Func<bool> holds, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task next;
            lock (gate)
            {
                // Turned away for good: whatever holds, nothing more will arrive. Disposed of: what was waited for may have come just before.
                if (fault is not null and not ObjectDisposedException) ExceptionDispatchInfo.Throw(fault);
                if (holds()) return;
                if (fault is not null) ExceptionDispatchInfo.Throw(fault);
                next = changed.Task;
            }
            await next.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task RunAsync()
    {
        try
        {
            await StreamAsync().ConfigureAwait(false);
        }
        // Whatever it was (a callback that throws, a channel disposed of): whoever waits must hear of it.
        catch (Exception e)
        {
            Fault(e);
        }
        // Nobody will acknowledge anything any more.
        Fault(new ObjectDisposedException(nameof(MetricsPusher)));
    }

    /// <summary>Fails all who wait; the first reason stays.</summary>
    private void Fault(Exception reason)
    {
        lock (gate)
        {
            fault ??= reason;
            Signal();
        }
    }

    private async Task StreamAsync()
    {
        var delay = options.ReconnectDelay;
        while (!stopping.IsCancellationRequested && !closing)
        {
            var progressed = false;
            try
            {
                await RunOnceAsync(() => progressed = connected = true).ConfigureAwait(false);
                return;
            }
            catch (Exception e) when (e is RpcException or OperationCanceledException or HttpRequestException or IOException)
            {
                if (stopping.IsCancellationRequested) return;
                if (e is RpcException rpc && IsFinal(rpc.StatusCode))
                {
                    Fault(e);
                    options.OnConnection?.Invoke(e);
                    return;
                }
                options.OnConnection?.Invoke(e);
            }
            connected = false;
            lock (gate) reconnects++;
            if (progressed) delay = options.ReconnectDelay;
            await Task.Delay(delay * (1 - (Random.Shared.NextDouble() / 2)), time, stopping.Token)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            delay = delay * 2 > options.MaxReconnectDelay ? options.MaxReconnectDelay : delay * 2;
        }
    }

    private static readonly TimeSpan StatusWait = TimeSpan.FromSeconds(1);

    /// <summary>Sending the same again would be answered the same.</summary>
    private static bool IsFinal(StatusCode code) =>
        code is StatusCode.Unauthenticated or StatusCode.PermissionDenied or StatusCode.InvalidArgument or StatusCode.Unimplemented;

    /// <summary>One connection: returns when the stream was ended from this side, throws when it broke.</summary>
    private async Task RunOnceAsync(Action onOpened)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token);
        using var call = client.Push(cancellationToken: ending.Token);
        var open = new Open { StreamId = StreamId };
        foreach (var (name, value) in options.Labels) open.Labels.Add(name, value);
        var reading = ReadAsync(call.ResponseStream, onOpened, ending.Token);
        var writing = WriteAsync(call.RequestStream, open, ending.Token);
        if (await Task.WhenAny(reading, writing).ConfigureAwait(false) == writing)
        {
            if (writing.IsCompletedSuccessfully)
            {
                // All is sent and this side is closed: the answers that are still missing, and the end, are the server's to send.
                await reading.ConfigureAwait(false);
                return;
            }
            // A write fails when the server ends the call, and the status may come a moment later: cancelled too early it would be lost.
            await Task.WhenAny(reading, Task.Delay(StatusWait, time, ending.Token)).ConfigureAwait(false);
        }
        await ending.CancelAsync().ConfigureAwait(false);
        await writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // The reader holds the call's status, which says more than a failed write.
        await reading.ConfigureAwait(false);
        throw new RpcException(new Status(StatusCode.Unavailable, "the server ended the stream"));
    }

    private async Task ReadAsync(IAsyncStreamReader<PushResponse> responses, Action onOpened, CancellationToken cancellationToken)
    {
        while (await responses.MoveNext(cancellationToken).ConfigureAwait(false))
        {
            var response = responses.Current;
            switch (response.MessageCase)
            {
                case PushResponse.MessageOneofCase.Opened:
                    onOpened();
                    options.OnConnection?.Invoke(null);
                    break;
                case PushResponse.MessageOneofCase.Ack:
                    lock (gate)
                    {
                        var again = forgotten.Acknowledge(response.Ack.Sequence);
                        resent += again;
                        accepted += response.Ack.Accepted;
                        refused += response.Ack.Refused - again;
                        duplicate += response.Ack.Duplicate;
                        frames.Acknowledge(response.Ack.Sequence);
                        Signal();
                    }
                    break;
                case PushResponse.MessageOneofCase.Refusal:
                    var r = response.Refusal;
                    lock (gate)
                    {
                        if (forgotten.TryTake(r, series.Count)) break;
                    }
                    options.OnRefused?.Invoke(new RefusedSamples(
                        r.Series.Length > 0 ? r.Series : $"series {r.SeriesId}", r.Reason.ToString(), r.Detail, r.Samples));
                    break;
                default:
                    break;
            }
        }
    }

    private async Task WriteAsync(IClientStreamWriter<PushRequest> requests, Open open, CancellationToken cancellationToken)
    {
        await requests.WriteAsync(new PushRequest { Open = open }, cancellationToken).ConfigureAwait(false);
        var declared = 0;
        ulong sent = 0;
        lock (gate) forgotten.Reconnected();
        var request = new PushRequest();
        while (true)
        {
            Declare? declare = null;
            Frame? frame = null;
            Task next;
            lock (gate)
            {
                next = changed.Task;
                if (series.Count > declared)
                {
                    declare = series.From(declared, MaxDeclarations);
                    declared += declare.Series.Count;
                }
                else if (forgotten.TakeUndeclared(MaxDeclarations) is { Count: > 0 } again)
                {
                    declare = series.Of(again);
                }
                else
                {
                    frame = frames.After(sent);
                }
            }
            if (declare is not null)
            {
                request.Declare = declare;
                await requests.WriteAsync(request, cancellationToken).ConfigureAwait(false);
            }
            else if (frame is not null)
            {
                request.Frame = frame;
                var sequence = frame.Sequence;
                try
                {
                    await requests.WriteAsync(request, cancellationToken).ConfigureAwait(false);
                }
                finally
                {
                    // An acknowledged frame is used again only once its writing is over.
                    lock (gate) frames.Written(frame);
                }
                sent = sequence;
            }
            else if (closing)
            {
                await requests.CompleteAsync().ConfigureAwait(false);
                return;
            }
            else
            {
                await next.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }
}

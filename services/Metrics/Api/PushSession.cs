using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Grpc.Core;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Series;
using Vigil.Metrics.V1;
using Vigil.ServiceDefaults;
using Refusal = Vigil.Metrics.V1.Refusal;

namespace Vigil.Metrics.Api;

/// <summary>
/// One push stream. Two loops: one reads messages and hands each frame's samples to the grains without waiting for them;
/// the other waits for the grains in order and acknowledges. Between them lie at most
/// <see cref="MetricsOptions.MaxFramesInFlight"/> frames: when the disk or the caller is slow the first loop stops reading, and
/// gRPC's flow control stops the caller.
/// </summary>
internal sealed class PushSession(
    string streamId, IReadOnlyDictionary<string, string> labels, PushSeries series, SeriesRouter router, SampleColumnsPool pool, MetricsOptions options, TimeProvider clock, MetricsInstruments instruments)
{
    private readonly Channel<Answer> answers = Channel.CreateBounded<Answer>(new BoundedChannelOptions(options.MaxFramesInFlight) { SingleReader = true, SingleWriter = true });

    // Handed from the loop that answers back to the one that reads: as many as there ever were frames in flight.
    private readonly ConcurrentQueue<Answer> spareAnswers = new();

    // Written one after the other, and serialized before the write returns.
    private readonly PushResponse acknowledgement = new() { Ack = new Ack() };
    private ulong expected;

    /// <summary>Frames acknowledged.</summary>
    public long Acknowledged { get; private set; }

    /// <summary>Runs until the caller closes its side, the call is cancelled or the service stops; what was read is acknowledged first.</summary>
    /// <param name="requests">The caller's messages after the first.</param>
    /// <param name="responses">The way back.</param>
    /// <param name="stopping">The service stops: read no more.</param>
    /// <param name="ct">The call is over.</param>
    /// <exception cref="RefusalException">The caller broke the rules of the contract, or samples could not be stored.</exception>
    public async Task RunAsync(IAsyncStreamReader<PushMessage> requests, IServerStreamWriter<PushResponse> responses, CancellationToken stopping, CancellationToken ct)
    {
        await responses.WriteAsync(new PushResponse
        {
            Opened = new Opened
            {
                MaxSeries = (uint)options.MaxSeriesPerStream,
                MaxSamplesPerFrame = (uint)options.MaxSamplesPerFrame,
                MaxFramesInFlight = (uint)options.MaxFramesInFlight,
            },
        }, ct).ConfigureAwait(false);
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(stopping, ct);
        var answering = AnswerAsync(responses, reading, ct);
        try
        {
            while (await requests.MoveNext(reading.Token).ConfigureAwait(false)) await TakeAsync(requests.Current, reading.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (reading.IsCancellationRequested && !ct.IsCancellationRequested && IsCancellation(e))
        {
            // Either the service stops, said below, or acknowledging failed, which is thrown by the other loop.
        }
        finally
        {
            answers.Writer.Complete();
            await answering.ConfigureAwait(false);
        }
        if (stopping.IsCancellationRequested) throw new RefusalException(RefusalKind.Unavailable, "the service is stopping: open the stream again elsewhere or later and resend what is not acknowledged");
    }

    private static bool IsCancellation(Exception e) => e is OperationCanceledException or RpcException { StatusCode: StatusCode.Cancelled };

    private async Task TakeAsync(PushMessage message, CancellationToken ct)
    {
        series.DropForgotten();
        switch (message)
        {
            case { Declare: { } declare }:
                var refusals = await series.DeclareAsync(declare, labels).ConfigureAwait(false);
                foreach (var (reason, count) in refusals.Counts) instruments.Refuse(Door.Push, reason.ToCause(), count);
                if (!refusals.IsEmpty) await answers.Writer.WriteAsync(new Answer { Refusals = refusals }, ct).ConfigureAwait(false);
                break;
            case { Frame: { } frame }:
                await answers.Writer.WriteAsync(Begin(frame), ct).ConfigureAwait(false);
                break;
            case { Open: not null }:
                throw Invalid("open", "the stream is open already");
            default:
                throw Invalid("message", "one of declare and frame is needed");
        }
    }

    /// <summary>Checks a frame, takes it apart by grain, gives its columns back, and starts storing.</summary>
    private Answer Begin(FrameColumns frame)
    {
        try
        {
            return Store(frame);
        }
        finally
        {
            frame.Return();
        }
    }

    private Answer Store(FrameColumns frame)
    {
        var samples = frame.SeriesIds.Count;
        if (frame.Sequence == 0) throw Invalid("frame.sequence", "sequence numbers count from 1");
        if (expected != 0 && frame.Sequence != expected) throw Invalid("frame.sequence", $"{frame.Sequence} came where {expected} was expected");
        if (frame.Values.Count != samples) throw Invalid("frame.values", $"{frame.Values.Count} values for {samples} series_ids");
        if (frame.TimeOffsetsMs.Count != 0 && frame.TimeOffsetsMs.Count != samples) throw Invalid("frame.time_offsets_ms", $"{frame.TimeOffsetsMs.Count} offsets for {samples} series_ids; none or one each");
        expected = frame.Sequence + 1;
        var answer = spareAnswers.TryDequeue(out var spare) ? spare : new Answer();
        (answer.Sequence, answer.Samples) = (frame.Sequence, samples);
        if (samples > options.MaxSamplesPerFrame)
        {
            instruments.Refuse(Door.Push, RefusalCause.FrameTooLarge, samples);
            answer.Refusals = new RefusalList(frame.Sequence);
            answer.Refusals.Add(0, "", RefusalReason.FrameTooLarge, $"frame.values: {samples} samples; at most {options.MaxSamplesPerFrame} in a frame (Metrics:{nameof(MetricsOptions.MaxSamplesPerFrame)})", (uint)samples);
            return answer;
        }
        answer.Refusals = Sort(frame, samples);
        var now = clock.GetUtcNow();
        var received = now.ToUnixTimeMilliseconds() * 1000 + now.Microsecond;
        foreach (var target in series.Targets)
        {
            if (target.Columns is not { } columns) continue;
            target.Columns = null;
            var batch = new AppendBatch
            {
                StreamId = streamId,
                Sequence = frame.Sequence,
                Previous = target.LastSequence,
                Count = columns.Count,
                Series = columns.Series,
                Times = columns.Times,
                Values = columns.Values,
                ReceivedUnixUs = received,
            };
            target.LastSequence = frame.Sequence;
            answer.Parts.Add(new Part(target, columns, batch, target.Grain.AppendAsync(batch)));
        }
        return answer;
    }

    /// <summary>Puts the samples into their grains' columns; returns what is refused, or null.</summary>
    private RefusalList? Sort(FrameColumns frame, int samples)
    {
        Dictionary<uint, uint>? undeclared = null;
        var numbers = frame.SeriesIds.Values;
        var offsets = frame.TimeOffsetsMs.Values;
        var values = frame.Values.Values;
        for (var i = 0; i < samples; i++)
        {
            if (!series.TryFind(numbers[i], out var found))
            {
                undeclared ??= [];
                undeclared[numbers[i]] = undeclared.GetValueOrDefault(numbers[i]) + 1;
                continue;
            }
            var time = offsets.IsEmpty ? frame.BaseTimeUnixMs : unchecked(frame.BaseTimeUnixMs + offsets[i]);
            (found.Target.Columns ??= pool.Rent(samples)).Add(found.Id, time, values[i]);
        }
        if (undeclared is null) return null;
        var refusals = new RefusalList(frame.Sequence);
        instruments.Refuse(Door.Push, RefusalCause.UndeclaredSeries, undeclared.Values.Sum(n => n));
        foreach (var (number, refused) in undeclared) refusals.Add(number, "", RefusalReason.UndeclaredSeries, $"number {number} is not declared on this stream", refused);
        return refusals;
    }

    private async Task AnswerAsync(IServerStreamWriter<PushResponse> responses, CancellationTokenSource reading, CancellationToken ct)
    {
        try
        {
            // Not cancelled: the reading loop ends with the call, and completes the channel.
            while (await answers.Reader.WaitToReadAsync(CancellationToken.None).ConfigureAwait(false))
            {
                while (answers.Reader.TryRead(out var answer)) await AnswerAsync(answer, responses, ct).ConfigureAwait(false);
            }
        }
        catch
        {
            // Nothing that is read from now on could be acknowledged in order.
            await reading.CancelAsync().ConfigureAwait(false);
            while (answers.Reader.TryRead(out var dropped)) await ObserveAsync(dropped).ConfigureAwait(false);
            throw;
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask AnswerAsync(Answer answer, IServerStreamWriter<PushResponse> responses, CancellationToken ct)
    {
        uint accepted = 0, duplicate = 0;
        for (var i = 0; i < answer.Parts.Count; i++)
        {
            var (target, columns, batch, stored) = answer.Parts[i];
            // A value task is awaited once: what is left in the list is not.
            answer.Parts[i] = default;
            var reply = await router.StoredAsync(target.Key, batch, stored).ConfigureAwait(false);
            pool.Return(columns);
            accepted += (uint)reply.Accepted;
            duplicate += (uint)reply.Duplicates;
            foreach (var refused in reply.Refused) Describe(target, refused, answer.Refusals ??= new RefusalList(answer.Sequence));
        }
        foreach (var refusal in answer.Refusals?.AsEnumerable() ?? []) await responses.WriteAsync(new PushResponse { Refusal = refusal }, ct).ConfigureAwait(false);
        if (answer.Sequence == 0) return;
        Acknowledged++;
        var ack = acknowledgement.Ack;
        (ack.Sequence, ack.Accepted, ack.Duplicate, ack.Refused) = (answer.Sequence, accepted, duplicate, (uint)answer.Samples - accepted - duplicate);
        answer.Clear();
        spareAnswers.Enqueue(answer);
        await responses.WriteAsync(acknowledgement, ct).ConfigureAwait(false);
    }

    private void Describe(PushTarget target, RefusedSamples refused, RefusalList refusals)
    {
        var known = target.ById.GetValueOrDefault(refused.Series);
        if (known is not null && refused.Cause == RefusalCause.UndeclaredSeries) series.Forget(known);
        refusals.Add(known?.Number ?? 0, known?.Labels.ToString() ?? "", refused.Cause.ToReason(), refused.Cause.Describe(options), (uint)refused.Samples);
    }

    // The call ends with the first failure; those of the frames behind it have the same cause and must only not go unobserved.
    private static async Task ObserveAsync(Answer answer)
    {
        foreach (var part in answer.Parts)
        {
            if (part.Target is not null) await ((Task)part.Stored.AsTask()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static RefusalException Invalid(string field, string description) => ServiceDefaults.Refusal.Invalid(field, description).ToException();

    /// <summary>What is to be said about a frame, once its parts are stored. Sequence 0: about a declaration.</summary>
    private sealed class Answer
    {
        public ulong Sequence { get; set; }

        public int Samples { get; set; }

        /// <summary>Null where nothing is refused.</summary>
        public RefusalList? Refusals { get; set; }

        public List<Part> Parts { get; } = [];

        public void Clear()
        {
            (Sequence, Samples, Refusals) = (0, 0, null);
            Parts.Clear();
        }
    }

    private readonly record struct Part(PushTarget Target, SampleColumns Columns, AppendBatch Batch, ValueTask<AppendReply> Stored);
}

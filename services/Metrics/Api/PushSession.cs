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
    string streamId, IReadOnlyDictionary<string, string> labels, PushSeries series, SeriesRouter router, MetricsOptions options, TimeProvider clock, MetricsInstruments instruments)
{
    private readonly Channel<Answer> answers = Channel.CreateBounded<Answer>(new BoundedChannelOptions(options.MaxFramesInFlight) { SingleReader = true, SingleWriter = true });
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
                foreach (var (reason, count) in refusals.Counts) instruments.Refuse(reason.ToCause(), count);
                if (!refusals.IsEmpty) await answers.Writer.WriteAsync(new Answer(0, 0, refusals, []), ct).ConfigureAwait(false);
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
        if (samples > options.MaxSamplesPerFrame)
        {
            instruments.Refuse(RefusalCause.FrameTooLarge, samples);
            var tooLarge = new RefusalList(frame.Sequence);
            tooLarge.Add(0, "", RefusalReason.FrameTooLarge, $"frame.values: {samples} samples; at most {options.MaxSamplesPerFrame} in a frame (Metrics:{nameof(MetricsOptions.MaxSamplesPerFrame)})", (uint)samples);
            return new Answer(frame.Sequence, samples, tooLarge, []);
        }
        var refusals = Sort(frame, samples);
        var now = clock.GetUtcNow();
        var received = now.ToUnixTimeMilliseconds() * 1000 + now.Microsecond;
        var parts = new List<Part>();
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
            parts.Add(new Part(target, columns, router.AppendAsync(target.Grain, batch)));
        }
        return new Answer(frame.Sequence, samples, refusals, parts);
    }

    private RefusalList Sort(FrameColumns frame, int samples)
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
            (found.Target.Columns ??= new SampleColumns(samples)).Add(found.Id, time, values[i]);
        }
        var refusals = new RefusalList(frame.Sequence);
        if (undeclared is null) return refusals;
        instruments.Refuse(RefusalCause.UndeclaredSeries, undeclared.Values.Sum(n => n));
        foreach (var (number, refused) in undeclared) refusals.Add(number, "", RefusalReason.UndeclaredSeries, $"number {number} is not declared on this stream", refused);
        return refusals;
    }

    private async Task AnswerAsync(IServerStreamWriter<PushResponse> responses, CancellationTokenSource reading, CancellationToken ct)
    {
        try
        {
            await foreach (var answer in answers.Reader.ReadAllAsync(ct).ConfigureAwait(false)) await AnswerAsync(answer, responses, ct).ConfigureAwait(false);
        }
        catch
        {
            // Nothing that is read from now on could be acknowledged in order.
            await reading.CancelAsync().ConfigureAwait(false);
            while (answers.Reader.TryRead(out var dropped)) await ObserveAsync(dropped).ConfigureAwait(false);
            throw;
        }
    }

    private async Task AnswerAsync(Answer answer, IServerStreamWriter<PushResponse> responses, CancellationToken ct)
    {
        uint accepted = 0, duplicate = 0;
        foreach (var (target, columns, stored) in answer.Parts)
        {
            var reply = await stored.ConfigureAwait(false);
            columns.Return();
            accepted += (uint)reply.Accepted;
            duplicate += (uint)reply.Duplicates;
            foreach (var refused in reply.Refused) Describe(target, refused, answer.Refusals);
        }
        foreach (var refusal in answer.Refusals) await responses.WriteAsync(new PushResponse { Refusal = refusal }, ct).ConfigureAwait(false);
        if (answer.Sequence == 0) return;
        Acknowledged++;
        await responses.WriteAsync(new PushResponse
        {
            Ack = new Ack { Sequence = answer.Sequence, Accepted = accepted, Duplicate = duplicate, Refused = (uint)answer.Samples - accepted - duplicate },
        }, ct).ConfigureAwait(false);
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
        foreach (var part in answer.Parts) await ((Task)part.Stored).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static RefusalException Invalid(string field, string description) => ServiceDefaults.Refusal.Invalid(field, description).ToException();

    /// <summary>What is to be said about a frame, once its parts are stored. Sequence 0: about a declaration.</summary>
    private sealed record Answer(ulong Sequence, int Samples, RefusalList Refusals, List<Part> Parts);

    private readonly record struct Part(PushTarget Target, SampleColumns Columns, Task<AppendReply> Stored);
}

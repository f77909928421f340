using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using Grpc.Core;
using Grpc.Core.Internal;
using Grpc.Net.Compression;

namespace Grpc.Net.Client.Internal;

/// <summary>
/// One call as HTTP sees it: deadline, cancellation, headers, trailers, and the one status that it ends with. It knows no message
/// types. The first status wins, whoever finds it: the server, the deadline, the caller.
/// </summary>
internal sealed partial class HttpCall : IDisposable
{
    public static readonly Func<object, Task<Metadata>> GetHeaders = state => ((HttpCall)state).ReadHeadersAsync();
    public static readonly Func<object, Status> GetStatus = state => ((HttpCall)state).Status;
    public static readonly Func<object, Metadata> GetTrailers = state => ((HttpCall)state).Trailers;
    public static readonly Action<object> Disposal = state => ((HttpCall)state).Dispose();

    private static readonly ActivitySource Activities = new("Grpc.Net.Client");
    private static readonly Outcome Success = new(Status.DefaultSuccess);

    private readonly GrpcChannel channel;
    private readonly MethodTarget target;
    private readonly CallOptions options;
    private readonly CallParts parts;
    private bool tokenGivenAway;
    private Task<HttpResponseMessage>? sent;
    private HttpResponseMessage? response;
    private Outcome? outcome;
    private Metadata? trailers;
    private Activity? activity;
    private ITimer? deadlineTimer;
    private CancellationTokenRegistration callerToken;
    private int finished;

    /// <summary>Neighbours in the channel's list of running calls, kept here so that a call costs no node.</summary>
    internal HttpCall? Previous, Next;

    public HttpCall(GrpcChannel channel, MethodTarget target, in CallOptions options)
    {
        this.channel = channel;
        this.target = target;
        this.options = options;
        if (options.Deadline is { Kind: not DateTimeKind.Utc } deadline && deadline != DateTime.MaxValue && deadline != DateTime.MinValue)
            throw new InvalidOperationException("Deadline must have a kind DateTimeKind.Utc or be equal to DateTime.MaxValue or DateTime.MinValue.");
        parts = channel.Add(this);
    }

    private sealed record Outcome(Status Status);

    public GrpcChannel Channel => channel;

    /// <summary>How the requests are packed; null for plain.</summary>
    /// <exception cref="InvalidOperationException">The caller asks for an encoding that the channel does not have.</exception>
    private ICompressionProvider? RequestCompression => options.Headers?.GetValue(GrpcProtocol.InternalEncodingRequest) is { } name and not GrpcProtocol.Identity
        ? channel.CompressionFor(name) ?? throw new InvalidOperationException($"Could not find compression provider for '{name}'.")
        : null;

    /// <summary>Puts a message into <paramref name="frame"/>.</summary>
    /// <exception cref="RpcException">The message is larger than may be sent, or cannot be serialized.</exception>
    public void Serialize<T>(Marshaller<T> marshaller, T message, WriteOptions? write, FrameBuffer frame)
    {
        try
        {
            var compression = write?.Flags.HasFlag(WriteFlags.NoCompress) == true ? null : RequestCompression;
            FrameSerializer.Write(message, marshaller.ContextualSerializer, frame, channel.MaxSendMessageSize, compression, CompressionLevel.Fastest, inOnePiece: true);
        }
        catch (Exception e) when (e is not RpcException)
        {
            throw new RpcException(new Status(StatusCode.Internal, $"Failed to serialize the request. {e.Message}", e));
        }
    }

    public CallOptions Options => options;

    public CallParts Parts => parts;

    private CancellationTokenSource Cts => parts.Source;

    /// <summary>Ends with the call: by its deadline, its caller, or (where the request is a stream) when its response is complete.</summary>
    public CancellationToken Token => Cts.Token;

    public bool HasEnded => outcome is not null;

    public Status Status => outcome?.Status ?? throw new InvalidOperationException("Unable to get the status because the call is not complete.");

    public Metadata Trailers
    {
        get
        {
            if (outcome is null) throw new InvalidOperationException("Can't get the call trailers because the call has not completed successfully.");
            return trailers ??= ReadTrailers();
        }
    }

    private Metadata ReadTrailers()
    {
        if (response is null) return Metadata.Empty;
        // A response without a body carries its trailers as headers.
        var only = response.Headers.NonValidated.Contains(GrpcProtocol.Status);
        return MetadataHeaders.Read(only ? response.Headers : response.TrailingHeaders, channel.Logger);
    }

    private async Task<Metadata> ReadHeadersAsync()
    {
        HttpResponseMessage answer;
        try
        {
            answer = await sent!.ConfigureAwait(false);
        }
        catch (Exception e)
        {
            throw Fail(Starting, e);
        }
        var headers = MetadataHeaders.Read(answer.Headers, channel.Logger);
        if (retry is { Attempt: > 1 }) headers.Add(GrpcProtocol.PreviousAttempts, (retry.Attempt - 1).ToString(CultureInfo.InvariantCulture));
        return headers;
    }

    private void Arm()
    {
        if (options.Deadline is { } deadline && deadline != DateTime.MaxValue)
        {
            var left = Left(deadline);
            if (left <= TimeSpan.Zero) Cancel(PastDeadline);
            else deadlineTimer = channel.Time.CreateTimer(static state => ((HttpCall)state!).OnDeadline(), this, Due(left), Timeout.InfiniteTimeSpan);
        }
        if (options.CancellationToken.CanBeCanceled)
            callerToken = options.CancellationToken.UnsafeRegister(static state => ((HttpCall)state!).CancelByCaller(), this);
    }

    private static Status PastDeadline => new(StatusCode.DeadlineExceeded, "The deadline has passed.");

    private TimeSpan Left(DateTime deadline) => deadline - channel.Time.GetUtcNow().UtcDateTime;

    /// <summary>A timer takes at most about 49 days; for a later deadline it is armed again when it fires.</summary>
    private static TimeSpan Due(TimeSpan left) => left < TimeSpan.FromDays(49) ? left : TimeSpan.FromDays(49);

    private void OnDeadline()
    {
        var left = Left(options.Deadline!.Value);
        if (left > TimeSpan.Zero) deadlineTimer?.Change(Due(left), Timeout.InfiniteTimeSpan);
        else Cancel(PastDeadline);
    }

    public void CancelByCaller() => Cancel(new Status(StatusCode.Cancelled, "Call canceled by the client."));

    /// <summary>Ends the call if it still runs.</summary>
    public void Dispose() => Cancel(new Status(StatusCode.Cancelled, "gRPC call disposed."));

    private void Cancel(Status why)
    {
        if (TryEnd(new Outcome(why))) Stop();
    }

    private bool TryEnd(Outcome with) => Interlocked.CompareExchange(ref outcome, with, null) is null;

    /// <summary>The server has said how the call ended.</summary>
    public void Complete(Status status)
    {
        TryEnd(status.StatusCode == StatusCode.OK ? Success : new Outcome(status));
        Finish();
    }

    /// <summary>The call broke; returns what to throw. The server sees a reset stream.</summary>
    public Exception Fail(string doing, Exception error)
    {
        if (outcome is null)
        {
            var status = error switch
            {
                RpcException rpc => rpc.Status,
                OperationCanceledException => new Status(StatusCode.Cancelled, "Call canceled by the client.", error),
                _ => StatusMapping.FromException(doing, error),
            };
            // A server that keeps the same deadline may reset the stream a moment before this side's timer fires.
            if (status.StatusCode == StatusCode.Cancelled && options.Deadline is { } deadline && Left(deadline) <= TimeSpan.Zero) status = PastDeadline;
            TryEnd(new Outcome(status));
        }
        if (!ReferenceEquals(outcome, Success)) Stop();
        return error is RpcException known && known.StatusCode == Status.StatusCode ? known : ToException();
    }

    /// <summary>The request cannot be sent: the call ends before it began.</summary>
    public void Refuse(RpcException why)
    {
        var error = Fail(Starting, why);
        sent = Task.FromException<HttpResponseMessage>(error);
        _ = sent.Exception;   // seen: only who asks for the headers awaits it
    }

    /// <summary>The exception for a call that ended without success.</summary>
    public Exception ToException()
    {
        var status = Status;
        if (channel.ThrowOperationCanceledOnCancellation
            && (status.StatusCode == StatusCode.DeadlineExceeded || (status.StatusCode == StatusCode.Cancelled && Cts.IsCancellationRequested)))
        {
            return new OperationCanceledException(status.Detail, status.DebugException,
                options.CancellationToken.IsCancellationRequested ? options.CancellationToken : Cts.Token);
        }
        return new RpcException(status, Trailers);
    }

    private void Stop()
    {
        Cts.Cancel();
        // The token ends a request that has no response yet; after that only the response's disposal resets the stream.
        Volatile.Read(ref response)?.Dispose();
        Finish();
    }

    private void Finish()
    {
        if (Interlocked.Exchange(ref finished, 1) != 0) return;
        deadlineTimer?.Dispose();
        callerToken.Unregister();
        // Only the server's success leaves a source that nobody has used or will: no other end is possible any more.
        var reusable = ReferenceEquals(outcome, Success) && requestStream is null && !tokenGivenAway && parts.TryReset(channel);
        channel.Remove(this, reusable ? parts : null);
        var status = Status;
        if (requestStream is not null)
        {
            // Whoever still writes learns that the call is over.
            Cts.Cancel();
            requestStream.Abandon();
            (requestStream as ReplayedRequestStream)?.Commit();
        }
        if (retry is not null && status.StatusCode == StatusCode.OK) channel.RetryBudget.Succeeded();
        if (activity is not null) StopActivity(status.StatusCode);
        if (status.StatusCode != StatusCode.OK) ClientLog.CallFailed(channel.Logger, target.FullName, status.StatusCode, status.Detail, status.DebugException);
    }

    private void StopActivity(StatusCode code)
    {
        activity!.SetTag("grpc.status_code", ((int)code).ToString(CultureInfo.InvariantCulture));
        // The end may come on any thread, in the middle of someone else's activity: that one stays current there.
        var current = Activity.Current;
        activity.Stop();
        if (current != activity) Activity.Current = current;
    }
}

using Grpc.Core;

namespace Grpc.Net.Client.Internal;

/// <summary>The caller's end of a request stream: one write at a time, none after the end.</summary>
/// <remarks><paramref name="response"/> is the call's only response, where it has one: it knows why the call ended.</remarks>
internal sealed class RequestWriter<TRequest>(HttpCall call, Marshaller<TRequest> marshaller, RequestStream stream, Task? response) : IClientStreamWriter<TRequest>
{
    private const int Idle = 0, Writing = 1, Completed = 2;

    private readonly FrameBuffer frame = new();
    private int state;

    public WriteOptions? WriteOptions { get; set; }

    public Task WriteAsync(TRequest message) => WriteAsync(message, CancellationToken.None);

    public async Task WriteAsync(TRequest message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        switch (Interlocked.CompareExchange(ref state, Writing, Idle))
        {
            case Writing: throw new InvalidOperationException("Can't write the message because the previous write is in progress.");
            case Completed: throw new InvalidOperationException("Request stream has already been completed.");
        }
        try
        {
            if (call.HasEnded) throw call.ToException();
            using var stop = cancellationToken.CanBeCanceled && cancellationToken != call.Options.CancellationToken
                ? cancellationToken.UnsafeRegister(static call => ((HttpCall)call!).CancelByCaller(), call)
                : default;
            var options = WriteOptions ?? call.Options.WriteOptions;
            var flush = options?.Flags.HasFlag(WriteFlags.BufferHint) != true;
            call.Serialize(marshaller, message, options, frame);
            await stream.WriteAsync(frame.Written, flush, call.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not RpcException || !call.HasEnded)
        {
            throw await ExplainAsync(e).ConfigureAwait(false);
        }
        finally
        {
            frame.Release();
            Interlocked.CompareExchange(ref state, Idle, Writing);
        }
    }

    /// <summary>A broken write only says that the stream is gone; the response, if one is being read, says why.</summary>
    private async Task<Exception> ExplainAsync(Exception error)
    {
        // A message that could not be written at all leaves the stream as it was: it is for the caller to end the call.
        if (error is RpcException) return error;
        if (response is not null) await response.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (call.HasEnded) return call.ToException();
        // The status is for whoever reads the responses to find: it may lie there already, and a write that failed must not take its place.
        return new RpcException(error is OperationCanceledException
            ? new Status(StatusCode.Unavailable, "Error writing the message. The server takes no more.", error)
            : StatusMapping.FromException("Error writing the message.", error));
    }

    public Task CompleteAsync()
    {
        switch (Interlocked.CompareExchange(ref state, Completed, Idle))
        {
            case Writing: return Task.FromException(new InvalidOperationException("Can't complete the client stream writer because the previous write is in progress."));
            case Idle: stream.Complete(); break;
        }
        return Task.CompletedTask;
    }
}

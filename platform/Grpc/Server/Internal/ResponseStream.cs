using Grpc.Core;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>The responses of a streaming call, as the handler writes them. A write completes once the transport has room for the next.</summary>
internal sealed class ResponseStream<T>(ServerCall call, Action<T, SerializationContext> serializer) : IServerStreamWriter<T> where T : class
{
    private readonly CancellationToken aborted = call.Http.RequestAborted;
    private bool completed;
    private bool writing;

    public WriteOptions? WriteOptions
    {
        get => call.WriteOptions;
        set => call.WriteOptions = value;
    }

    public Task WriteAsync(T message) => WriteAsync(message, CancellationToken.None);

    public Task WriteAsync(T message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (cancellationToken.IsCancellationRequested) return Task.FromCanceled(cancellationToken);
        if (aborted.IsCancellationRequested) return Task.FromCanceled(aborted);
        lock (call.Gate)
        {
            if (completed) return Task.FromException(new InvalidOperationException("Can't write the message because the request is complete."));
            if (call.Expired) return Task.FromException(new OperationCanceledException("The deadline has passed.", call.CancellationToken));
            if (writing) return Task.FromException(new InvalidOperationException("Can't write the message because the previous write is in progress."));
            writing = true;
        }
        ValueTask write;
        try
        {
            write = call.WriteAsync(message, serializer, cancellationToken);
        }
        catch (Exception exception)
        {
            // Too large, not serializable, or too late: nothing was written, and the stream can go on.
            writing = false;
            return Task.FromException(exception);
        }
        if (!write.IsCompletedSuccessfully) return AwaitAsync(write);
        write.GetAwaiter().GetResult();
        writing = false;
        return aborted.IsCancellationRequested ? Task.FromCanceled(aborted) : Task.CompletedTask;
    }

    /// <summary>After the handler returned: nothing may be written any more.</summary>
    public void Complete()
    {
        lock (call.Gate) completed = true;
    }

    private async Task AwaitAsync(ValueTask write)
    {
        try
        {
            await write.ConfigureAwait(false);
        }
        finally
        {
            writing = false;
        }
        aborted.ThrowIfCancellationRequested();
    }
}

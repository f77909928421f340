using System.Net;

namespace Grpc.Net.Client.Internal;

/// <summary>The body of a call whose request is a stream of messages.</summary>
internal abstract class RequestStream : HttpContent
{
    protected RequestStream() => Headers.TryAddWithoutValidation("content-type", "application/grpc");

    /// <summary>Sends one frame; done once the peer's flow control has let it go.</summary>
    public abstract Task WriteAsync(ReadOnlyMemory<byte> frame, bool flush, CancellationToken cancellationToken);

    /// <summary>No more frames follow.</summary>
    public abstract void Complete();

    /// <summary>The attempt that the body belonged to is over: whoever waits in it is let go.</summary>
    public abstract void Abandon();

    protected sealed override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    protected sealed override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected abstract override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken);
}

/// <summary>Frames go straight to the connection; nothing is kept.</summary>
internal sealed class DirectRequestStream : RequestStream
{
    private readonly Lock gate = new();
    private readonly TaskCompletionSource opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource completed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private volatile Task flushed = Task.CompletedTask;
    private Stream? current;   // stays what it is once a message was written
    private volatile bool began;

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        // The server must see the call before its first message.
        await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
        lock (gate)
        {
            // The handler moves a call that the server would not take (too many at once, or it is stopping) to another connection; what was
            // written to the first is gone.
            if (began) throw new IOException("The connection was lost after the call had begun to send.");
            current = stream;
        }
        opened.TrySetResult();
        try
        {
            await completed.Task.ConfigureAwait(false);
        }
        finally
        {
            // A flush that failed has failed the call by other ways too.
            await flushed.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public override async Task WriteAsync(ReadOnlyMemory<byte> frame, bool flush, CancellationToken cancellationToken)
    {
        await opened.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (!began) lock (gate) began = true;
        var stream = current!;
        await flushed.ConfigureAwait(false);
        await stream.WriteAsync(frame, cancellationToken).ConfigureAwait(false);
        // Flow control has let the message go; that the connection also sends it now need not be waited for. The next message, which
        // the caller makes meanwhile, queues behind it.
        if (flush) flushed = stream.FlushAsync(cancellationToken);
    }

    public override void Complete() => completed.TrySetResult();

    public override void Abandon() => completed.TrySetCanceled();
}

using System.Net;
using Grpc.Core;

namespace Grpc.Net.Client.Internal;

/// <summary>
/// A large request of one message. It is serialized at the start of its call, kept until the connection has taken it, and serialized anew
/// for each further attempt: a large message must not change while its call runs.
/// </summary>
internal sealed class UnaryContent<TRequest> : HttpContent
{
    /// <summary>Up to here a frame is kept in an array of its own for as long as the call runs: less work than to rent one and give it back.</summary>
    private const int Small = 4096;

    [ThreadStatic]
    private static FrameBuffer? scratch;

    private readonly HttpCall call;
    private readonly Marshaller<TRequest> marshaller;
    private readonly TRequest message;
    private FrameBuffer? first;

    private UnaryContent(HttpCall call, Marshaller<TRequest> marshaller, TRequest message, FrameBuffer first)
    {
        this.call = call;
        this.marshaller = marshaller;
        this.message = message;
        this.first = first;
        Headers.TryAddWithoutValidation("content-type", "application/grpc");
    }

    /// <summary>The body for a message.</summary>
    /// <exception cref="RpcException">The message is larger than may be sent, or cannot be serialized.</exception>
    public static HttpContent Create(HttpCall call, Marshaller<TRequest> marshaller, TRequest message)
    {
        // Serialization is synchronous, so one buffer per thread is enough; a marshaller that itself makes a call finds none.
        var frame = scratch ?? new FrameBuffer();
        scratch = null;
        try
        {
            call.Serialize(marshaller, message, call.Options.WriteOptions, frame);
        }
        catch (RpcException)
        {
            frame.Release();
            throw;
        }
        if (frame.Written.Length > Small) return new UnaryContent<TRequest>(call, marshaller, message, frame);
        var small = call.Parts.ContentWith(frame.Written.Span);
        frame.Clear();
        scratch = frame;
        return small;
    }

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        var frame = Interlocked.Exchange(ref first, null);
        if (frame is null) call.Serialize(marshaller, message, call.Options.WriteOptions, frame = new FrameBuffer());
        try
        {
            await stream.WriteAsync(frame.Written, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            frame.Release();
        }
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}

/// <summary>
/// A small request of one message, the same bytes for every attempt. The handler takes an array's content to be written before the
/// response is awaited, which costs less than waiting for both; it fits any window that flow control leaves open at the start.
/// </summary>
internal sealed class SmallContent : ByteArrayContent
{
    private byte[] frame = [];
    private int length;

    // The array is kept here: the base class is only what the handler knows such contents by.
    public SmallContent() : base([]) => Headers.TryAddWithoutValidation("content-type", "application/grpc");

    /// <summary>What is sent from now on: a copy of <paramref name="bytes"/>.</summary>
    public void Set(ReadOnlySpan<byte> bytes)
    {
        if (frame.Length < bytes.Length) frame = new byte[bytes.Length];
        bytes.CopyTo(frame);
        length = bytes.Length;
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
        stream.WriteAsync(frame.AsMemory(0, length), cancellationToken).AsTask();

    // Frames say their own length: a content-length would be one more header.
    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}

using System.Net;
using System.Net.Http.Headers;
using Grpc.Core;

namespace Grpc.Net.Client.Internal;

/// <summary>
/// A request of one message. It is serialized when the connection takes it, and again for each further attempt: so nothing is
/// kept, and a message must not change while its call runs.
/// </summary>
internal sealed class UnaryContent<TRequest> : HttpContent
{
    private readonly HttpCall call;
    private readonly Marshaller<TRequest> marshaller;
    private readonly TRequest message;

    public UnaryContent(HttpCall call, Marshaller<TRequest> marshaller, TRequest message)
    {
        this.call = call;
        this.marshaller = marshaller;
        this.message = message;
        Headers.TryAddWithoutValidation("content-type", "application/grpc");
    }

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        var frame = new FrameBuffer();
        try
        {
            call.Serialize(marshaller, message, call.Options.WriteOptions, frame);
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

using Grpc.Core.Internal;

namespace Grpc.Net.Client.Internal;

/// <summary>
/// What every call needs of HTTP, and a later call can use again when the server said that this one went well: nothing of it is in use
/// by then.
/// </summary>
internal sealed class CallParts
{
    private HttpRequestMessage? request;
    private SmallContent? content;

    public CancellationTokenSource Source { get; } = new();

    /// <summary>A body with a copy of the frame.</summary>
    public SmallContent ContentWith(ReadOnlySpan<byte> frame)
    {
        content ??= new SmallContent();
        content.Set(frame);
        return content;
    }

    /// <summary>The request of a call's only attempt, with the headers that each has.</summary>
    public HttpRequestMessage RequestFor(GrpcChannel channel, MethodTarget target, HttpContent body)
    {
        request ??= CreateRequest(channel, target);
        request.RequestUri = target.Address;
        request.Content = body;
        return request;
    }

    /// <summary>A request with the headers that each has.</summary>
    public static HttpRequestMessage CreateRequest(GrpcChannel channel, MethodTarget target)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, target.Address) { Version = channel.HttpVersion, VersionPolicy = channel.HttpVersionPolicy };
        request.Headers.TryAddWithoutValidation("user-agent", UserAgent);
        request.Headers.TryAddWithoutValidation("te", "trailers");
        request.Headers.TryAddWithoutValidation(GrpcProtocol.AcceptEncoding, channel.AcceptEncoding);
        return request;
    }

    private static readonly string UserAgent = $"grpc-dotnet-vigil/{Core.VersionInfo.CurrentVersion}";

    private const int CommonHeaders = 3;

    /// <summary>Makes ready for another call; false where the parts cannot serve one.</summary>
    public bool TryReset(GrpcChannel channel)
    {
        // What this call alone had, be it metadata, a deadline or the trace it belonged to, is not for the next.
        if (request is not null && (!channel.ReusesRequests || request.Headers.NonValidated.Count != CommonHeaders)) request = null;
        if (!channel.ReusesRequests) content = null;
        if (request is not null) request.Content = null;
        return Source.TryReset();
    }
}

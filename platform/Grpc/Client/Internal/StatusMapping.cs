using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Grpc.Core;
using Grpc.Core.Internal;

namespace Grpc.Net.Client.Internal;

/// <summary>Where a status comes from: trailers, the HTTP status, an HTTP/2 error code, or a failure of the connection.</summary>
internal static class StatusMapping
{
    /// <summary>The status in headers or trailers; null where there is none.</summary>
    public static Status? FromHeaders(System.Net.Http.Headers.HttpHeaders headers)
    {
        var raw = headers.NonValidated;
        if (!raw.TryGetValues(GrpcProtocol.Status, out var code)) return null;
        var text = code.ToString();
        if (text == "0") return Status.DefaultSuccess;
        var message = raw.TryGetValues(GrpcProtocol.Message, out var encoded) ? GrpcProtocol.DecodeMessage(encoded.ToString()) : "";
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            return new Status(StatusCode.Unknown, $"The server sent a status that is no number: '{text}'. {message}");
        // A code that this version does not know is UNKNOWN to the caller (gRPC: statuscodes.md).
        return number <= (int)StatusCode.Unauthenticated
            ? new Status((StatusCode)number, message)
            : new Status(StatusCode.Unknown, $"Unknown status {number}. {message}");
    }

    /// <summary>Why a response cannot be a gRPC answer (gRPC: http-grpc-status-mapping.md); null where it can.</summary>
    public static Status? FromResponse(HttpResponseMessage response)
    {
        if (FromHeaders(response.Headers) is { } status) return status;
        if (response.Version < HttpVersion.Version20)
            return new Status(StatusCode.Internal, $"Bad gRPC response. The protocol was downgraded to HTTP/{response.Version}.");
        if (response.StatusCode != HttpStatusCode.OK)
            return new Status(FromHttp((int)response.StatusCode), $"Bad gRPC response. HTTP status code: {(int)response.StatusCode}");
        if (!response.Content.Headers.NonValidated.TryGetValues("content-type", out var type))
            return new Status(StatusCode.Cancelled, "Bad gRPC response. The response has no content-type.");
        var media = type.ToString();
        return GrpcProtocol.IsGrpcContentType(media) ? null : new Status(StatusCode.Cancelled, $"Bad gRPC response. Invalid content-type: {media}");
    }

    private static StatusCode FromHttp(int code) => code switch
    {
        400 or 431 => StatusCode.Internal,
        401 => StatusCode.Unauthenticated,
        403 => StatusCode.PermissionDenied,
        404 => StatusCode.Unimplemented,
        429 or 502 or 503 or 504 => StatusCode.Unavailable,
        _ => StatusCode.Unknown,
    };

    public static Status FromException(string doing, Exception error)
    {
        StatusCode? code = null;
        var broken = false;
        var detail = new StringBuilder(doing);
        for (Exception? e = error; e is not null; e = e.InnerException)
        {
            detail.Append(' ').Append(e.GetType().Name).Append(": ").Append(e.Message);
            if (e is HttpProtocolException protocol) code = IsConnectionLost(protocol) ? StatusCode.Unavailable : FromHttp2(protocol.ErrorCode);
            else if (e is SocketException or IOException) broken = true;
            else if (e is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError }) broken = true;
        }
        return new Status(code ?? (broken ? StatusCode.Unavailable : StatusCode.Internal), detail.ToString(), error);
    }

    /// <summary>
    /// The call's end is the connection's, and no fault of either: a keep-alive ping was left unanswered (gRPC: A8-client-side-keepalive.md; .NET calls
    /// that a protocol error), or the server closed with GOAWAY, as Kestrel does with INTERNAL_ERROR to what runs past its shutdown's deadline. .NET
    /// tells these from the reset of a single stream in its text alone, which is not translated.
    /// </summary>
    private static bool IsConnectionLost(HttpProtocolException error) =>
        error.Message.Contains("ping", StringComparison.Ordinal)
        || (error.ErrorCode is 0x0 or 0x2 && error.Message.Contains("closed the connection", StringComparison.Ordinal));

    /// <summary>The code of RST_STREAM or GOAWAY (gRPC: PROTOCOL-HTTP2.md, "Errors").</summary>
    private static StatusCode FromHttp2(long code) => code switch
    {
        0x7 => StatusCode.Unavailable,         // REFUSED_STREAM
        0x8 => StatusCode.Cancelled,           // CANCEL
        0xb => StatusCode.ResourceExhausted,   // ENHANCE_YOUR_CALM
        0xc => StatusCode.PermissionDenied,    // INADEQUATE_SECURITY
        _ => StatusCode.Internal,
    };

    /// <summary>The call never left this machine: a wait-for-ready call may try again without harm.</summary>
    public static bool IsUnreachable(HttpRequestException error) =>
        error.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError;
}

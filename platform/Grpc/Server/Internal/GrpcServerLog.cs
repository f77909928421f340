using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Grpc.AspNetCore.Server.Internal;

internal static partial class GrpcServerLog
{
    [LoggerMessage(1, LogLevel.Information, "Request content-type of '{ContentType}' is not supported.", EventName = "UnsupportedRequestContentType")]
    public static partial void UnsupportedContentType(ILogger logger, string? contentType);

    [LoggerMessage(2, LogLevel.Information, "Request protocol of '{Protocol}' is not supported.", EventName = "UnsupportedRequestProtocol")]
    public static partial void UnsupportedProtocol(ILogger logger, string protocol);

    [LoggerMessage(3, LogLevel.Error, "Error when executing service method '{Method}'.", EventName = "ErrorExecutingServiceMethod")]
    public static partial void HandlerFailed(ILogger logger, string method, Exception exception);

    [LoggerMessage(4, LogLevel.Information, "Service method '{Method}' ended with {Status}: {Detail}", EventName = "RpcConnectionError")]
    public static partial void CallRefused(ILogger logger, string method, StatusCode status, string detail, Exception? exception);

    [LoggerMessage(5, LogLevel.Information, "Service method '{Method}' canceled.", EventName = "ServiceMethodCanceled")]
    public static partial void CallCancelled(ILogger logger, string method, Exception exception);

    [LoggerMessage(6, LogLevel.Debug, "Request of '{Method}' exceeded its deadline of {Timeout}.", EventName = "DeadlineExceeded")]
    public static partial void DeadlineExceeded(ILogger logger, string method, TimeSpan timeout);

    [LoggerMessage(7, LogLevel.Debug, "Invalid grpc-timeout header value '{Timeout}' has been ignored.", EventName = "InvalidTimeoutIgnored")]
    public static partial void InvalidTimeout(ILogger logger, string timeout);

    [LoggerMessage(8, LogLevel.Error, "Answering a call of '{Method}' after its deadline failed.", EventName = "DeadlineCancellationError")]
    public static partial void DeadlineAnswerFailed(ILogger logger, string method, Exception exception);

    [LoggerMessage(9, LogLevel.Information, "'{Path}' is unimplemented.", EventName = "ServiceUnimplemented")]
    public static partial void Unimplemented(ILogger logger, string path);

    [LoggerMessage(10, LogLevel.Debug, "Reading a message of '{Method}' failed: {Detail}", EventName = "ErrorReadingMessage")]
    public static partial void MessageRefused(ILogger logger, string method, string detail, Exception? exception);

    [LoggerMessage(11, LogLevel.Error, "Trailer '{Key}' of '{Method}' cannot be sent.", EventName = "InvalidTrailer")]
    public static partial void InvalidTrailer(ILogger logger, string method, string key);

    [LoggerMessage(12, LogLevel.Debug, "'{Method}' threw after its call had ended.", EventName = "LateError")]
    public static partial void LateError(ILogger logger, string method, Exception exception);
}

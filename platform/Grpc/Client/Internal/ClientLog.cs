using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Grpc.Net.Client.Internal;

internal static partial class ClientLog
{
    [LoggerMessage(1, LogLevel.Debug, "Call of {Method} failed: {Code} {Detail}")]
    public static partial void CallFailed(ILogger logger, string method, StatusCode code, string detail, Exception? error);

    [LoggerMessage(2, LogLevel.Debug, "Attempt {Attempt} of {Method} failed with {Code}; the next follows in {DelayMs} ms")]
    public static partial void Retrying(ILogger logger, string method, int attempt, StatusCode code, double delayMs);

    [LoggerMessage(3, LogLevel.Debug, "{Method} waits for a connection: {Reason}")]
    public static partial void WaitingForConnection(ILogger logger, string method, string reason);

    [LoggerMessage(4, LogLevel.Warning, "The credentials of a call of {Method} were not sent: the channel has no TLS")]
    public static partial void CredentialsNotSent(ILogger logger, string method);

    [LoggerMessage(5, LogLevel.Debug, "The peer sent metadata '{Name}' that is not valid; it is left out")]
    public static partial void InvalidMetadata(ILogger logger, string name);

    [LoggerMessage(6, LogLevel.Debug, "{Method} is no longer retried: what it sent is larger than may be kept")]
    public static partial void RetryBufferExceeded(ILogger logger, string method);

    [LoggerMessage(7, LogLevel.Debug, "The path of the address {Address} is not used for calls")]
    public static partial void PathIgnored(ILogger logger, Uri address);
}

using System.Diagnostics;
using System.Diagnostics.Metrics;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Orleans.Storage;

namespace Vigil.ServiceDefaults;

/// <summary>
/// Turns what was thrown into what the caller is told, for both edges: refusals as they are, the known failures of our own
/// machinery by kind, and everything else as an internal error whose id leads to the log.
/// </summary>
internal sealed partial class Failures
{
    private readonly Counter<long> refused;
    private readonly Counter<long> failed;
    private readonly ILogger<Failures> log;

    public Failures(IMeterFactory meters, ILogger<Failures> log)
    {
        var meter = meters.Create(ServiceDefaultsExtensions.MeterName);
        refused = meter.CreateCounter<long>("vigil.refusals", "{request}", "Requests refused, by reason.");
        failed = meter.CreateCounter<long>("vigil.unexpected_errors", "{request}", "Requests that failed unexpectedly; the log has each under its id.");
        this.log = log;
    }

    /// <summary>Classifies, counts and, where it was unexpected, logs.</summary>
    /// <param name="exception">What was thrown.</param>
    /// <param name="where">The method or path, for the log.</param>
    public EdgeError Handle(Exception exception, string where)
    {
        if (Known(exception) is { } refusal)
        {
            var error = EdgeError.From(refusal);
            refused.Add(1, new TagList { { "reason", error.Reason } });
            if (exception is StorageException or TimeoutException) LogFailed(where, exception);
            return error;
        }
        failed.Add(1);
        // The trace's id where there is one: then the log line, the trace and what the caller saw share it.
        var id = Activity.Current is { } activity ? activity.TraceId.ToHexString() : ActivityTraceId.CreateRandom().ToHexString();
        LogUnexpected(where, id, exception);
        return new EdgeError(StatusCode.Internal, 500, "internal", $"an unexpected error; the log has it under {id}", [], id);
    }

    private static Refusal? Known(Exception exception) => exception switch
    {
        RefusalException e => e.Refusal,
        TimeoutException => new Refusal(RefusalKind.Timeout, "it took too long"),
        InconsistentStateException => new Refusal(RefusalKind.Conflict, "somebody else changed it at the same time: read it again and retry"),
        OperationCanceledException => new Refusal(RefusalKind.Unavailable, "the service is stopping, or gave up: try again"),
        LimitExceededException => new Refusal(RefusalKind.ResourceExhausted, "too many calls wait for the same thing: try again later"),
        StorageException => new Refusal(RefusalKind.Unavailable, "the storage cannot be used at the moment"),
        _ => null,
    };

    [LoggerMessage(1, LogLevel.Error, "{Where} failed unexpectedly, id {Id}", EventName = "UnexpectedError")]
    private partial void LogUnexpected(string where, string id, Exception exception);

    [LoggerMessage(2, LogLevel.Warning, "{Where} failed", EventName = "RequestFailed")]
    private partial void LogFailed(string where, Exception exception);
}

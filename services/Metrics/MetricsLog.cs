namespace Vigil.Metrics;

/// <summary>The service's log lines.</summary>
internal static partial class MetricsLog
{
    [LoggerMessage(1, LogLevel.Error, "A group of {Rows} journal rows could not be written; their senders are told to send again", EventName = "JournalFailed")]
    public static partial void JournalFailed(ILogger logger, int rows, Exception cause);

    [LoggerMessage(2, LogLevel.Information, "{Grain} restored: {Series} series, {Streams} streams, {JournalBytes} bytes of journal replayed", EventName = "ServiceRestored")]
    public static partial void ServiceRestored(ILogger logger, string grain, int series, int streams, long journalBytes);

    [LoggerMessage(3, LogLevel.Error, "The checkpoint of {Grain} failed; its journal stays and is tried again later", EventName = "CheckpointFailed")]
    public static partial void CheckpointFailed(ILogger logger, string grain, Exception cause);

    [LoggerMessage(10, LogLevel.Error, "{Grain} could not store a row; it starts again from the database", EventName = "ServiceBroken")]
    public static partial void ServiceBroken(ILogger logger, string grain, Exception cause);

    [LoggerMessage(12, LogLevel.Error, "{What} cannot be had from the database; callers are told to try again", EventName = "StorageFailed")]
    public static partial void StorageFailed(ILogger logger, string what, Exception cause);

    [LoggerMessage(4, LogLevel.Debug, "Checkpoint of {Grain}: {Series} series written, journal trimmed through row {Row}", EventName = "CheckpointWritten")]
    public static partial void CheckpointWritten(ILogger logger, string grain, int series, long row);

    [LoggerMessage(5, LogLevel.Warning, "{Subscriber} could not be told of changes in {Grain}; it will ask again by itself", EventName = "NotifyFailed")]
    public static partial void NotifyFailed(ILogger logger, string grain, string subscriber, Exception cause);

    [LoggerMessage(6, LogLevel.Information, "Push stream {Stream} opened by {Actor}", EventName = "PushOpened")]
    public static partial void PushOpened(ILogger logger, string stream, string actor);

    [LoggerMessage(7, LogLevel.Information, "Push stream {Stream} ended after {Frames} frames: {Reason}", EventName = "PushEnded")]
    public static partial void PushEnded(ILogger logger, string stream, long frames, string reason);

    [LoggerMessage(8, LogLevel.Warning, "Standing query {Expression} failed: {Reason}", EventName = "StandingQueryFailed")]
    public static partial void StandingQueryFailed(ILogger logger, string expression, string reason);

    [LoggerMessage(11, LogLevel.Warning, "Standing query {Expression} could not read its inputs", EventName = "StandingQueryBroken")]
    public static partial void StandingQueryBroken(ILogger logger, string expression, Exception cause);

    [LoggerMessage(9, LogLevel.Warning, "Watching {Expression} was interrupted; it is taken up again", EventName = "WatchInterrupted")]
    public static partial void WatchInterrupted(ILogger logger, string expression, Exception cause);
}

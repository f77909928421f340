using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Metrics;

/// <summary>The service's log lines.</summary>
internal static partial class MetricsLog
{
    [LoggerMessage(1, LogLevel.Error, "A group of {Rows} journal rows could not be written; their senders are told to send again", EventName = "JournalFailed")]
    public static partial void JournalFailed(ILogger logger, int rows, Exception cause);

    [LoggerMessage(40, LogLevel.Error, "The time to stop was over before the journal was written; {Rows} rows were waiting, whose senders have no acknowledgement", EventName = "JournalStoppedEarly")]
    public static partial void JournalStoppedEarly(ILogger logger, int rows);

    [LoggerMessage(2, LogLevel.Information, "{Grain} restored: {Series} series, {Streams} streams, {JournalBytes} bytes of journal replayed", EventName = "ServiceRestored")]
    public static partial void ServiceRestored(ILogger logger, string grain, int series, int streams, long journalBytes);

    [LoggerMessage(30, LogLevel.Information, "Memory given back: the managed heap had {Before} MB of the system's and has {After} MB; it took {Milliseconds:0} ms", EventName = "MemoryGivenBack")]
    public static partial void MemoryGivenBack(ILogger logger, long before, long after, double milliseconds);

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

    [LoggerMessage(20, LogLevel.Warning, "Slow query ({Kind}): {Seconds:0.000} s, of which {Queued:0.000} s in line, {Samples} samples, by {Caller}: {Expression}", EventName = "SlowQuery")]
    public static partial void SlowQuery(ILogger logger, string kind, double seconds, double queued, long samples, string caller, string expression);

    [LoggerMessage(21, LogLevel.Warning, "Rule {Rule} of group {Group}: {Reason}", EventName = "RuleFailed")]
    public static partial void RuleFailed(ILogger logger, string group, string rule, string reason);

    [LoggerMessage(22, LogLevel.Error, "Rule {Rule} of group {Group} could not be evaluated", EventName = "RuleBroken")]
    public static partial void RuleBroken(ILogger logger, string group, string rule, Exception cause);

    [LoggerMessage(23, LogLevel.Error, "{Finding}; what was in force of the file before stays", EventName = "RuleFileRefused")]
    public static partial void RuleFileRefused(ILogger logger, Diagnostic finding);

    [LoggerMessage(24, LogLevel.Warning, "{Finding}", EventName = "RuleFileDoubted")]
    public static partial void RuleFileDoubted(ILogger logger, Diagnostic finding);

    [LoggerMessage(25, LogLevel.Information, "{Rules} recording rules in {Groups} groups are in force, from {Directory}", EventName = "RulesLoaded")]
    public static partial void RulesLoaded(ILogger logger, int rules, int groups, string directory);

    [LoggerMessage(26, LogLevel.Error, "The recording rules could not be brought into force; it is tried again", EventName = "RulesNotApplied")]
    public static partial void RulesNotApplied(ILogger logger, Exception cause);

    [LoggerMessage(13, LogLevel.Warning, "The samples that {Expression} and others read cannot be had from {Grain}: {Reason}", EventName = "StandingSourceFailed")]
    public static partial void StandingSourceFailed(ILogger logger, string expression, string grain, string reason, Exception? cause);

    [LoggerMessage(14, LogLevel.Warning, "{Expression} is evaluated in full: {Reason}", EventName = "StandingQueryInFull")]
    public static partial void StandingQueryInFull(ILogger logger, string expression, string reason);

    [LoggerMessage(31, LogLevel.Error, "Row {Page} of metric_rollups, of grain {Grain}, is damaged: what is finer is read in its place", EventName = "RollupPageDamaged")]
    public static partial void RollupPageDamaged(ILogger logger, long page, long grain, Exception cause);

    [LoggerMessage(32, LogLevel.Error, "Samples of {Grain} cannot be rolled up any further; they are read one by one instead", EventName = "RollUpStopped")]
    public static partial void RollUpStopped(ILogger logger, string grain, Exception cause);

    [LoggerMessage(33, LogLevel.Error, "What is more than may be kept could not be deleted; it is tried again", EventName = "RetentionFailed")]
    public static partial void RetentionFailed(ILogger logger, Exception cause);
}

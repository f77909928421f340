using Microsoft.Extensions.Logging;

namespace Orleans.Runtime;

internal static partial class SiloLog
{
    [LoggerMessage(1, LogLevel.Error, "Work posted by grain {GrainId} failed where nobody awaits it")]
    public static partial void PostedWorkFailed(this ILogger log, Exception failure, GrainId grainId);

    [LoggerMessage(2, LogLevel.Error, "Grain {GrainId} could not be activated; the calls that waited for it fail")]
    public static partial void ActivationFailed(this ILogger log, Exception failure, GrainId grainId);

    [LoggerMessage(3, LogLevel.Error, "Grain {GrainId} failed while it was deactivated; it is gone all the same")]
    public static partial void DeactivationFailed(this ILogger log, Exception failure, GrainId grainId);

    [LoggerMessage(4, LogLevel.Error, "A timer of grain {GrainId} failed; it ticks on")]
    public static partial void TimerFailed(this ILogger log, Exception failure, GrainId grainId);

    [LoggerMessage(5, LogLevel.Warning, "The one-way call {Method} to grain {GrainId} failed")]
    public static partial void OneWayFailed(this ILogger log, Exception failure, GrainId grainId, string method);

    [LoggerMessage(6, LogLevel.Information, "Silo started")]
    public static partial void Started(this ILogger log);

    [LoggerMessage(7, LogLevel.Information, "Silo stopped; {Count} activations were deactivated")]
    public static partial void Stopped(this ILogger log, int count);

    [LoggerMessage(8, LogLevel.Error, "Silo stopped before {Count} activations were deactivated, among them {Activations}")]
    public static partial void StoppedEarly(this ILogger log, int count, string activations);

    [LoggerMessage(10, LogLevel.Warning, "Grain {GrainId} has {Calls} calls running and waiting, more than the soft limit of {Limit}")]
    public static partial void ManyCalls(this ILogger log, GrainId grainId, int calls, int limit);

    [LoggerMessage(9, LogLevel.Error, "Reminder {Name} of grain {GrainId} could not be delivered; it is tried again at its next time")]
    public static partial void ReminderFailed(this ILogger log, Exception failure, string name, GrainId grainId);
}

namespace Vigil.Metrics.Rollups;

/// <summary>How fine stored samples are. The numbers are those in the database.</summary>
internal enum Resolution
{
    /// <summary>The samples themselves.</summary>
    Raw = 0,

    Minute = 1,

    Hour = 2,

    Day = 3,
}

/// <summary>The periods of a resolution: aligned to UTC, each without its first moment and with its last one, as Prometheus' ranges are.</summary>
internal static class Resolutions
{
    /// <summary>Those that are rolled up, the coarsest first.</summary>
    public static readonly IReadOnlyList<Resolution> RolledUp = [Resolution.Day, Resolution.Hour, Resolution.Minute];

    /// <summary>The length of a period in milliseconds; 1 for the samples themselves.</summary>
    public static long PeriodMs(this Resolution resolution) => resolution switch
    {
        Resolution.Minute => 60_000,
        Resolution.Hour => 3_600_000,
        Resolution.Day => 86_400_000,
        _ => 1,
    };

    /// <summary>The last moment of the period that a moment is in, milliseconds since 1970.</summary>
    public static long EndOf(long time, long periodMs)
    {
        var into = time % periodMs;
        if (into < 0) into += periodMs;
        return into == 0 ? time : time - into + periodMs;
    }
}

namespace Vigil.Metrics.PromQL;

/// <summary>What the moments at which counters began to count tell: a reset that the values do not show, and a value of zero before the first sample.</summary>
internal static class StartTimes
{
    /// <summary>Whether the counter was reset before a sample. Without start times it was not.</summary>
    public static bool IsReset(ReadOnlySpan<long> starts, ReadOnlySpan<long> times, int at) =>
        at < starts.Length && IsReset(starts[at - 1], times[at - 1], starts[at], times[at]);

    /// <summary>Whether a counter was reset between two samples. 0 is no start time, nor is one that is not before its sample.</summary>
    public static bool IsReset(long previousStart, long previousTime, long start, long time)
    {
        if (start == 0 || start >= time || start < previousTime) return false;
        if (start > previousTime) return true;
        // It began at the sample before: a row of differences, if that one's start is known; else only a start that is not known.
        return previousStart != 0 && previousStart < previousTime;
    }

    /// <summary>A sample claims to have begun to count before the one before it was taken, at another moment than that one.</summary>
    public static bool Overlaps(ReadOnlySpan<long> starts, ReadOnlySpan<long> times, int at) =>
        at < starts.Length && starts[at] != 0 && starts[at] < times[at - 1] && starts[at] != starts[at - 1];

    /// <summary>When the first counter of a window was zero, if that was within the window; else null.</summary>
    public static long? OfZero(ReadOnlySpan<long> starts, ReadOnlySpan<long> times, long windowStart) =>
        !starts.IsEmpty && starts[0] != 0 && starts[0] > windowStart && starts[0] < times[0] ? starts[0] : null;
}

using Vigil.Metrics.Series;

namespace Vigil.Metrics.Rules;

/// <summary>
/// When a group is evaluated: at moments that are its interval apart and that its name alone decides, so that it keeps to them over restarts and groups of
/// the same interval do not all come at once (prometheus/rules/group.go, EvalTimestamp).
/// </summary>
/// <param name="Interval">How far apart.</param>
/// <param name="Offset">The first one after 1970.</param>
internal readonly record struct RuleSchedule(TimeSpan Interval, TimeSpan Offset)
{
    /// <summary>The schedule of a group.</summary>
    public static RuleSchedule Of(RuleGroup group) =>
        new(group.Interval, TimeSpan.FromTicks((long)(LabelSet.Of("group", group.Key).Hash % (ulong)group.Interval.Ticks) / TimeSpan.TicksPerMillisecond * TimeSpan.TicksPerMillisecond));

    /// <summary>The newest moment that is not after <paramref name="now"/>.</summary>
    public DateTimeOffset Slot(DateTimeOffset now)
    {
        var ticks = (now - DateTimeOffset.UnixEpoch - Offset).Ticks;
        return DateTimeOffset.UnixEpoch + Offset + TimeSpan.FromTicks(ticks - ((ticks % Interval.Ticks) + Interval.Ticks) % Interval.Ticks);
    }

    /// <summary>The first moment after <paramref name="now"/>.</summary>
    public DateTimeOffset Next(DateTimeOffset now) => Slot(now) + Interval;

    /// <summary>Moments strictly between two of them.</summary>
    public long Between(DateTimeOffset earlier, DateTimeOffset later) => Math.Max(0, (later - earlier).Ticks / Interval.Ticks - 1);
}

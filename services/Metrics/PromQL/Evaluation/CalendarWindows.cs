namespace Vigil.Metrics.PromQL;

/// <summary>A window of time: without its first moment, with its last one, milliseconds since 1970.</summary>
internal readonly record struct TimeWindow(long StartMs, long EndMs);

/// <summary>
/// Where days, weeks and months of a time zone begin and end, daylight saving time and all. Each is without its first moment and with its last one, as ranges are: at midnight, when a report is made, the
/// day that ends then is whole.
/// </summary>
internal static class CalendarWindows
{
    // Some days at each end are left, so that no time zone leads out of what there are dates for.
    private static readonly long FirstMs = new DateTimeOffset(1, 3, 1, 0, 0, 0, TimeSpan.Zero).ToUnixTimeMilliseconds();
    private static readonly long LastMs = new DateTimeOffset(9999, 11, 1, 0, 0, 0, TimeSpan.Zero).ToUnixTimeMilliseconds();

    /// <summary>The window of a moment.</summary>
    /// <param name="range">Which.</param>
    /// <param name="ownZone">The time zone where the range names none.</param>
    /// <param name="momentMs">Milliseconds since 1970, in the years 1 to 9999.</param>
    /// <exception cref="EvaluationException">There is no calendar for that moment.</exception>
    public static TimeWindow At(CalendarRange range, TimeZoneInfo ownZone, long momentMs)
    {
        var whole = Whole(range, ownZone, momentMs);
        return range.Last ? whole : new TimeWindow(whole.StartMs, momentMs);
    }

    /// <summary>The windows of the moments of a grid.</summary>
    /// <exception cref="EvaluationException">There is no calendar for one of the moments.</exception>
    public static TimeWindow[] At(CalendarRange range, TimeZoneInfo ownZone, StepGrid grid)
    {
        var windows = new TimeWindow[grid.Steps];
        var unit = range with { Last = false };
        var known = new TimeWindow(0, -1);
        var last = known;
        for (var step = 0; step < windows.Length; step++)
        {
            var moment = grid.TimeOf(step);
            if (moment <= known.StartMs || moment > known.EndMs)
            {
                known = Whole(unit, ownZone, moment);
                if (range.Last) last = Whole(range, ownZone, moment);
            }
            windows[step] = range.Last ? last : new TimeWindow(known.StartMs, moment);
        }
        return windows;
    }

    private static TimeWindow Whole(CalendarRange range, TimeZoneInfo ownZone, long momentMs)
    {
        if (momentMs < FirstMs || momentMs > LastMs) throw new EvaluationException($"there is no {range.Unit.ToString().ToLowerInvariant()} in the calendar at {momentMs / 1000} s");
        var zone = range.Zone is { } name ? TimeZoneInfo.FindSystemTimeZoneById(name) : ownZone;
        var first = FirstDay(range.Unit, DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(DateTimeOffset.FromUnixTimeMilliseconds(momentMs - 1), zone).DateTime));
        var next = range.Unit switch
        {
            CalendarUnit.Day => first.AddDays(1),
            CalendarUnit.Week => first.AddDays(7),
            _ => first.AddMonths(1),
        };
        return range.Last ? new TimeWindow(StartOf(zone, FirstDay(range.Unit, first.AddDays(-1))), StartOf(zone, first)) : new TimeWindow(StartOf(zone, first), StartOf(zone, next));
    }

    private static DateOnly FirstDay(CalendarUnit unit, DateOnly day) => unit switch
    {
        CalendarUnit.Day => day,
        CalendarUnit.Week => day.AddDays(-(((int)day.DayOfWeek + 6) % 7)),
        _ => new DateOnly(day.Year, day.Month, 1),
    };

    /// <summary>The first moment at which the clocks show a day: not always midnight, which some days do not have, or have twice.</summary>
    private static long StartOf(TimeZoneInfo zone, DateOnly day)
    {
        var midnight = day.ToDateTime(TimeOnly.MinValue);
        if (!zone.IsInvalidTime(midnight) && !zone.IsAmbiguousTime(midnight)) return Utc(midnight - zone.GetUtcOffset(midnight));
        // Clocks go forward by no more than a day, and never back beyond a midnight that has not been twice.
        var (before, after) = (Utc(midnight.AddHours(-26)), Utc(midnight.AddHours(26)));
        while (after - before > 1)
        {
            var middle = before + (after - before) / 2;
            if (TimeZoneInfo.ConvertTime(DateTimeOffset.FromUnixTimeMilliseconds(middle), zone).DateTime >= midnight) after = middle;
            else before = middle;
        }
        return after;
    }

    private static long Utc(DateTime time) => new DateTimeOffset(time, TimeSpan.Zero).ToUnixTimeMilliseconds();
}

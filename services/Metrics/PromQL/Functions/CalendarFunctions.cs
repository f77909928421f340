using System.Collections.Frozen;

namespace Vigil.Metrics.PromQL;

/// <summary>
/// Functions of a moment, given as seconds since 1970 (UTC), in the Gregorian calendar without end to either side: .NET's own has the years 1 to 9999 only.
/// </summary>
internal static class CalendarFunctions
{
    private const long SecondsPerDay = 86_400;
    private const ulong DaysPer400Years = 146_097;
    private const ulong DaysPerCentury = 36_524;
    private const ulong DaysPer4Years = 1_461;

    /// <summary>A year of the same place in the calendar's 400 years as year 1, before all moments of 64-bit seconds, as Go counts from.</summary>
    private const long FirstYear = -292_277_022_399;

    /// <summary>From the start of that year to 1970, in seconds.</summary>
    private const long FirstYearTo1970 = 9_223_372_028_715_321_600;

    public static readonly FrozenDictionary<string, Func<double, double>> All = new Dictionary<string, Func<double, double>>
    {
        ["days_in_month"] = static t => DaysIn(Date(t)),
        ["day_of_month"] = static t => Date(t).Day,
        // The first day of the first year is a Monday.
        ["day_of_week"] = static t => (Seconds(t) / SecondsPerDay + 1) % 7,
        ["day_of_year"] = static t => Date(t).DayOfYear,
        ["hour"] = static t => Seconds(t) % SecondsPerDay / 3600,
        ["minute"] = static t => Seconds(t) % 3600 / 60,
        ["month"] = static t => Date(t).Month,
        ["year"] = static t => Date(t).Year,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>Days and months from 1.</summary>
    private readonly record struct CivilDate(long Year, int Month, int Day, int DayOfYear, bool IsLeapYear);

    /// <summary>Since the start of the first year. What is no 64-bit number is the smallest of them, as Go on amd64 converts a float.</summary>
    private static ulong Seconds(double unixSeconds)
    {
        const double Limit = 9_223_372_036_854_775_808;
        var seconds = unixSeconds is > -Limit and < Limit ? (long)unixSeconds : long.MinValue;
        return unchecked((ulong)(seconds + FirstYearTo1970));
    }

    private static CivilDate Date(double unixSeconds)
    {
        var days = Seconds(unixSeconds) / SecondsPerDay;
        var years = 400 * (days / DaysPer400Years);
        days %= DaysPer400Years;
        // The last century and the last year are a day longer than the others.
        var centuries = Math.Min(days / DaysPerCentury, 3);
        days -= centuries * DaysPerCentury;
        var fours = days / DaysPer4Years;
        days %= DaysPer4Years;
        var ones = Math.Min(days / 365, 3);
        days -= ones * 365;
        years += centuries * 100 + fours * 4 + ones;
        var isLeap = ones == 3 && (fours != 24 || centuries == 3);
        var month = 1;
        var day = (int)days;
        for (; day >= DaysIn(month, isLeap); month++) day -= DaysIn(month, isLeap);
        return new((long)years + FirstYear, month, day + 1, (int)days + 1, isLeap);
    }

    private static int DaysIn(CivilDate date) => DaysIn(date.Month, date.IsLeapYear);

    // 2000 and 2001 stand for all years, with and without a 29th of February.
    private static int DaysIn(int month, bool isLeapYear) => DateTime.DaysInMonth(isLeapYear ? 2000 : 2001, month);
}

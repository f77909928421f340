using System.Collections.Frozen;

namespace Vigil.Metrics.PromQL;

/// <summary>Functions of one sample's value alone.</summary>
internal static class MathFunctions
{
    public static readonly FrozenDictionary<string, Func<double, double>> All = new Dictionary<string, Func<double, double>>
    {
        ["abs"] = Math.Abs,
        ["acos"] = Math.Acos,
        ["acosh"] = Math.Acosh,
        ["asin"] = Math.Asin,
        ["asinh"] = Math.Asinh,
        ["atan"] = Math.Atan,
        ["atanh"] = Math.Atanh,
        ["ceil"] = Math.Ceiling,
        ["cos"] = Math.Cos,
        ["cosh"] = Math.Cosh,
        ["deg"] = static v => v * 180 / Math.PI,
        ["exp"] = Math.Exp,
        ["floor"] = Math.Floor,
        ["ln"] = Math.Log,
        ["log10"] = Math.Log10,
        ["log2"] = Math.Log2,
        ["rad"] = static v => v * Math.PI / 180,
        ["sgn"] = static v => v > 0 ? 1 : v < 0 ? -1 : v,
        ["sin"] = Math.Sin,
        ["sinh"] = Math.Sinh,
        ["sqrt"] = Math.Sqrt,
        ["tan"] = Math.Tan,
        ["tanh"] = Math.Tanh,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>Functions of a moment, given as seconds since 1970 (UTC).</summary>
    public static readonly FrozenDictionary<string, Func<DateTime, double>> Calendar = new Dictionary<string, Func<DateTime, double>>
    {
        ["days_in_month"] = static t => DateTime.DaysInMonth(t.Year, t.Month),
        ["day_of_month"] = static t => t.Day,
        ["day_of_week"] = static t => (int)t.DayOfWeek,
        ["day_of_year"] = static t => t.DayOfYear,
        ["hour"] = static t => t.Hour,
        ["minute"] = static t => t.Minute,
        ["month"] = static t => t.Month,
        ["year"] = static t => t.Year,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>NaN for moments that .NET's calendar (years 1 to 9999) does not have.</summary>
    public static double At(Func<DateTime, double> function, double unixSeconds)
    {
        const double Earliest = -62_135_596_800;
        const double Latest = 253_402_300_799;
        // Truncated towards zero, as Go converts a float to a whole number.
        var seconds = Math.Truncate(unixSeconds);
        return seconds is >= Earliest and <= Latest ? function(DateTime.UnixEpoch.AddSeconds(seconds)) : double.NaN;
    }

    /// <summary>To the nearest multiple; ties go up. Multiplying by the inverse is how Prometheus loses the fewest digits.</summary>
    public static double Round(double value, double toNearest)
    {
        var inverse = 1 / toNearest;
        return Math.Floor(value * inverse + 0.5) / inverse;
    }

    /// <summary>A NaN anywhere is the result.</summary>
    public static double Clamp(double value, double min, double max) => Max(min, Min(max, value));

    public static double Max(double a, double b) => double.IsNaN(a) || double.IsNaN(b) ? double.NaN : Math.Max(a, b);

    public static double Min(double a, double b) => double.IsNaN(a) || double.IsNaN(b) ? double.NaN : Math.Min(a, b);
}

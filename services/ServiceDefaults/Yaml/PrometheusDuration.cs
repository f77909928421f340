using System.Globalization;
using System.Text;

namespace Vigil.ServiceDefaults.Yaml;

/// <summary>
/// Durations as Prometheus writes them: whole numbers with the units y, w, d, h, m, s, ms, each at most once and in this order
/// (1h30m), or 0. A year is 365 days, a week 7 (github.com/prometheus/common, model/time.go).
/// </summary>
public static class PrometheusDuration
{
    /// <summary>What Prometheus can hold: an int64 of nanoseconds.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromTicks(long.MaxValue / 100);

    private static readonly (string Unit, long Milliseconds)[] Units =
    [
        ("y", 365L * 86_400_000), ("w", 7L * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)
    ];

    /// <summary>Reads a duration; false, with a reason, when it is none.</summary>
    public static bool TryParse(string text, out TimeSpan duration, out string? reason)
    {
        duration = default;
        reason = null;
        if (text.Length == 0)
        {
            reason = "a duration is empty; write it like 30s, 5m or 1h30m";
            return false;
        }
        if (text == "0") return true;
        decimal total = 0;
        var lastUnit = -1;
        for (var i = 0; i < text.Length;)
        {
            var start = i;
            while (i < text.Length && char.IsAsciiDigit(text[i])) i++;
            if (i == start) return Refuse(text, out reason);
            if (!long.TryParse(text.AsSpan(start, i - start), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
                return TooLong(text, out reason);
            var unitStart = i;
            while (i < text.Length && char.IsAsciiLetterLower(text[i])) i++;
            var written = text[unitStart..i];
            var unit = Array.FindIndex(Units, u => u.Unit == written);
            if (unit <= lastUnit) return Refuse(text, out reason);
            lastUnit = unit;
            total += (decimal)number * Units[unit].Milliseconds;
        }
        if (total > (decimal)Longest.TotalMilliseconds) return TooLong(text, out reason);
        duration = TimeSpan.FromTicks((long)total * TimeSpan.TicksPerMillisecond);
        return true;
    }

    /// <summary>The shortest way to write it: 5400 s is 1h30m. Years and weeks are used only where nothing smaller remains.</summary>
    public static string Format(TimeSpan duration)
    {
        var milliseconds = (long)duration.TotalMilliseconds;
        if (milliseconds == 0) return "0s";
        var text = new StringBuilder();
        foreach (var (unit, size) in Units)
        {
            if (milliseconds < size || (unit is "y" or "w" && milliseconds % size != 0)) continue;
            text.Append(CultureInfo.InvariantCulture, $"{milliseconds / size}{unit}");
            milliseconds %= size;
        }
        return text.ToString();
    }

    private static bool Refuse(string text, out string reason)
    {
        reason = $"'{text}' is not a duration; write it like 30s, 5m or 1h30m (units y w d h m s ms, in this order)";
        return false;
    }

    private static bool TooLong(string text, out string reason)
    {
        reason = $"'{text}' is longer than a duration can be (292 years)";
        return false;
    }
}

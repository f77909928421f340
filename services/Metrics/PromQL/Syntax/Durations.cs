using System.Globalization;
using System.Text;

namespace Vigil.Metrics.PromQL;

/// <summary>Durations as Prometheus writes them: 1h30m, 250ms. A year is 365 days, a week 7.</summary>
internal static class Durations
{
    private static readonly (string Unit, long Milliseconds)[] Units =
    [
        ("y", 365L * 24 * 3600 * 1000),
        ("w", 7L * 24 * 3600 * 1000),
        ("d", 24L * 3600 * 1000),
        ("h", 3600L * 1000),
        ("m", 60L * 1000),
        ("s", 1000L),
        ("ms", 1L),
    ];

    /// <summary>The longest duration there is, as in Go: 2^63 - 1 nanoseconds, about 292 years.</summary>
    public const long MaxMs = long.MaxValue / 1_000_000;

    /// <summary>Reads a duration with units in falling order, each at most once. Returns what is wrong with it otherwise.</summary>
    public static string? TryParse(ReadOnlySpan<char> text, out long milliseconds)
    {
        milliseconds = 0;
        if (text.IsEmpty) return "empty duration string";
        if (text is "0") return null;
        var whole = text;
        var nextUnit = 0;
        while (!text.IsEmpty)
        {
            var digits = text.IndexOfAnyExceptInRange('0', '9');
            if (digits <= 0) return NotValid(whole);
            var rest = text[digits..];
            var letters = rest.IndexOfAnyInRange('0', '9');
            var unit = letters < 0 ? rest : rest[..letters];
            var index = -1;
            for (var i = nextUnit; i < Units.Length && index < 0; i++)
            {
                if (unit.SequenceEqual(Units[i].Unit)) index = i;
            }
            if (index < 0) return NotValid(whole);
            if (!long.TryParse(text[..digits], NumberStyles.None, CultureInfo.InvariantCulture, out var count)
                || count > (MaxMs - milliseconds) / Units[index].Milliseconds)
            {
                return "duration out of range";
            }
            milliseconds += count * Units[index].Milliseconds;
            nextUnit = index + 1;
            text = rest[unit.Length..];
        }
        return null;
    }

    /// <summary>The shortest exact form. Years and weeks are used only where nothing smaller is left over, as Prometheus does.</summary>
    public static string Format(long milliseconds)
    {
        if (milliseconds == 0) return "0s";
        var b = new StringBuilder();
        var rest = milliseconds;
        if (rest < 0)
        {
            b.Append('-');
            rest = -rest;
        }
        for (var i = 0; i < Units.Length; i++)
        {
            var (unit, size) = Units[i];
            if (rest / size == 0 || (unit is "y" or "w" && rest % size != 0)) continue;
            b.Append(CultureInfo.InvariantCulture, $"{rest / size}{unit}");
            rest %= size;
        }
        return b.ToString();
    }

    private static string NotValid(ReadOnlySpan<char> text) => $"not a valid duration string: {GoText.Quote(text.ToString())}";
}

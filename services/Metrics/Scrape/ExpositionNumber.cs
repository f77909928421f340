using System.Buffers.Text;
using System.Globalization;

namespace Vigil.Metrics.Scrape;

/// <summary>Numbers of an exposition, as Go's ParseFloat reads them there: decimal, Inf, NaN; no hexadecimal, no digit separators.</summary>
internal static class ExpositionNumber
{
    /// <summary>The largest time that is exact in milliseconds as a 64-bit float.</summary>
    private const double MaxSeconds = 9e12;

    public static bool TryParse(ReadOnlySpan<byte> text, out double value)
    {
        value = 0;
        if (text.IsEmpty) return false;
        var digits = text[0] is (byte)'+' or (byte)'-' ? text[1..] : text;
        if (digits.IsEmpty) return false;
        if (digits[0] is (>= (byte)'0' and <= (byte)'9') or (byte)'.')
        {
            return double.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out value)
                && double.IsFinite(value);
        }
        if (Is(digits, "inf"u8) || Is(digits, "infinity"u8))
        {
            value = text[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
            return true;
        }
        value = double.NaN;
        return Is(text, "nan"u8);
    }

    /// <summary>A whole number of milliseconds.</summary>
    public static bool TryMilliseconds(ReadOnlySpan<byte> text, out long milliseconds) =>
        Utf8Parser.TryParse(text, out milliseconds, out var length) && length == text.Length && text[0] != '+';

    /// <summary>Seconds with a fraction, as milliseconds, cut off beyond them.</summary>
    public static bool TrySeconds(ReadOnlySpan<byte> text, out long milliseconds)
    {
        milliseconds = 0;
        if (!TryParse(text, out var seconds) || !(Math.Abs(seconds) <= MaxSeconds)) return false;
        milliseconds = (long)(seconds * 1000);
        return true;
    }

    private static bool Is(ReadOnlySpan<byte> text, ReadOnlySpan<byte> word) => System.Text.Ascii.EqualsIgnoreCase(text, word);
}

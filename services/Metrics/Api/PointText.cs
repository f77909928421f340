using System.Globalization;
using System.Text;
using Vigil.Metrics.PromQL;

namespace Vigil.Metrics.Api;

/// <summary>Samples as text in JSON: <c>[seconds,"value"]</c>. An answer may have millions of them: nothing is allocated for the usual ones.</summary>
internal static class PointText
{
    /// <summary>More than any sample takes.</summary>
    public const int MaxBytes = 80;

    // Where .NET's shortest text of a double has no exponent, and so is what Go writes as well.
    private const double PlainFrom = 1e-4;
    private const double PlainBelow = 1e15;

    /// <summary>Writes a sample; returns its length.</summary>
    /// <param name="target">At least <see cref="MaxBytes"/>.</param>
    /// <param name="timeMs">Milliseconds since 1970.</param>
    /// <param name="value">Its value.</param>
    public static int Write(Span<byte> target, long timeMs, double value)
    {
        target[0] = (byte)'[';
        var length = 1 + WriteTime(target[1..], timeMs);
        target[length++] = (byte)',';
        target[length++] = (byte)'"';
        length += WriteValue(target[length..], value);
        target[length++] = (byte)'"';
        target[length++] = (byte)']';
        return length;
    }

    /// <summary>Seconds, with the milliseconds there are and no rounding.</summary>
    public static int WriteTime(Span<byte> target, long timeMs)
    {
        var length = 0;
        if (timeMs < 0) target[length++] = (byte)'-';
        var (seconds, rest) = Math.DivRem(timeMs < 0 ? unchecked(0UL - (ulong)timeMs) : (ulong)timeMs, 1000UL);
        seconds.TryFormat(target[length..], out var written, default, CultureInfo.InvariantCulture);
        length += written;
        if (rest == 0) return length;
        target[length++] = (byte)'.';
        rest.TryFormat(target[length..], out written, "000", CultureInfo.InvariantCulture);
        return length + written;
    }

    /// <summary>What <see cref="GoText.FloatJson"/> makes of a value.</summary>
    public static int WriteValue(Span<byte> target, double value)
    {
        var magnitude = Math.Abs(value);
        if (magnitude < PlainBelow)
        {
            var whole = (long)value;
            if (whole == value)
            {
                if (whole == 0 && double.IsNegative(value)) target[0] = (byte)'-';
                var sign = whole == 0 && double.IsNegative(value) ? 1 : 0;
                whole.TryFormat(target[sign..], out var digits, default, CultureInfo.InvariantCulture);
                return sign + digits;
            }
            if (magnitude >= PlainFrom && value.TryFormat(target, out var written, default, CultureInfo.InvariantCulture)) return written;
        }
        return Encoding.ASCII.GetBytes(GoText.FloatJson(value), target);
    }
}

using System.Globalization;

namespace Vigil.Metrics.PromQL;

/// <summary>Numbers as PromQL reads them: decimal, hexadecimal (0x), octal (leading 0, as in Go), with underscores, Inf and NaN.</summary>
internal static class NumberText
{
    /// <summary>
    /// Numbers as Go's strconv.ParseFloat reads them, and with it parameters of requests and the bounds of buckets: decimal even with a leading 0, and within
    /// the range of a double.
    /// </summary>
    public static bool TryParseFloat(ReadOnlySpan<char> text, out double value)
    {
        var digits = text.TrimStart("+-");
        value = 0;
        if (text.Length - digits.Length > 1 || digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase)) return false;
        // Without the zeros in front it cannot be octal.
        var shorter = digits.TrimStart("0_");
        if (!shorter.IsEmpty && char.IsAsciiDigit(shorter[0])) digits = shorter;
        if (!TryParse(digits, out value) || (double.IsInfinity(value) && char.IsAsciiDigit(text[^1]))) return false;
        if (text[0] == '-') value = -value;
        return true;
    }

    public static bool TryParse(ReadOnlySpan<char> text, out double value)
    {
        value = 0;
        var sign = 1.0;
        if (!text.IsEmpty && text[0] is '+' or '-')
        {
            if (text[0] == '-') sign = -1;
            text = text[1..];
        }
        if (text.IsEmpty) return false;
        if (text.Equals("inf", StringComparison.OrdinalIgnoreCase) || text.Equals("infinity", StringComparison.OrdinalIgnoreCase))
        {
            value = sign * double.PositiveInfinity;
            return true;
        }
        if (text.Equals("nan", StringComparison.OrdinalIgnoreCase))
        {
            value = double.NaN;
            return true;
        }
        var plain = text.Contains('_') ? text.ToString().Replace("_", "", StringComparison.Ordinal).AsSpan() : text;
        bool ok;
        if (plain.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
        {
            ok = ulong.TryParse(plain[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var hexadecimal) && hexadecimal <= long.MaxValue;
            value = hexadecimal;
        }
        else if (plain.Length > 1 && plain[0] == '0' && plain.IndexOfAnyExceptInRange('0', '7') < 0)
        {
            long octal = 0;
            ok = true;
            foreach (var c in plain)
            {
                if (octal > long.MaxValue >> 3)
                {
                    ok = double.TryParse(plain, NumberStyles.Float, CultureInfo.InvariantCulture, out value);
                    break;
                }
                octal = octal * 8 + (c - '0');
                value = octal;
            }
        }
        else
        {
            ok = double.TryParse(plain, NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out value);
        }
        value *= sign;
        return ok;
    }
}

using System.Globalization;
using System.Text;

namespace Vigil.Metrics.PromQL;

/// <summary>
/// Text as Go's strconv writes it, which is what Prometheus' clients read. A byte that is not UTF-8 (from an escape such as
/// \xff) is held as the lone surrogate U+DC00 + byte, so that it survives a round trip and is never a valid label name.
/// </summary>
internal static class GoText
{
    public const char InvalidByteBase = '\uDC00';

    /// <summary>strconv.FormatFloat(value, 'f', -1, 64): the shortest digits that read back as the same value, without an exponent.</summary>
    public static string Float(double value)
    {
        if (double.IsNaN(value)) return "NaN";
        if (double.IsInfinity(value)) return value > 0 ? "+Inf" : "-Inf";
        if (value == 0) return double.IsNegative(value) ? "-0" : "0";
        var shortest = value.ToString("R", CultureInfo.InvariantCulture);
        var exponentAt = shortest.IndexOf('E', StringComparison.Ordinal);
        return exponentAt < 0 ? shortest : Expand(shortest, exponentAt);
    }

    /// <summary>fmt's %g (and %v) of a float: like <see cref="Float(double)"/>, but with an exponent below 1e-4 and from 1e6.</summary>
    public static string FloatG(double value) => Float(value, 1e-4, 1e6);

    /// <summary>fmt's %.Ng of a float: at most N digits that count, with an exponent below 1e-4 and from 10^N.</summary>
    public static string FloatG(double value, int digits)
    {
        if (!double.IsFinite(value)) return Float(value);
        var text = value.ToString($"E{digits - 1}", CultureInfo.InvariantCulture);
        var at = text.IndexOf('E', StringComparison.Ordinal);
        var exponent = int.Parse(text.AsSpan(at + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        var rounded = double.Parse(text, CultureInfo.InvariantCulture);
        if (exponent >= -4 && exponent < digits) return Float(rounded);
        var mantissa = text[..at];
        return WithExponent(mantissa.Contains('.', StringComparison.Ordinal) ? mantissa.TrimEnd('0').TrimEnd('.') : mantissa, exponent);
    }

    /// <summary>A float as Prometheus' HTTP API writes it: with an exponent below 1e-6 and from 1e21.</summary>
    public static string FloatJson(double value) => Float(value, 1e-6, 1e21);

    /// <summary>A bound as OpenMetrics has it: as <see cref="FloatG(double)"/>, and never without one of point and exponent: 1.0.</summary>
    public static string FloatOpenMetrics(double value)
    {
        var text = FloatG(value);
        return double.IsFinite(value) && !text.AsSpan().ContainsAny('.', 'e') ? text + ".0" : text;
    }

    /// <summary>strconv.FormatFloat(value, 'e', -1, 64): always with an exponent, as alerts show their values.</summary>
    public static string FloatE(double value) => value == 0 ? $"{Float(value)}e+00" : Float(value, double.PositiveInfinity, 0);

    private static string Float(double value, double plainFrom, double plainBelow)
    {
        var magnitude = Math.Abs(value);
        if (value == 0 || !double.IsFinite(value) || (magnitude >= plainFrom && magnitude < plainBelow)) return Float(value);
        var digits = value.ToString("E16", CultureInfo.InvariantCulture);
        var r = value.ToString("R", CultureInfo.InvariantCulture);
        var at = r.IndexOf('E', StringComparison.Ordinal);
        if (at < 0) return FromPlain(r, int.Parse(digits.AsSpan(digits.IndexOf('E', StringComparison.Ordinal) + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture));
        return WithExponent(r[..at], int.Parse(r.AsSpan(at + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture));
    }

    /// <summary>strconv.Quote: a double-quoted Go string.</summary>
    public static string Quote(string text)
    {
        var b = new StringBuilder(text.Length + 2).Append('"');
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            switch (c)
            {
                case '"': b.Append("\\\""); break;
                case '\\': b.Append(@"\\"); break;
                case '\a': b.Append(@"\a"); break;
                case '\b': b.Append(@"\b"); break;
                case '\f': b.Append(@"\f"); break;
                case '\n': b.Append(@"\n"); break;
                case '\r': b.Append(@"\r"); break;
                case '\t': b.Append(@"\t"); break;
                case '\v': b.Append(@"\v"); break;
                default:
                    if (char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
                    {
                        AppendRune(b, new Rune(c, text[++i]));
                    }
                    else if (char.IsSurrogate(c))
                    {
                        if (c is >= '\uDC80' and <= '\uDCFF') b.Append(CultureInfo.InvariantCulture, $"\\x{c - InvalidByteBase:x2}");
                        else b.Append(@"\ufffd");
                    }
                    else
                    {
                        AppendRune(b, new Rune(c));
                    }
                    break;
            }
        }
        return b.Append('"').ToString();
    }

    /// <summary>fmt's %q of the rune at a place: in single quotes. Go shows what is no rune, and the end of a text, as U+FFFD.</summary>
    public static string QuoteRune(string text, int at)
    {
        if (at >= text.Length || !Rune.TryGetRuneAt(text, at, out var rune)) return "'\uFFFD'";
        return rune.Value switch
        {
            '\'' => @"'\''",
            '"' => "'\"'",
            _ => $"'{Quote(rune.ToString())[1..^1]}'",
        };
    }

    /// <summary>fmt's %#U of the rune at a place: U+0022 '"'.</summary>
    public static string CodePoint(string text, int at)
    {
        if (!Rune.TryGetRuneAt(text, at, out var rune)) rune = Rune.ReplacementChar;
        var shown = Quote(rune.ToString());
        var number = string.Create(CultureInfo.InvariantCulture, $"U+{rune.Value:X4}");
        return shown.StartsWith("\"\\", StringComparison.Ordinal) && rune.Value is not ('"' or '\\') ? number : $"{number} '{rune}'";
    }

    /// <summary>False where the text holds what is not UTF-8.</summary>
    public static bool IsValidUtf8(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i])) continue;
            if (!char.IsHighSurrogate(text[i]) || i + 1 == text.Length || !char.IsLowSurrogate(text[i + 1])) return false;
            i++;
        }
        return true;
    }

    private static void AppendRune(StringBuilder b, Rune rune)
    {
        var category = Rune.GetUnicodeCategory(rune);
        var printable = rune.Value == ' ' || category is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate
            or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator
            or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);
        if (printable) b.Append(rune.ToString());
        else if (rune.Value < 0x80) b.Append(CultureInfo.InvariantCulture, $"\\x{rune.Value:x2}");
        else if (rune.Value < 0x10000) b.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}");
        else b.Append(CultureInfo.InvariantCulture, $"\\U{rune.Value:x8}");
    }

    private static string Expand(string shortest, int exponentAt)
    {
        var exponent = int.Parse(shortest.AsSpan(exponentAt + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        var mantissa = shortest.AsSpan(0, exponentAt);
        var sign = mantissa[0] == '-' ? "-" : "";
        if (sign.Length > 0) mantissa = mantissa[1..];
        var dot = mantissa.IndexOf('.');
        var whole = dot < 0 ? mantissa.Length : dot;
        var digits = dot < 0 ? mantissa.ToString() : string.Concat(mantissa[..dot], mantissa[(dot + 1)..]);
        var point = whole + exponent;
        if (point <= 0) return $"{sign}0.{new string('0', -point)}{digits}";
        return point >= digits.Length
            ? $"{sign}{digits}{new string('0', point - digits.Length)}"
            : $"{sign}{digits[..point]}.{digits[point..]}";
    }

    private static string FromPlain(string plain, int exponent)
    {
        var digits = plain.Replace(".", "", StringComparison.Ordinal).TrimStart('-').TrimStart('0').TrimEnd('0');
        var mantissa = digits.Length > 1 ? $"{digits[0]}.{digits[1..]}" : digits;
        return WithExponent((plain[0] == '-' ? "-" : "") + mantissa, exponent);
    }

    private static string WithExponent(string mantissa, int exponent) =>
        string.Create(CultureInfo.InvariantCulture, $"{mantissa}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}");
}

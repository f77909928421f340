using System.Globalization;
using System.Text;

namespace Vigil.Alerting.Policies;

/// <summary>
/// Numbers and printf as Go's fmt and strconv write them, because templates of Prometheus rule files rely on it. Supported are
/// the verbs v s q d f F e E g G x X t %% with the flags - + 0 and space, width and precision.
/// </summary>
internal static class GoFormat
{
    /// <summary>Go's %v.</summary>
    public static string Value(object? value) => value switch
    {
        null => "<no value>",
        double d => General(d, -1),
        bool b => b ? "true" : "false",
        IReadOnlyDictionary<string, string> map => $"map[{string.Join(' ', map.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => $"{p.Key}:{p.Value}"))}]",
        IFormattable f => f.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    /// <summary>Go's %g: with <paramref name="precision"/> significant digits, -1 for as few as identify the number.</summary>
    public static string General(double value, int precision)
    {
        if (Special(value) is { } special) return special;
        if (precision == 0) precision = 1;
        var (negative, digits, exponent) = Digits(value, precision);
        // strconv/ftoa.go, %e is used if the exponent is less than -4 or not less than the precision; 21 digits are never needed.
        var limit = precision < 0 ? 6 : precision;
        if (precision >= 0 && limit > digits.Length && digits.Length >= exponent + 1) limit = digits.Length;
        if (precision < 0) limit = Math.Max(limit, 6);
        var text = exponent < -4 || exponent >= limit
            ? $"{digits[0]}{(digits.Length > 1 ? "." + digits[1..] : "")}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}"
            : Plain(digits, exponent);
        return negative ? "-" + text : text;
    }

    /// <summary>Go's Sprintf.</summary>
    public static string Printf(string format, ReadOnlySpan<object?> args)
    {
        var text = new StringBuilder();
        var next = 0;
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                text.Append(format[i]);
                continue;
            }
            var verb = Verb.Read(format, ref i);
            if (verb.Letter == '%') text.Append('%');
            else if (verb.Letter == '\0') text.Append("%!(NOVERB)");
            else if (next >= args.Length) text.Append(CultureInfo.InvariantCulture, $"%!{verb.Letter}(MISSING)");
            else text.Append(verb.Apply(args[next++]));
        }
        if (next < args.Length)
        {
            text.Append("%!(EXTRA ");
            for (var i = next; i < args.Length; i++) text.Append(i > next ? ", " : "").Append(TypeName(args[i])).Append('=').Append(Value(args[i]));
            text.Append(')');
        }
        return text.ToString();
    }

    private static string? Special(double value) =>
        double.IsNaN(value) ? "NaN" : double.IsPositiveInfinity(value) ? "+Inf" : double.IsNegativeInfinity(value) ? "-Inf" : null;

    /// <summary>Significant digits without trailing zeros, and the decimal exponent of the first one.</summary>
    private static (bool Negative, string Digits, int Exponent) Digits(double value, int precision)
    {
        var text = (precision < 0 ? ShortestScientific(value) : value.ToString($"E{precision - 1}", CultureInfo.InvariantCulture)).AsSpan();
        var negative = text[0] == '-';
        if (negative) text = text[1..];
        var e = text.IndexOf('E');
        var exponent = int.Parse(text[(e + 1)..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        var digits = text[..e].ToString().Replace(".", "", StringComparison.Ordinal).TrimEnd('0');
        return digits.Length == 0 ? (negative, "0", 0) : (negative, digits, exponent);
    }

    private static string ShortestScientific(double value)
    {
        for (var precision = 0; precision < 17; precision++)
        {
            var text = value.ToString($"E{precision}", CultureInfo.InvariantCulture);
            if (double.Parse(text, CultureInfo.InvariantCulture) == value) return text;
        }
        return value.ToString("E16", CultureInfo.InvariantCulture);
    }

    private static string Plain(string digits, int exponent)
    {
        if (exponent < 0) return "0." + new string('0', -exponent - 1) + digits;
        return digits.Length <= exponent + 1
            ? digits + new string('0', exponent + 1 - digits.Length)
            : digits[..(exponent + 1)] + "." + digits[(exponent + 1)..];
    }

    private static string TypeName(object? value) => value switch
    {
        double => "float64",
        long or int => "int",
        bool => "bool",
        string => "string",
        _ => "map",
    };

    private readonly record struct Verb(char Letter, bool Minus, bool Plus, bool Zero, bool Space, int Width, int Precision)
    {
        private const int MaxWidth = 1_000;

        public static Verb Read(string format, ref int i)
        {
            bool minus = false, plus = false, zero = false, space = false;
            for (i++; i < format.Length && "-+ 0#".Contains(format[i]); i++)
            {
                minus |= format[i] == '-';
                plus |= format[i] == '+';
                zero |= format[i] == '0';
                space |= format[i] == ' ';
            }
            var width = Number(format, ref i);
            var precision = -1;
            if (i < format.Length && format[i] == '.')
            {
                i++;
                precision = Number(format, ref i);
            }
            return new Verb(i < format.Length ? format[i] : '\0', minus, plus, zero, space, width, precision);
        }

        public string Apply(object? value)
        {
            var text = (Letter, value) switch
            {
                ('v', double d) => Sign(General(d, Precision)),
                ('v', _) => Value(value),
                ('s', string s) => Precision >= 0 && Precision < s.Length ? s[..Precision] : s,
                ('q', string s) => "\"" + s.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal) + "\"",
                ('d', long n) => Sign(n.ToString(CultureInfo.InvariantCulture)),
                ('x', long n) => n.ToString("x", CultureInfo.InvariantCulture),
                ('X', long n) => n.ToString("X", CultureInfo.InvariantCulture),
                ('x', string s) => Convert.ToHexStringLower(Encoding.UTF8.GetBytes(s)),
                ('t', bool b) => b ? "true" : "false",
                ('f' or 'F', double d) => Sign(Special(d) ?? d.ToString($"F{(Precision < 0 ? 6 : Precision)}", CultureInfo.InvariantCulture)),
                ('e' or 'E', double d) => Sign(Special(d) ?? Scientific(d)),
                ('g' or 'G', double d) => Sign(General(d, Precision)),
                _ => $"%!{Letter}({TypeName(value)}={Value(value)})",
            };
            if (text.Length >= Width) return text;
            if (Minus) return text.PadRight(Width);
            if (!Zero || value is not (double or long)) return text.PadLeft(Width);
            return text[0] is '-' or '+' ? text[0] + text[1..].PadLeft(Width - 1, '0') : text.PadLeft(Width, '0');
        }

        private string Sign(string text) => text[0] is '-' or '+' || text == "NaN" ? text : Plus ? "+" + text : Space ? " " + text : text;

        private string Scientific(double value)
        {
            var text = value.ToString($"{(Letter == 'E' ? "E" : "e")}{(Precision < 0 ? 6 : Precision)}", CultureInfo.InvariantCulture);
            // .NET writes three digits of exponent, Go at least two.
            var mark = text.LastIndexOfAny(['e', 'E']);
            return text[mark + 2] == '0' ? text.Remove(mark + 2, 1) : text;
        }

        private static int Number(string format, ref int i)
        {
            var number = 0;
            for (; i < format.Length && char.IsAsciiDigit(format[i]); i++) number = Math.Min(MaxWidth, number * 10 + (format[i] - '0'));
            return number;
        }
    }
}

using System.Globalization;
using System.Text;

namespace Vigil.Metrics.PromQL;

/// <summary>Reads PromQL's string literals: Go's escapes in single or double quotes, none in back-quotes.</summary>
internal static class GoStrings
{
    /// <summary>The text that a literal (with its quotes) stands for.</summary>
    /// <exception cref="FormatException">An escape is unknown, cut short, or out of range.</exception>
    public static string Unquote(string literal)
    {
        var body = literal.AsSpan(1, literal.Length - 2);
        if (literal[0] == '`') return body.ToString().Replace("\r", "", StringComparison.Ordinal);
        if (!body.Contains('\\')) return body.ToString();
        var b = new StringBuilder(body.Length);
        var bytes = new List<byte>();
        for (var i = 0; i < body.Length; i++)
        {
            var c = body[i];
            if (c != '\\')
            {
                Flush(b, bytes);
                b.Append(c);
                continue;
            }
            c = body[++i];
            switch (c)
            {
                case 'x': bytes.Add((byte)Digits(body, ref i, 1, 2, 16)); continue;
                case >= '0' and <= '7':
                    var octal = Digits(body, ref i, 0, 3, 8);
                    if (octal > 255) throw new FormatException("escape sequence is an invalid Unicode code point");
                    bytes.Add((byte)octal);
                    continue;
            }
            Flush(b, bytes);
            switch (c)
            {
                case 'a': b.Append('\a'); break;
                case 'b': b.Append('\b'); break;
                case 'f': b.Append('\f'); break;
                case 'n': b.Append('\n'); break;
                case 'r': b.Append('\r'); break;
                case 't': b.Append('\t'); break;
                case 'v': b.Append('\v'); break;
                case '\\': b.Append('\\'); break;
                case 'u' or 'U':
                    var value = Digits(body, ref i, 1, c == 'u' ? 4 : 8, 16);
                    if (value > int.MaxValue || !Rune.IsValid((int)value)) throw new FormatException("escape sequence is an invalid Unicode code point");
                    b.Append(new Rune((int)value).ToString());
                    break;
                case '"' or '\'' when c == literal[0]: b.Append(c); break;
                default: throw new FormatException($"unknown escape sequence {GoText.CodePoint(body.ToString(), i)}");
            }
        }
        Flush(b, bytes);
        return b.ToString();
    }

    private static long Digits(ReadOnlySpan<char> body, ref int i, int skip, int count, int radix)
    {
        var from = i + skip;
        long value = 0;
        for (var at = from; at < from + count; at++)
        {
            // Behind the body is the closing quote.
            var c = at < body.Length ? body[at] : '\0';
            var digit = char.IsAsciiHexDigit(c) ? int.Parse([c], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) : radix;
            if (digit >= radix) throw new FormatException("escape sequence not terminated");
            value = value * radix + digit;
        }
        i = from + count - 1;
        return value;
    }

    /// <summary>Bytes given one by one make up runes; those that do not are kept as <see cref="GoText"/> says.</summary>
    private static void Flush(StringBuilder b, List<byte> bytes)
    {
        if (bytes.Count == 0) return;
        var rest = bytes.ToArray().AsSpan();
        while (!rest.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(rest, out var rune, out var consumed) == System.Buffers.OperationStatus.Done)
            {
                b.Append(rune.ToString());
                rest = rest[consumed..];
            }
            else
            {
                b.Append((char)(GoText.InvalidByteBase + rest[0]));
                rest = rest[1..];
            }
        }
        bytes.Clear();
    }
}

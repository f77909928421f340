using System.Globalization;
using System.Text;

namespace Vigil.Metrics.PromQL;

/// <summary>Reads RE2's character classes and escapes.</summary>
internal static class Re2ClassReader
{
    private static readonly Dictionary<string, (int Low, int High)[]> PosixClasses = new(StringComparer.Ordinal)
    {
        ["alnum"] = [('0', '9'), ('A', 'Z'), ('a', 'z')],
        ["alpha"] = [('A', 'Z'), ('a', 'z')],
        ["ascii"] = [(0, 0x7F)],
        ["blank"] = [('\t', '\t'), (' ', ' ')],
        ["cntrl"] = [(0, 0x1F), (0x7F, 0x7F)],
        ["digit"] = [('0', '9')],
        ["graph"] = [('!', '~')],
        ["lower"] = [('a', 'z')],
        ["print"] = [(' ', '~')],
        ["punct"] = [('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        ["space"] = [('\t', '\r'), (' ', ' ')],
        ["upper"] = [('A', 'Z')],
        ["word"] = [('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        ["xdigit"] = [('0', '9'), ('A', 'F'), ('a', 'f')],
    };

    // Without the vertical tab, unlike [:space:].
    private static readonly (int Low, int High)[] Blanks = [('\t', '\n'), ('\f', '\r'), (' ', ' ')];

    /// <summary>Reads a class from its bracket on; <paramref name="pos"/> is behind it then.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static Re2Class Read(string pattern, ref int pos)
    {
        var open = pos++;
        var set = new Re2Class();
        if (pos < pattern.Length && pattern[pos] == '^')
        {
            set.IsNegated = true;
            pos++;
        }
        // As the first one a closing bracket stands for itself.
        for (var first = true; first || pos >= pattern.Length || pattern[pos] != ']'; first = false)
        {
            if (pos >= pattern.Length) throw Re2Translator.Failure("missing closing ]", pattern[open..]);
            if (AddNamed(pattern, ref pos, set)) continue;
            if (pattern[pos] == '\\' && pos + 1 < pattern.Length && pattern[pos + 1] is 'p' or 'P' or 'd' or 'D' or 's' or 'S' or 'w' or 'W')
            {
                pos = AddEscaped(pattern, pos, set);
                continue;
            }
            var from = pos;
            var low = Member(pattern, ref pos, open);
            var high = low;
            if (pos + 1 < pattern.Length && pattern[pos] == '-' && pattern[pos + 1] != ']')
            {
                pos++;
                high = Member(pattern, ref pos, open);
                if (high < low) throw Re2Translator.Failure("invalid character class range", pattern[from..pos]);
            }
            set.Add(low.Value, high.Value);
        }
        pos++;
        return set;
    }

    /// <summary>Adds the class that an escape with one of the letters p, d, s and w stands for, in upper case what is not in it; returns the place behind it.</summary>
    /// <exception cref="FormatException">There is no such group of characters.</exception>
    public static int AddEscaped(string pattern, int at, Re2Class set)
    {
        var letter = pattern[at + 1];
        if (letter is not ('p' or 'P'))
        {
            var members = char.ToLowerInvariant(letter) switch { 'd' => PosixClasses["digit"], 's' => Blanks, _ => PosixClasses["word"] };
            set.Add(members, char.IsAsciiLetterUpper(letter));
            return at + 2;
        }
        var negated = letter == 'P';
        var end = at + 3;
        if (at + 2 >= pattern.Length) throw Re2Translator.Failure("invalid character class range", pattern[at..]);
        var group = pattern[(at + 2)..end];
        if (group == "{")
        {
            end = pattern.IndexOf('}', at) + 1;
            if (end == 0) throw Re2Translator.Failure("invalid character class range", pattern[at..]);
            group = pattern[(at + 3)..(end - 1)];
        }
        if (group.StartsWith('^')) (negated, group) = (!negated, group[1..]);
        set.Add(UnicodeGroups.Find(group) ?? throw Re2Translator.Failure("invalid character class range", pattern[at..end]), negated);
        return end;
    }

    /// <summary>The character that an escape stands for.</summary>
    /// <exception cref="FormatException">It stands for none.</exception>
    public static Rune Escaped(string pattern, ref int pos)
    {
        var at = pos;
        if (++pos >= pattern.Length) throw Re2Translator.Failure("trailing backslash at end of expression", "");
        var rune = Rune.GetRuneAt(pattern, pos);
        pos += rune.Utf16SequenceLength;
        var c = rune.IsAscii ? (char)rune.Value : '\uFFFF';
        switch (c)
        {
            case >= '0' and <= '7':
                // A digit alone would be what a group found, but for 0.
                if (c != '0' && !IsOctal(pattern, pos)) break;
                var octal = c - '0';
                for (var i = 1; i < 3 && IsOctal(pattern, pos); i++) octal = octal * 8 + (pattern[pos++] - '0');
                return new Rune(octal);
            case 'x':
                if (Hexadecimal(pattern, ref pos) is { } value) return value;
                break;
            case 'a': return new Rune('\a');
            case 'f': return new Rune('\f');
            case 'n': return new Rune('\n');
            case 'r': return new Rune('\r');
            case 't': return new Rune('\t');
            case 'v': return new Rune('\v');
            default:
                if (c < 0x80 && !char.IsAsciiLetterOrDigit(c)) return rune;
                break;
        }
        throw Re2Translator.Failure("invalid escape sequence", pattern[at..pos]);
    }

    /// <summary>[:name:] and [:^name:].</summary>
    private static bool AddNamed(string pattern, ref int pos, Re2Class set)
    {
        if (string.CompareOrdinal(pattern, pos, "[:", 0, 2) != 0) return false;
        var end = pattern.IndexOf(":]", pos + 2, StringComparison.Ordinal);
        if (end < 0) return false;
        var name = pattern[(pos + 2)..end];
        var negated = name.StartsWith('^');
        if (!PosixClasses.TryGetValue(negated ? name[1..] : name, out var ranges)) throw Re2Translator.Failure("invalid character class range", pattern[pos..(end + 2)]);
        set.Add(ranges, negated);
        pos = end + 2;
        return true;
    }

    private static Rune Member(string pattern, ref int pos, int open)
    {
        if (pos >= pattern.Length) throw Re2Translator.Failure("missing closing ]", pattern[open..]);
        if (pattern[pos] == '\\') return Escaped(pattern, ref pos);
        var rune = Rune.GetRuneAt(pattern, pos);
        pos += rune.Utf16SequenceLength;
        return rune;
    }

    private static bool IsOctal(string pattern, int at) => at < pattern.Length && pattern[at] is >= '0' and <= '7';

    /// <summary>Two digits, or any number of them in braces.</summary>
    private static Rune? Hexadecimal(string pattern, ref int pos)
    {
        if (pos >= pattern.Length) return null;
        var value = 0;
        if (pattern[pos] != '{')
        {
            var first = pos++;
            if (pos >= pattern.Length) return null;
            pos += Rune.GetRuneAt(pattern, pos).Utf16SequenceLength;
            return byte.TryParse(pattern.AsSpan(first, pos - first), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var both) ? new Rune(both) : null;
        }
        var digits = 0;
        for (pos++; pos < pattern.Length; digits++)
        {
            var c = pattern[pos++];
            if (c == '}') return digits > 0 && Rune.IsValid(value) ? new Rune(value) : null;
            if (!char.IsAsciiHexDigit(c)) return null;
            value = value * 16 + int.Parse([c], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
            if (value > 0x10FFFF) return null;
        }
        return null;
    }
}

using System.Globalization;
using System.Text;

namespace Vigil.Metrics.PromQL;

/// <summary>
/// Rewrites a pattern of RE2, as Go's regexp/syntax reads it with the flags Perl and DotNL, in .NET's syntax. What it takes and refuses is what Go does, with Go's
/// messages (syntax: github.com/google/re2/wiki/Syntax). Characters are Unicode's, not UTF-16's. One difference is left: \b goes by letters of all scripts, not
/// by ASCII's.
/// </summary>
internal sealed class Re2Translator(string pattern)
{
    /// <summary>The highest count in braces, and the highest product of such counts within each other.</summary>
    private const int MaxRepeat = 1000;

    /// <summary>How deep groups may nest.</summary>
    private const int MaxDepth = 250;

    private readonly StringBuilder output = new(pattern.Length + 16);
    private readonly Stack<(Flags Outer, int At, int Weight)> groups = new();
    private readonly List<(string Name, int Group)> names = [];
    private Flags flags = Flags.DotAll;
    private int pos;
    private int captures;

    /// <summary>Where the last piece stands in the output, which a repetition is of; -1 where there is none.</summary>
    private int pieceAt = -1;

    /// <summary>The last piece as UTF-16 units: as good as by characters in a repetition without end, and simpler.</summary>
    private string? pieceUnits;

    private int pieceWeight = 1;
    private int groupWeight = 1;

    [Flags]
    private enum Flags
    {
        None = 0,
        FoldCase = 1,
        MultiLine = 2,
        DotAll = 4,
        Ungreedy = 8,
    }

    /// <summary>The groups that have a name. All groups are numbered from left to right, which .NET does not do with named ones.</summary>
    public IReadOnlyList<(string Name, int Group)> Names => names;

    /// <exception cref="FormatException">The pattern is not RE2.</exception>
    public string Translate()
    {
        if (!GoText.IsValidUtf8(pattern)) throw Failure("invalid UTF-8", pattern);
        int? lastRepeat = null;
        while (pos < pattern.Length)
        {
            var (at, c) = (pos, pattern[pos]);
            int? repeat = null;
            switch (c)
            {
                case '(':
                    Open();
                    break;
                case ')':
                    pos++;
                    Close();
                    break;
                case '|':
                    pos++;
                    output.Append('|');
                    NoPiece();
                    break;
                case '[':
                    Piece(Re2ClassReader.Read(pattern, ref pos));
                    break;
                case '.':
                    pos++;
                    Piece(flags.HasFlag(Flags.DotAll) ? new Re2Class { IsNegated = true } : Re2Class.Of(new Rune('\n'), isNegated: true));
                    break;
                case '^' or '$':
                    pos++;
                    Piece(flags.HasFlag(Flags.MultiLine) ? $"(?m:{c})" : c == '^' ? @"\A" : @"\z");
                    break;
                case '*' or '+' or '?':
                    pos++;
                    Repeat(c, 0, 0, at, lastRepeat);
                    repeat = at;
                    break;
                case '{' when Counts() is var (min, max):
                    Repeat('{', min, max, at, lastRepeat);
                    repeat = at;
                    break;
                case '\\':
                    Escape();
                    break;
                default:
                    Literal(NextRune());
                    break;
            }
            lastRepeat = repeat;
        }
        return groups.Count == 0 ? output.ToString() : throw Failure("missing closing )", pattern);
    }

    private void Piece(string text, string? units = null, int weight = 1)
    {
        pieceAt = output.Length;
        (pieceUnits, pieceWeight) = (units, weight);
        groupWeight = Math.Max(groupWeight, weight);
        output.Append(text);
    }

    private void Piece(Re2Class set)
    {
        var (runes, units) = set.Write(flags.HasFlag(Flags.FoldCase));
        Piece(runes, units);
    }

    private void NoPiece() => (pieceAt, pieceUnits, pieceWeight) = (-1, null, 1);

    private void Literal(Rune rune)
    {
        if (flags.HasFlag(Flags.FoldCase) && Rune.IsLetter(rune)) Piece(Re2Class.Of(rune));
        else Piece(rune.IsBmp ? Re2Class.Literal(rune) : $"(?:{Re2Class.Literal(rune)})");
    }

    private void Open()
    {
        var (at, outer) = (pos, flags);
        if (groups.Count == MaxDepth) throw Failure("expression nests too deeply", pattern);
        var named = string.CompareOrdinal(pattern, pos, "(?P<", 0, 4) == 0 ? 4 : string.CompareOrdinal(pattern, pos, "(?<", 0, 3) == 0 ? 3 : 0;
        if (named > 0)
        {
            var end = pattern.IndexOf('>', pos);
            if (end < 0) throw Failure("invalid named capture", pattern[at..]);
            var name = pattern[(pos + named)..end];
            if (!name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_') || name.Length == 0) throw Failure("invalid named capture", pattern[at..(end + 1)]);
            names.Add((name, captures + 1));
            pos = end + 1;
        }
        else if (pos + 1 < pattern.Length && pattern[pos + 1] == '?')
        {
            pos += 2;
            // Flags alone hold for the rest of the group, and are no piece of it.
            if (!OpensGroup(at)) return;
            groups.Push((outer, output.Length, groupWeight));
            output.Append("(?:");
            groupWeight = 1;
            NoPiece();
            return;
        }
        else
        {
            pos++;
        }
        captures++;
        groups.Push((outer, output.Length, groupWeight));
        output.Append('(');
        groupWeight = 1;
        NoPiece();
    }

    /// <summary>Reads the flags behind "(?", and whether they open a group.</summary>
    private bool OpensGroup(int at)
    {
        var (on, off, negated, any) = (Flags.None, Flags.None, false, false);
        while (pos < pattern.Length)
        {
            var c = pattern[pos];
            pos += char.IsHighSurrogate(c) ? 2 : 1;
            var flag = c switch
            {
                'i' => Flags.FoldCase,
                'm' => Flags.MultiLine,
                's' => Flags.DotAll,
                'U' => Flags.Ungreedy,
                _ => Flags.None,
            };
            if (flag != Flags.None)
            {
                if (negated) off |= flag;
                else on |= flag;
                any = true;
            }
            else if (c == '-' && !negated)
            {
                (negated, any) = (true, false);
            }
            else if (c is ':' or ')' && (any || !negated))
            {
                flags = (flags | on) & ~off;
                return c == ':';
            }
            else
            {
                throw Failure("invalid or unsupported Perl syntax", pattern[at..pos]);
            }
        }
        throw Failure("missing closing )", pattern);
    }

    private void Close()
    {
        if (!groups.TryPop(out var group)) throw Failure("unexpected )", pattern);
        output.Append(')');
        (flags, pieceAt, pieceUnits, pieceWeight) = (group.Outer, group.At, null, groupWeight);
        groupWeight = Math.Max(group.Weight, groupWeight);
    }

    /// <summary>Reads {n}, {n,} or {n,m}; null, and nothing is read, where the brace stands for itself. -1: no number, or one that is too large.</summary>
    private (int Min, int Max)? Counts()
    {
        var at = pos + 1;
        if (Count(ref at) is not { } min) return null;
        var max = min;
        if (at < pattern.Length && pattern[at] == ',')
        {
            at++;
            if (at < pattern.Length && pattern[at] == '}') max = -1;
            else if (Count(ref at) is { } given) max = given >= 0 ? given : MaxRepeat + 1;
            else return null;
        }
        if (at >= pattern.Length || pattern[at] != '}') return null;
        var start = pos;
        pos = at + 1;
        return min is >= 0 and <= MaxRepeat && max <= MaxRepeat && (max < 0 || min <= max) ? (min, max) : throw Failure("invalid repeat count", pattern[start..pos]);
    }

    private int? Count(ref int at)
    {
        var from = at;
        while (at < pattern.Length && char.IsAsciiDigit(pattern[at])) at++;
        if (at == from || (at > from + 1 && pattern[from] == '0')) return null;
        return int.TryParse(pattern.AsSpan(from, at - from), NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count < 100_000_000 ? count : -1;
    }

    private void Repeat(char op, int min, int max, int at, int? lastRepeat)
    {
        var lazy = pos < pattern.Length && pattern[pos] == '?';
        if (lazy) pos++;
        if (lastRepeat is { } last) throw Failure("invalid nested repetition operator", pattern[last..pos]);
        if (pieceAt < 0) throw Failure("missing argument to repetition operator", pattern[at..pos]);
        var mark = lazy != flags.HasFlag(Flags.Ungreedy) ? "?" : "";
        var weight = pieceWeight;
        if (op == '{')
        {
            var times = max > 0 ? max : min;
            weight = times > 0 ? pieceWeight * times : 1;
            if (times >= 2 && weight > MaxRepeat) throw Failure("invalid repeat count", pattern[at..pos]);
        }
        var piece = output.ToString(pieceAt, output.Length - pieceAt);
        output.Length = pieceAt;
        var counts = op != '{' ? op.ToString() : max < 0 ? $"{{{min},}}" : string.Create(CultureInfo.InvariantCulture, $"{{{min},{max}}}");
        Piece((op, pieceUnits) switch
        {
            ('*', { } units) => $"(?:{units})*{mark}",
            ('+', { } units) => $"(?:{piece}(?:{units})*{mark})",
            _ => $"(?:{piece}){counts}{mark}",
        }, null, weight);
        // Only what has not been repeated yet can be.
        pieceUnits = null;
    }

    private void Escape()
    {
        var at = pos;
        var c = pos + 1 < pattern.Length ? pattern[pos + 1] : '\0';
        switch (c)
        {
            case 'A' or 'z' or 'b' or 'B':
                pos += 2;
                Piece($@"\{c}");
                break;
            case 'C':
                throw Failure("invalid escape sequence", @"\C");
            case 'Q':
                var end = pattern.IndexOf(@"\E", pos + 2, StringComparison.Ordinal);
                pos += 2;
                while (pos < (end < 0 ? pattern.Length : end)) Literal(NextRune());
                if (end >= 0) pos = end + 2;
                break;
            case 'p' or 'P' or 'd' or 'D' or 's' or 'S' or 'w' or 'W':
                var set = new Re2Class();
                pos = Re2ClassReader.AddEscaped(pattern, at, set);
                Piece(set);
                break;
            default:
                Literal(Re2ClassReader.Escaped(pattern, ref pos));
                break;
        }
    }

    private Rune NextRune()
    {
        var rune = Rune.GetRuneAt(pattern, pos);
        pos += rune.Utf16SequenceLength;
        return rune;
    }

    /// <summary>What is wrong, in Go's words.</summary>
    public static FormatException Failure(string what, string where) => new($"error parsing regexp: {what}: `{where}`");
}

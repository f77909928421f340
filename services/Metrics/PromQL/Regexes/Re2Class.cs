using System.Globalization;
using System.Text;

namespace Vigil.Metrics.PromQL;

/// <summary>A set of characters, and how .NET's regular expressions, which know UTF-16 units only, write it: characters above U+FFFF as pairs of units.</summary>
internal sealed class Re2Class
{
    private const int FirstOfPairs = 0x10000;
    private const int Last = 0x10FFFF;

    private readonly List<(int Low, int High)> ranges = [];

    /// <summary>It is what is not in it.</summary>
    public bool IsNegated { get; set; }

    public static Re2Class Of(Rune rune, bool isNegated = false)
    {
        var set = new Re2Class { IsNegated = isNegated };
        set.Add(rune.Value, rune.Value);
        return set;
    }

    /// <summary>A character outside of a class.</summary>
    public static string Literal(Rune rune) =>
        rune.IsAscii && char.IsAsciiLetterOrDigit((char)rune.Value) ? rune.ToString() : string.Concat(rune.ToString().Select(static c => Unit(c)));

    /// <summary>Adds all characters from one to another.</summary>
    public void Add(int low, int high) => ranges.Add((low, high));

    /// <summary>Adds ranges, or all that is in none of them.</summary>
    public void Add(IEnumerable<(int Low, int High)> some, bool negated) => ranges.AddRange(negated ? Complement(some) : some);

    /// <summary>What matches one of the characters, and what matches one unit of them: null where halves of pairs cannot stand for all pairs.</summary>
    public (string Runes, string? Units) Write(bool foldCase)
    {
        var set = foldCase ? Merge(CaseFolding.Close(ranges)) : Merge(ranges);
        if (IsNegated) set = Complement(set);
        // Halves of pairs are no characters.
        set = Complement([.. Complement(set), (0xD800, 0xDFFF)]);
        var plain = new StringBuilder();
        var alternatives = new List<string>();
        foreach (var (low, high) in set)
        {
            if (low < FirstOfPairs) plain.Append(Unit(low)).Append('-').Append(Unit(Math.Min(high, FirstOfPairs - 1)));
            if (high >= FirstOfPairs) AddPairs(alternatives, Math.Max(low, FirstOfPairs), high);
        }
        if (alternatives.Count == 0) return (plain.Length == 0 ? @"[^\s\S]" : $"[{plain}]", null);
        var allPairs = set[^1] is { Low: <= FirstOfPairs, High: Last };
        if (plain.Length > 0) alternatives.Insert(0, $"[{plain}]");
        return ($"(?:{string.Join('|', alternatives)})", allPairs ? $@"[{plain}\uD800-\uDFFF]" : null);
    }

    private static void AddPairs(List<string> alternatives, int low, int high)
    {
        var (first, last) = (new Rune(low).ToString(), new Rune(high).ToString());
        var (from, to) = (first[0], last[0]);
        if (from == to)
        {
            alternatives.Add($"{Unit(from)}[{Unit(first[1])}-{Unit(last[1])}]");
            return;
        }
        if (first[1] != '\uDC00') alternatives.Add($@"{Unit(from++)}[{Unit(first[1])}-\uDFFF]");
        var tail = last[1] == '\uDFFF' ? null : $@"{Unit(to--)}[\uDC00-{Unit(last[1])}]";
        if (from <= to) alternatives.Add($@"[{Unit(from)}-{Unit(to)}][\uDC00-\uDFFF]");
        if (tail is not null) alternatives.Add(tail);
    }

    private static string Unit(int unit) => string.Create(CultureInfo.InvariantCulture, $"\\u{unit:X4}");

    private static List<(int Low, int High)> Merge(IEnumerable<(int Low, int High)> some)
    {
        var merged = new List<(int Low, int High)>();
        foreach (var range in some.Order())
        {
            if (merged.Count > 0 && range.Low <= merged[^1].High + 1) merged[^1] = (merged[^1].Low, Math.Max(merged[^1].High, range.High));
            else merged.Add(range);
        }
        return merged;
    }

    private static List<(int Low, int High)> Complement(IEnumerable<(int Low, int High)> some)
    {
        var (others, next) = (new List<(int, int)>(), 0);
        foreach (var (low, high) in Merge(some))
        {
            if (low > next) others.Add((next, low - 1));
            next = high + 1;
        }
        if (next <= Last) others.Add((next, Last));
        return others;
    }
}

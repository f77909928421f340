using System.Text;

namespace Vigil.Metrics.PromQL;

/// <summary>Characters that differ in case only, by Unicode's simple case folding.</summary>
internal static class CaseFolding
{
    /// <summary>All characters that fold to the same one, by each of them that is not alone.</summary>
    private static readonly Lazy<Dictionary<int, int[]>> Orbits = new(ReadOrbits);

    /// <summary>The ranges, and all that differs in case only from what is in them.</summary>
    public static IEnumerable<(int Low, int High)> Close(IReadOnlyList<(int Low, int High)> ranges)
    {
        foreach (var range in ranges) yield return range;
        foreach (var (rune, others) in Orbits.Value)
        {
            if (!ranges.Any(r => rune >= r.Low && rune <= r.High)) continue;
            foreach (var other in others) yield return (other, other);
        }
    }

    private static Dictionary<int, int[]> ReadOrbits()
    {
        // .NET's invariant mapping leaves these alone: small letter long s, Kelvin sign, Ångström sign, Ohm sign.
        var folds = new Dictionary<int, int> { [0x17F] = 's', [0x212A] = 'k', [0x212B] = 0xE5, [0x2126] = 0x3C9 };
        return Enumerable.Range(0, 0x1F000).Where(Rune.IsValid)
            .GroupBy(value => folds.TryGetValue(value, out var known) ? known : Rune.ToLowerInvariant(Rune.ToUpperInvariant(new Rune(value))).Value)
            .Where(static g => g.Skip(1).Any()).SelectMany(static g => g.Select(member => (member, g.ToArray()))).ToDictionary();
    }
}

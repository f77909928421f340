using System.Diagnostics.CodeAnalysis;
using System.Text;
using Orleans;
using Vigil.Metrics.PromQL;

namespace Vigil.Metrics.Series;

/// <summary>One label of a series.</summary>
internal readonly record struct Label(string Name, string Value);

/// <summary>
/// The identity of a series: its labels, sorted by name (ordinal), no name twice, no empty value. The metric name, where there
/// is one, is the label <see cref="NameLabel"/>. Immutable; equality is by content.
/// </summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.LabelSet")]
internal sealed class LabelSet : IEquatable<LabelSet>
{
    /// <summary>The label that carries the metric name.</summary>
    public const string NameLabel = "__name__";

    /// <summary>No labels at all.</summary>
    public static readonly LabelSet Empty = new([]);

    // Name, value, name, value, ...: one array keeps a set at two objects.
    [Id(0)] private readonly string[] pairs;
    [NonSerialized] private ulong hash;

    private LabelSet(string[] pairs) => this.pairs = pairs;

    /// <summary>Number of labels.</summary>
    public int Count => pairs.Length / 2;

    /// <summary>The label at <paramref name="index"/>, in order of names.</summary>
    public Label this[int index] => new(pairs[2 * index], pairs[2 * index + 1]);

    /// <summary>The metric name, or an empty text.</summary>
    public string Name => Get(NameLabel);

    /// <summary>
    /// A hash that is the same in every process and release (FNV-1a, 64 bits, over names and values in UTF-8, with its bits mixed at the end): series are
    /// spread over shards by it.
    /// </summary>
    public ulong Hash => hash != 0 ? hash : hash = ComputeHash();

    /// <summary>Sorts, drops empty values (an empty label is an absent label), and refuses a name that comes twice.</summary>
    /// <exception cref="ArgumentException">A name occurs twice.</exception>
    public static LabelSet Create(IEnumerable<Label> labels)
    {
        var sorted = labels.Where(l => l.Value.Length > 0).ToArray();
        Array.Sort(sorted, static (a, b) => string.CompareOrdinal(a.Name, b.Name));
        var pairs = new string[sorted.Length * 2];
        for (var i = 0; i < sorted.Length; i++)
        {
            if (i > 0 && sorted[i].Name == sorted[i - 1].Name)
                throw new ArgumentException($"label \"{sorted[i].Name}\" is given twice", nameof(labels));
            pairs[2 * i] = sorted[i].Name;
            pairs[2 * i + 1] = sorted[i].Value;
        }
        return pairs.Length == 0 ? Empty : new LabelSet(pairs);
    }

    /// <summary>Labels from name, value, name, value, ...</summary>
    public static LabelSet Of(params ReadOnlySpan<string> namesAndValues)
    {
        var labels = new Label[namesAndValues.Length / 2];
        for (var i = 0; i < labels.Length; i++) labels[i] = new Label(namesAndValues[2 * i], namesAndValues[2 * i + 1]);
        return Create(labels);
    }

    /// <summary>Takes pairs that <see cref="Pairs"/> gave: already sorted and unique. Nothing is checked.</summary>
    public static LabelSet FromSortedPairs(string[] pairs) => pairs.Length == 0 ? Empty : new LabelSet(pairs);

    /// <summary>Name, value, name, value, ..., sorted by name.</summary>
    public ReadOnlySpan<string> Pairs => pairs;

    /// <summary>The value of a label, or an empty text where it is absent: PromQL does not tell the two apart.</summary>
    public string Get(string name) => TryGet(name, out var value) ? value : "";

    /// <summary>The value of a label that is there.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out string? value)
    {
        // Sets are small (a handful of labels): a linear scan beats a binary search with ordinal comparisons.
        for (var i = 0; i < pairs.Length; i += 2)
        {
            if (string.Equals(pairs[i], name, StringComparison.Ordinal))
            {
                value = pairs[i + 1];
                return true;
            }
        }
        value = null;
        return false;
    }

    /// <summary>The same labels without one.</summary>
    public LabelSet Without(string name) => TryGet(name, out _) ? Keep(l => l.Name != name) : this;

    /// <summary>The same labels with one set to a value; an empty value removes it.</summary>
    public LabelSet With(string name, string value) => Create(AsLabels().Where(l => l.Name != name).Append(new Label(name, value)));

    /// <summary>The labels that <paramref name="keep"/> holds for.</summary>
    public LabelSet Keep(Func<Label, bool> keep)
    {
        var kept = new List<string>(pairs.Length);
        for (var i = 0; i < pairs.Length; i += 2)
        {
            if (!keep(new Label(pairs[i], pairs[i + 1]))) continue;
            kept.Add(pairs[i]);
            kept.Add(pairs[i + 1]);
        }
        return kept.Count == pairs.Length ? this : FromSortedPairs([.. kept]);
    }

    /// <summary>The labels one by one, in order of names.</summary>
    public IEnumerable<Label> AsLabels()
    {
        for (var i = 0; i < pairs.Length; i += 2) yield return new Label(pairs[i], pairs[i + 1]);
    }

    /// <inheritdoc/>
    public bool Equals(LabelSet? other)
    {
        if (ReferenceEquals(this, other)) return true;
        return other is not null && other.pairs.Length == pairs.Length && other.Hash == Hash && Pairs.SequenceEqual(other.Pairs);
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as LabelSet);

    /// <inheritdoc/>
    public override int GetHashCode() => Hash.GetHashCode();

    /// <summary>As PromQL writes it: name{label="value",...}.</summary>
    public override string ToString()
    {
        var quoted = Name.Length > 0 && !LabelNames.IsLegacyMetric(Name);
        var text = quoted ? new StringBuilder("{").Append(GoText.Quote(Name)) : new StringBuilder(Name);
        var first = !quoted;
        foreach (var (name, value) in AsLabels())
        {
            if (name == NameLabel) continue;
            text.Append(first ? '{' : ',').Append(LabelNames.Write(name)).Append("=\"").Append(Escape(value)).Append('"');
            first = false;
        }
        if (!first) text.Append('}');
        return text.Length == 0 ? "{}" : text.ToString();
    }

    private static string Escape(string value) =>
        value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    private ulong ComputeHash()
    {
        const ulong Prime = 0x100000001b3;
        var value = 0xcbf29ce484222325;
        Span<byte> small = stackalloc byte[256];
        foreach (var text in pairs)
        {
            var bytes = Encoding.UTF8.TryGetBytes(text, small, out var written) ? small[..written] : Encoding.UTF8.GetBytes(text);
            foreach (var b in bytes) value = (value ^ b) * Prime;
            // 0xff occurs in no UTF-8 text: "ab","c" and "a","bc" hash apart.
            value = (value ^ 0xff) * Prime;
        }
        // FNV's low bits are weak, and shards are picked by remainder: the finaliser of MurmurHash3 spreads them.
        value = (value ^ (value >> 33)) * 0xff51afd7ed558ccd;
        value = (value ^ (value >> 33)) * 0xc4ceb9fe1a85ec53;
        value ^= value >> 33;
        // Zero stands for "not computed yet".
        return value == 0 ? 1 : value;
    }
}

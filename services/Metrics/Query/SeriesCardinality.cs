using System.Runtime.InteropServices;
using System.Text;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Query;

/// <summary>Counts which metrics and labels make how many series: what to look at when there are too many.</summary>
internal sealed class SeriesCardinality
{
    private readonly Dictionary<string, long> metrics = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Name, string Value), long> pairs = [];

    /// <summary>Different pairs of label name and value.</summary>
    public int Pairs => pairs.Count;

    /// <summary>Counts one series.</summary>
    public void Add(LabelSet labels)
    {
        CollectionsMarshal.GetValueRefOrAddDefault(metrics, labels.Name, out _)++;
        foreach (var (name, value) in labels.AsLabels()) CollectionsMarshal.GetValueRefOrAddDefault(pairs, (name, value), out _)++;
    }

    /// <summary>Metrics with the most series.</summary>
    public IEnumerable<KeyValuePair<string, long>> SeriesByMetric(int most) => Top(metrics, most);

    /// <summary>Labels with the most different values.</summary>
    public IEnumerable<KeyValuePair<string, long>> ValuesByLabel(int most) => Top(pairs.Keys.CountBy(p => p.Name), most);

    /// <summary>Labels whose values are longest together, in bytes of UTF-8, each value counted once.</summary>
    public IEnumerable<KeyValuePair<string, long>> BytesByLabel(int most) =>
        Top(pairs.Keys.GroupBy(p => p.Name, (name, all) => KeyValuePair.Create(name, all.Sum(p => (long)Encoding.UTF8.GetByteCount(p.Value)))), most);

    /// <summary>Pairs of label name and value that the most series have, as <c>name=value</c>.</summary>
    public IEnumerable<KeyValuePair<string, long>> SeriesByPair(int most) => Top(pairs.Select(p => KeyValuePair.Create($"{p.Key.Name}={p.Key.Value}", p.Value)), most);

    private static IEnumerable<KeyValuePair<string, long>> Top(IEnumerable<KeyValuePair<string, int>> counts, int most) => Top(counts.Select(c => KeyValuePair.Create(c.Key, (long)c.Value)), most);

    private static IEnumerable<KeyValuePair<string, long>> Top(IEnumerable<KeyValuePair<string, long>> counts, int most) =>
        counts.OrderByDescending(c => c.Value).ThenBy(c => c.Key, StringComparer.Ordinal).Take(most);
}

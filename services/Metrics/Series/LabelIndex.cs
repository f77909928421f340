using System.Diagnostics.CodeAnalysis;

namespace Vigil.Metrics.Series;

/// <summary>The numbers of the series that have one value of a label, rising as far as they were added so.</summary>
/// <param name="name">The label's name.</param>
/// <param name="value">Its value.</param>
internal sealed class Posting(string name, string value)
{
    private int[] ids = [];
    private int count;

    /// <summary>Which series share, instead of having a text of their own each.</summary>
    public string Name => name;

    /// <inheritdoc cref="Name"/>
    public string Value => value;

    public ReadOnlySpan<int> Ids => ids.AsSpan(0, count);

    public void Add(int id)
    {
        // By a quarter: there are several of these a series.
        if (count == ids.Length) Array.Resize(ref ids, count + Math.Max(1, count / 4));
        ids[count++] = id;
    }

    public void Remove(int id)
    {
        var at = Ids.BinarySearch(id);
        // Series that are restored from the journal may come out of order.
        if (at < 0) at = Ids.IndexOf(id);
        if (at < 0) return;
        Array.Copy(ids, at + 1, ids, at, --count - at);
        if (count < ids.Length / 2) Array.Resize(ref ids, count);
    }
}

/// <summary>Series by label, and the texts of labels, each once.</summary>
internal sealed class LabelIndex
{
    private readonly Dictionary<string, Dictionary<string, Posting>> names = new(StringComparer.Ordinal);

    /// <summary>The label names that occur.</summary>
    public IReadOnlyCollection<string> Names => names.Keys;

    /// <summary>The values that a label has.</summary>
    public IReadOnlyCollection<string> Values(string label) => names.TryGetValue(label, out var values) ? values.Keys : [];

    /// <summary>Takes a series in; returns the same labels with texts that are shared.</summary>
    public LabelSet Add(LabelSet labels, int id)
    {
        var pairs = new string[labels.Pairs.Length];
        for (var i = 0; i < pairs.Length; i += 2)
        {
            var posting = Of(labels.Pairs[i], labels.Pairs[i + 1]);
            posting.Add(id);
            (pairs[i], pairs[i + 1]) = (posting.Name, posting.Value);
        }
        return LabelSet.FromSortedPairs(pairs);
    }

    /// <summary>The series with the same metric name that was added before this one; 0 for none.</summary>
    public int Neighbour(LabelSet labels, int id) =>
        TryFind(LabelSet.NameLabel, labels.Name, out var posting) && posting.Ids is [.., var before, var last] && last == id ? before : 0;

    /// <summary>Forgets a series.</summary>
    public void Remove(LabelSet labels, int id)
    {
        foreach (var (name, value) in labels.AsLabels())
        {
            if (!TryFind(name, value, out var posting)) continue;
            posting.Remove(id);
            if (!posting.Ids.IsEmpty) continue;
            names[name].Remove(value);
            if (names[name].Count == 0) names.Remove(name);
        }
    }

    /// <summary>Lists, no series in two of them, that hold all series that the matchers can hold for; null where that may be any.</summary>
    public IEnumerable<Posting>? Candidates(IReadOnlyList<LabelMatcher> matchers)
    {
        Posting? best = null;
        LabelMatcher? regex = null;
        foreach (var matcher in matchers)
        {
            // Who takes the empty value also takes series without the label: no list holds those.
            if (matcher.MatchesEmpty) continue;
            if (matcher.Kind == MatchKind.Equal)
            {
                if (!TryFind(matcher.Name, matcher.Value, out var posting)) return [];
                if (best is null || posting.Ids.Length < best.Ids.Length) best = posting;
            }
            else if (matcher.Kind == MatchKind.Regex)
            {
                regex ??= matcher;
            }
        }
        if (best is not null) return [best];
        if (regex is null) return null;
        // Tests each value once instead of each series.
        return names.TryGetValue(regex.Name, out var all) ? all.Values.Where(p => regex.Matches(p.Value)) : [];
    }

    private bool TryFind(string name, string value, [NotNullWhen(true)] out Posting? posting)
    {
        posting = null;
        return names.TryGetValue(name, out var values) && values.TryGetValue(value, out posting);
    }

    private Posting Of(string name, string value)
    {
        if (TryFind(name, value, out var posting)) return posting;
        if (!names.TryGetValue(name, out var values)) names.Add(name, values = new Dictionary<string, Posting>(StringComparer.Ordinal));
        // The name as the others have it.
        var shared = values.Count > 0 ? values.Values.First().Name : name;
        values.Add(value, posting = new Posting(shared, value));
        return posting;
    }
}

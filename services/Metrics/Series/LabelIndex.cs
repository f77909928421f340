using System.Diagnostics.CodeAnalysis;

namespace Vigil.Metrics.Series;

/// <summary>A label, and the numbers of the series that have it, rising as far as they were added so.</summary>
/// <param name="number">Of the label in its index.</param>
/// <param name="name">The label's name.</param>
/// <param name="value">Its value.</param>
internal sealed class Posting(int number, string name, string value)
{
    // A label that only one series has is common: that one takes no array.
    private int only;
    private int[] ids = [];
    private int count;

    public int Number => number;

    public string Name => name;

    public string Value => value;

    public ReadOnlySpan<int> Ids => count == 1 ? new ReadOnlySpan<int>(in only) : ids.AsSpan(0, count);

    public void Add(int id)
    {
        if (count == 0)
        {
            (only, count) = (id, 1);
            return;
        }
        // By a quarter: there are several of these a series.
        if (count >= ids.Length) Array.Resize(ref ids, count + Math.Max(1, count / 4));
        if (count == 1) ids[0] = only;
        ids[count++] = id;
    }

    public void Remove(int id)
    {
        var at = Ids.BinarySearch(id);
        // Series that are restored from the journal may come out of order.
        if (at < 0) at = Ids.IndexOf(id);
        if (at < 0) return;
        count--;
        if (count == 0) return;
        Array.Copy(ids, at + 1, ids, at, count - at);
        if (count == 1) (only, ids) = (ids[0], []);
        else if (count < ids.Length / 2) Array.Resize(ref ids, count);
    }
}

/// <summary>Series by label. Each label, a name with a value, has its text once and a number, which series name it by.</summary>
internal sealed class LabelIndex
{
    private readonly Dictionary<string, Dictionary<string, Posting>> names = new(StringComparer.Ordinal);
    private readonly Stack<int> free = new();
    private Posting?[] byNumber = [];
    private int used;

    /// <summary>The label names that occur.</summary>
    public IReadOnlyCollection<string> Names => names.Keys;

    /// <summary>The values that a label has.</summary>
    public IReadOnlyCollection<string> Values(string label) => names.TryGetValue(label, out var values) ? values.Keys : [];

    /// <summary>The same, with the series that have each.</summary>
    public IReadOnlyCollection<Posting> Postings(string label) => names.TryGetValue(label, out var values) ? values.Values : [];

    /// <summary>Labels' numbers are below this.</summary>
    public int Numbers => used;

    /// <summary>The label with a number.</summary>
    public Posting At(int number) => byNumber[number]!;

    /// <summary>Takes a series in, and gives the numbers of its labels.</summary>
    public void Add(LabelSet labels, int id, Span<int> numbers)
    {
        for (var i = 0; i < numbers.Length; i++)
        {
            var posting = Of(labels.Pairs[2 * i], labels.Pairs[2 * i + 1]);
            posting.Add(id);
            numbers[i] = posting.Number;
        }
    }

    /// <summary>The labels with these numbers, which are in order of their names.</summary>
    public LabelSet ToLabels(ReadOnlySpan<int> numbers)
    {
        var pairs = new string[2 * numbers.Length];
        for (var i = 0; i < numbers.Length; i++)
        {
            var posting = byNumber[numbers[i]]!;
            (pairs[2 * i], pairs[2 * i + 1]) = (posting.Name, posting.Value);
        }
        return LabelSet.FromSortedPairs(pairs);
    }

    /// <summary>Whether the labels with these numbers are those.</summary>
    public bool Are(ReadOnlySpan<int> numbers, LabelSet labels)
    {
        if (numbers.Length != labels.Count) return false;
        for (var i = 0; i < numbers.Length; i++)
        {
            var posting = byNumber[numbers[i]]!;
            if (posting.Name != labels.Pairs[2 * i] || posting.Value != labels.Pairs[2 * i + 1]) return false;
        }
        return true;
    }

    /// <summary>Whether all matchers hold for a series with these labels.</summary>
    public bool AllMatch(IReadOnlyList<LabelMatcher> matchers, ReadOnlySpan<int> numbers)
    {
        for (var i = 0; i < matchers.Count; i++)
        {
            if (!matchers[i].Matches(ValueOf(matchers[i].Name, numbers))) return false;
        }
        return true;
    }

    /// <summary>The series with the same metric name that was added before this one; 0 for none.</summary>
    public int Neighbour(ReadOnlySpan<int> numbers, int id)
    {
        foreach (var number in numbers)
        {
            var posting = byNumber[number]!;
            if (posting.Name == LabelSet.NameLabel) return posting.Ids is [.., var before, var last] && last == id ? before : 0;
        }
        return 0;
    }

    /// <summary>Forgets a series.</summary>
    public void Remove(ReadOnlySpan<int> numbers, int id)
    {
        foreach (var number in numbers)
        {
            var posting = byNumber[number]!;
            posting.Remove(id);
            if (!posting.Ids.IsEmpty) continue;
            byNumber[number] = null;
            free.Push(number);
            names[posting.Name].Remove(posting.Value);
            if (names[posting.Name].Count == 0) names.Remove(posting.Name);
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

    private string ValueOf(string name, ReadOnlySpan<int> numbers)
    {
        foreach (var number in numbers)
        {
            var posting = byNumber[number]!;
            if (posting.Name == name) return posting.Value;
        }
        return "";
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
        if (!free.TryPop(out var number)) number = used++;
        if (number >= byNumber.Length) Array.Resize(ref byNumber, Math.Max(number + 1, byNumber.Length + Math.Max(16, byNumber.Length / 4)));
        values.Add(value, byNumber[number] = posting = new Posting(number, shared, value));
        return posting;
    }
}

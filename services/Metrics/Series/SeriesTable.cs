namespace Vigil.Metrics.Series;

/// <summary>What a series measures.</summary>
internal enum SeriesKind
{
    /// <summary>Not said.</summary>
    Unknown,

    /// <summary>May go up and down.</summary>
    Gauge,

    /// <summary>Cumulative; goes up, or starts again at zero.</summary>
    Counter,
}

/// <summary>One series of a service.</summary>
/// <param name="id">Its number in this table, from 1; never given to another series.</param>
/// <param name="labels">Its identity.</param>
/// <param name="kind">What it measures.</param>
/// <param name="unit">UCUM unit, or empty.</param>
/// <param name="help">A sentence for people, or empty.</param>
/// <param name="blocks">Memory for its samples.</param>
internal sealed class SeriesEntry(int id, LabelSet labels, SeriesKind kind, string unit, string help, BlockPool blocks)
{
    public int Id { get; } = id;

    public LabelSet Labels { get; } = labels;

    public SeriesKind Kind { get; } = kind;

    public string Unit { get; } = unit;

    public string Help { get; } = help;

    public SeriesBuffer Samples { get; } = new(blocks);

    /// <summary>Its native histograms; null where there never was one.</summary>
    public HistogramBuffer? Histograms { get; set; }

    /// <summary>Time of its newest sample of either kind; <see cref="long.MinValue"/> where there never was one.</summary>
    public long LastTime => Math.Max(Samples.LastTime, Histograms?.LastTime ?? long.MinValue);

    /// <summary>Its declaration is in the database.</summary>
    public bool DeclarationSaved { get; set; }

    /// <summary>Positions of the subscriptions that want to hear of this series; null where there are none.</summary>
    public int[]? Subscribers { get; set; }
}

/// <summary>The series of one service, by identity, by number and by label. Not safe for several threads.</summary>
internal sealed class SeriesTable
{
    private readonly Dictionary<LabelSet, SeriesEntry> byLabels = [];
    private readonly Dictionary<string, Dictionary<string, List<SeriesEntry>>> postings = new(StringComparer.Ordinal);
    private SeriesEntry?[] byId = new SeriesEntry?[16];

    /// <summary>Memory for samples, which the series share.</summary>
    public BlockPool Blocks { get; } = new();

    /// <summary>Number of series.</summary>
    public int Count => byLabels.Count;

    /// <summary>The number that the next new series gets.</summary>
    public int NextId { get; private set; } = 1;

    /// <summary>All series, in no particular order.</summary>
    public IEnumerable<SeriesEntry> All => byLabels.Values;

    /// <summary>The series with this number, or null.</summary>
    public SeriesEntry? Find(int id) => (uint)id < (uint)byId.Length ? byId[id] : null;

    /// <summary>The series with these labels, or null.</summary>
    public SeriesEntry? Find(LabelSet labels) => byLabels.GetValueOrDefault(labels);

    /// <summary>Adds a series that is not there yet, under the next number or, when restoring, under the one it had.</summary>
    public SeriesEntry Add(LabelSet labels, SeriesKind kind, string unit, string help, int id = 0)
    {
        if (id == 0) id = NextId;
        NextId = Math.Max(NextId, id + 1);
        var entry = new SeriesEntry(id, labels, kind, unit, help, Blocks);
        byLabels.Add(labels, entry);
        if (id >= byId.Length) Array.Resize(ref byId, Math.Max(id + 1, byId.Length * 2));
        byId[id] = entry;
        foreach (var (name, value) in labels.AsLabels()) Postings(name, value).Add(entry);
        return entry;
    }

    /// <summary>Never gives out numbers below this one: those of removed series stay theirs.</summary>
    public void ReserveIds(int nextId) => NextId = Math.Max(NextId, nextId);

    /// <summary>Forgets a series.</summary>
    public void Remove(SeriesEntry entry)
    {
        if (!byLabels.Remove(entry.Labels)) return;
        byId[entry.Id] = null;
        foreach (var (name, value) in entry.Labels.AsLabels())
        {
            var values = postings[name];
            var list = values[value];
            list.Remove(entry);
            if (list.Count == 0) values.Remove(value);
            if (values.Count == 0) postings.Remove(name);
        }
    }

    /// <summary>
    /// Adds the series for which all matchers hold to <paramref name="found"/>. Starts from the shortest list that some matcher
    /// gives, so that a selector by metric name does not look at every series.
    /// </summary>
    public void Find(IReadOnlyList<LabelMatcher> matchers, List<SeriesEntry> found)
    {
        var (candidates, usable) = Candidates(matchers);
        foreach (var entry in usable ? candidates : byLabels.Values)
        {
            if (LabelMatcher.AllMatch(matchers, entry.Labels)) found.Add(entry);
        }
    }

    /// <summary>The values that a label has here.</summary>
    public IReadOnlyCollection<string> Values(string label) =>
        postings.TryGetValue(label, out var values) ? values.Keys : [];

    /// <summary>The label names that occur here.</summary>
    public IReadOnlyCollection<string> Names => postings.Keys;

    private (IEnumerable<SeriesEntry> Candidates, bool Usable) Candidates(IReadOnlyList<LabelMatcher> matchers)
    {
        List<SeriesEntry>? best = null;
        LabelMatcher? regex = null;
        foreach (var matcher in matchers)
        {
            // Who takes the empty value also takes series without the label: no list holds those.
            if (matcher.MatchesEmpty) continue;
            if (matcher.Kind == MatchKind.Equal)
            {
                if (!postings.TryGetValue(matcher.Name, out var values) || !values.TryGetValue(matcher.Value, out var list)) return ([], true);
                if (best is null || list.Count < best.Count) best = list;
            }
            else if (matcher.Kind == MatchKind.Regex)
            {
                regex ??= matcher;
            }
        }
        if (best is not null) return (best, true);
        if (regex is null) return ([], false);
        // Tests each value once instead of each series.
        return postings.TryGetValue(regex.Name, out var all)
            ? (all.Where(v => regex.Matches(v.Key)).SelectMany(v => v.Value), true)
            : ([], true);
    }

    private List<SeriesEntry> Postings(string name, string value)
    {
        if (!postings.TryGetValue(name, out var values)) postings.Add(name, values = new Dictionary<string, List<SeriesEntry>>(StringComparer.Ordinal));
        if (!values.TryGetValue(value, out var list)) values.Add(value, list = []);
        return list;
    }
}

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
internal sealed class SeriesEntry(int id, LabelSet labels, SeriesKind kind, string unit, string help)
{
    public int Id { get; } = id;

    public LabelSet Labels { get; } = labels;

    public SeriesKind Kind { get; } = kind;

    public string Unit { get; } = unit;

    public string Help { get; } = help;

    public SeriesBuffer Samples { get; } = new();

    /// <summary>Its native histograms; null where there never was one.</summary>
    public HistogramBuffer? Histograms { get; set; }

    /// <summary>Time of its newest sample of either kind; <see cref="long.MinValue"/> where there never was one.</summary>
    public long LastTime => Math.Max(Samples.LastTime, Histograms?.LastTime ?? long.MinValue);

    /// <summary>Its declaration is in the database.</summary>
    public bool DeclarationSaved { get; set; }

    /// <summary>The bucket of a series: those of a bucket are stored together.</summary>
    public int Bucket => BucketOf(Id);

    /// <summary>The bucket of a series with this number.</summary>
    public static int BucketOf(int id) => id / BucketSize;

    /// <summary>Numbers in a bucket. So many make pages of some ten kilobytes, of which little is lost to the database's own.</summary>
    public const int BucketSize = 512;

    /// <summary>Positions of the subscriptions that want to hear of this series; null where there are none.</summary>
    public int[]? Subscribers { get; set; }
}

/// <summary>The series of one service, by identity, by number and by label. Not safe for several threads.</summary>
internal sealed class SeriesTable
{
    private readonly LabelIndex labels = new();
    private readonly IdentityIndex identities = new();
    private SeriesEntry?[] byId = new SeriesEntry?[16];

    /// <summary>Number of series.</summary>
    public int Count { get; private set; }

    /// <summary>The number that the next new series gets.</summary>
    public int NextId { get; private set; } = 1;

    /// <summary>All series, by number.</summary>
    public IEnumerable<SeriesEntry> All => byId.OfType<SeriesEntry>();

    /// <summary>The series of a bucket, by number.</summary>
    public IEnumerable<SeriesEntry> InBucket(int bucket)
    {
        var start = bucket * SeriesEntry.BucketSize;
        var end = Math.Min(start + SeriesEntry.BucketSize, byId.Length);
        for (var id = start; id < end; id++)
        {
            if (byId[id] is { } entry) yield return entry;
        }
    }

    /// <summary>The series with this number, or null.</summary>
    public SeriesEntry? Find(int id) => (uint)id < (uint)byId.Length ? byId[id] : null;

    /// <summary>The series with these labels, or null.</summary>
    public SeriesEntry? Find(LabelSet labels) => identities.Find(labels, byId);

    /// <summary>Adds a series that is not there yet, under the next number or, when restoring, under the one it had.</summary>
    public SeriesEntry Add(LabelSet labels, SeriesKind kind, string unit, string help, int id = 0)
    {
        if (id == 0) id = NextId;
        NextId = Math.Max(NextId, id + 1);
        var shared = this.labels.Add(labels, id);
        // Most series have the texts of the one before, as they come metric by metric or round and round.
        if (Find(this.labels.Neighbour(shared, id)) is { } like)
        {
            if (unit == like.Unit) unit = like.Unit;
            if (help == like.Help) help = like.Help;
        }
        var entry = new SeriesEntry(id, shared, kind, unit, help);
        if (id >= byId.Length) Array.Resize(ref byId, Math.Max(id + 1, byId.Length + byId.Length / 2));
        byId[id] = entry;
        Count++;
        identities.Add(entry, byId, Count);
        return entry;
    }

    /// <summary>Never gives out numbers below this one: those of removed series stay theirs.</summary>
    public void ReserveIds(int nextId) => NextId = Math.Max(NextId, nextId);

    /// <summary>Forgets a series.</summary>
    public void Remove(SeriesEntry entry)
    {
        if (Find(entry.Id) != entry) return;
        identities.Remove(entry, byId);
        byId[entry.Id] = null;
        Count--;
        labels.Remove(entry.Labels, entry.Id);
    }

    /// <summary>
    /// Adds the series for which all matchers hold to <paramref name="found"/>. Starts from the shortest list that some matcher
    /// gives, so that a selector by metric name does not look at every series.
    /// </summary>
    public void Find(IReadOnlyList<LabelMatcher> matchers, List<SeriesEntry> found)
    {
        if (labels.Candidates(matchers) is not { } candidates)
        {
            foreach (var entry in byId)
            {
                if (entry is not null && LabelMatcher.AllMatch(matchers, entry.Labels)) found.Add(entry);
            }
            return;
        }
        foreach (var list in candidates)
        {
            foreach (var id in list.Ids)
            {
                if (byId[id] is { } entry && LabelMatcher.AllMatch(matchers, entry.Labels)) found.Add(entry);
            }
        }
    }

    /// <summary>The values that a label has here.</summary>
    public IReadOnlyCollection<string> Values(string label) => labels.Values(label);

    /// <summary>The label names that occur here.</summary>
    public IReadOnlyCollection<string> Names => labels.Names;
}

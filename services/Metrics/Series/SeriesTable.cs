using System.Buffers;

namespace Vigil.Metrics.Series;

/// <summary>The series of one service, by identity, by number and by label. Not safe for several threads.</summary>
internal sealed class SeriesTable
{
    private readonly LabelIndex labels = new();
    private readonly IdentityIndex identities = new();
    private readonly CellMemory cells = new();
    private readonly PageMemory memory = new();
    private SeriesBucket?[] buckets = [];

    /// <summary>Number of series.</summary>
    public int Count { get; private set; }

    /// <summary>The number that the next new series gets.</summary>
    public int NextId { get; private set; } = 1;

    /// <summary>Samples in memory, native histograms not counted.</summary>
    public long Samples => buckets.Sum(b => b?.Samples ?? 0);

    /// <summary>The buckets that have series.</summary>
    public IEnumerable<SeriesBucket> Buckets => buckets.OfType<SeriesBucket>();

    /// <summary>A bucket, where it has series; null otherwise.</summary>
    public SeriesBucket? BucketOf(int number) => (uint)number < (uint)buckets.Length ? buckets[number] : null;

    /// <summary>All series, by number.</summary>
    public IEnumerable<SeriesEntry> All => Enumerable.Range(0, buckets.Length).SelectMany(InBucket);

    /// <summary>The series of a bucket, by number.</summary>
    public IEnumerable<SeriesEntry> InBucket(int bucket)
    {
        if (BucketOf(bucket) is not { } found) yield break;
        for (var place = 0; place < found.Slots.Length; place++)
        {
            if (found.Has(place)) yield return new SeriesEntry(found, place);
        }
    }

    /// <summary>Whether there is a series with this number; which.</summary>
    public bool TryFind(int id, out SeriesEntry entry)
    {
        var number = (uint)id / SeriesEntry.BucketSize;
        if (number < (uint)buckets.Length && buckets[number] is { } bucket && bucket.Has(id % SeriesEntry.BucketSize))
        {
            entry = new SeriesEntry(bucket, id % SeriesEntry.BucketSize);
            return true;
        }
        entry = default;
        return false;
    }

    /// <summary>The series with this number, or null.</summary>
    public SeriesEntry? Find(int id) => TryFind(id, out var entry) ? entry : null;

    /// <summary>The series with these labels, or null.</summary>
    public SeriesEntry? Find(LabelSet wanted)
    {
        var candidates = identities.With(wanted.Hash);
        while (candidates.Next(out var id))
        {
            if (labels.Are(NumbersOf(id), wanted)) return Find(id);
        }
        return null;
    }

    /// <summary>Adds a series that is not there yet, under the next number or, when restoring, under the one it had.</summary>
    public SeriesEntry Add(LabelSet added, SeriesKind kind, string unit, string help, int id = 0)
    {
        if (id == 0) id = NextId;
        NextId = Math.Max(NextId, id + 1);
        var numbers = ArrayPool<int>.Shared.Rent(added.Count);
        var mine = numbers.AsSpan(0, added.Count);
        labels.Add(added, id, mine);
        var bucket = BucketFor(id);
        bucket.Add(id % SeriesEntry.BucketSize, mine, MetadataOf(mine, id, new SeriesMetadata(kind, unit, help)));
        ArrayPool<int>.Shared.Return(numbers);
        identities.Add(added.Hash, id);
        Count++;
        return new SeriesEntry(bucket, id % SeriesEntry.BucketSize);
    }

    /// <summary>Gives memory back that a burst of samples took. Costs about a millisecond for ten thousand series.</summary>
    public void Compact()
    {
        if (!cells.IsWorthRenewing) return;
        var before = cells.Renew();
        foreach (var bucket in Buckets) bucket.MoveCells(before);
    }

    /// <summary>Never gives out numbers below this one: those of removed series stay theirs.</summary>
    public void ReserveIds(int nextId) => NextId = Math.Max(NextId, nextId);

    /// <summary>Forgets a series.</summary>
    public void Remove(SeriesEntry entry)
    {
        var id = entry.Id;
        if (!TryFind(id, out _)) return;
        identities.Remove(entry.Labels.Hash, id);
        labels.Remove(NumbersOf(id), id);
        var bucket = BucketFor(id);
        bucket.Remove(id % SeriesEntry.BucketSize);
        // The last one, where numbers go on, stays for those to come.
        if (bucket.Count == 0 && SeriesEntry.BucketOf(NextId) > SeriesEntry.BucketOf(id)) buckets[SeriesEntry.BucketOf(id)] = null;
        Count--;
    }

    /// <summary>
    /// Adds the series for which all matchers hold to <paramref name="found"/>. Starts from the shortest list that some matcher
    /// gives, so that a selector by metric name does not look at every series.
    /// </summary>
    public void Find(IReadOnlyList<LabelMatcher> matchers, List<SeriesEntry> found)
    {
        if (labels.Candidates(matchers) is not { } candidates)
        {
            foreach (var entry in All) AddMatching(entry.Id);
            return;
        }
        foreach (var list in candidates)
        {
            foreach (var id in list.Ids) AddMatching(id);
        }

        void AddMatching(int id)
        {
            if (TryFind(id, out var entry) && labels.AllMatch(matchers, NumbersOf(id))) found.Add(entry);
        }
    }

    /// <summary>The values that a label has here.</summary>
    public IReadOnlyCollection<string> Values(string label) => labels.Values(label);

    /// <summary>The values that a label has here, each with the series that have it.</summary>
    public IReadOnlyCollection<Posting> Postings(string label) => labels.Postings(label);

    /// <summary>The numbers of labels are below this.</summary>
    public int LabelNumbers => labels.Numbers;

    /// <summary>The label with a number.</summary>
    public Posting Label(int number) => labels.At(number);

    /// <summary>The numbers of a series' labels.</summary>
    public ReadOnlySpan<int> LabelsOf(SeriesEntry entry) => NumbersOf(entry.Id);

    /// <summary>The label names that occur here.</summary>
    public IReadOnlyCollection<string> Names => labels.Names;

    private ReadOnlySpan<int> NumbersOf(int id) => buckets[id / SeriesEntry.BucketSize]!.NumbersAt(id % SeriesEntry.BucketSize);

    private SeriesBucket BucketFor(int id)
    {
        var number = SeriesEntry.BucketOf(id);
        if (number >= buckets.Length) Array.Resize(ref buckets, Math.Max(number + 1, buckets.Length + buckets.Length / 2));
        return buckets[number] ??= new SeriesBucket(number * SeriesEntry.BucketSize, labels, cells, memory);
    }

    // Most series have the texts of the one before, as they come metric by metric or round and round.
    private SeriesMetadata MetadataOf(ReadOnlySpan<int> numbers, int id, SeriesMetadata metadata) =>
        TryFind(labels.Neighbour(numbers, id), out var like) && like.Metadata == metadata ? like.Metadata : metadata;
}

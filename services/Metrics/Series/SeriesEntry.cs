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

/// <summary>What was said of a series besides its labels. Series that say the same share one object.</summary>
/// <param name="Kind">What it measures.</param>
/// <param name="Unit">UCUM unit, or empty.</param>
/// <param name="Help">A sentence for people, or empty.</param>
internal sealed record SeriesMetadata(SeriesKind Kind, string Unit, string Help);

/// <summary>One series of a service: its place in a <see cref="SeriesTable"/>, good until it is removed. There is no object for each.</summary>
internal readonly record struct SeriesEntry
{
    /// <summary>Numbers in a bucket: its series lie together in memory, and are stored together. So many make pages of some ten kilobytes, of which little is lost to the database's own.</summary>
    public const int BucketSize = 512;

    private readonly SeriesBucket bucket;
    private readonly int place;

    public SeriesEntry(SeriesBucket bucket, int place) => (this.bucket, this.place) = (bucket, place);

    /// <summary>It was not removed since.</summary>
    public bool IsThere => bucket.Has(place);

    /// <summary>Its number in its table, from 1; never given to another series.</summary>
    public int Id => bucket.FirstId + place;

    /// <summary>Its identity; put together anew each time.</summary>
    public LabelSet Labels => bucket.LabelsAt(place);

    /// <summary>What was said of it.</summary>
    public SeriesMetadata Metadata => Slot.Metadata!;

    public SeriesKind Kind => Metadata.Kind;

    public string Unit => Metadata.Unit;

    public string Help => Metadata.Help;

    /// <summary>Its newest samples, where they are: not to be copied. The older ones are in its bucket's pages.</summary>
    public ref SeriesBuffer Samples => ref Slot.Samples;

    /// <summary>Where its newest samples have their bytes.</summary>
    public CellMemory Cells => bucket.Cells;

    /// <summary>Samples up to this moment may have left memory and are to be looked for in the database.</summary>
    public long EvictedThrough => Math.Min(bucket.Pages.EvictedThrough, Samples.SealedThrough);

    /// <summary>Its native histograms; null where there never was one.</summary>
    public HistogramBuffer? Histograms
    {
        get => bucket.Histograms?[place];
        set => SeriesBucket.Column(ref bucket.Histograms)[place] = value;
    }

    /// <summary>Positions of the subscriptions that want to hear of this series; null where there are none.</summary>
    public int[]? Subscribers
    {
        get => bucket.Subscribers?[place];
        set => SeriesBucket.Column(ref bucket.Subscribers)[place] = value;
    }

    /// <summary>Its declaration is in the database.</summary>
    public bool DeclarationSaved
    {
        get => Slot.DeclarationSaved;
        set => Slot.DeclarationSaved = value;
    }

    /// <summary>Time of its newest sample of either kind; <see cref="long.MinValue"/> where there never was one.</summary>
    public long LastTime => Math.Max(Samples.LastTime, Histograms?.LastTime ?? long.MinValue);

    /// <summary>Its bucket.</summary>
    public int Bucket => BucketOf(bucket.FirstId);

    /// <summary>The bucket of a series with this number.</summary>
    public static int BucketOf(int id) => id / BucketSize;

    /// <summary>Adds a sample.</summary>
    public AppendOutcome Append(long time, double value) => Slot.Samples.Append(bucket.Cells, time, value);

    /// <summary>Adds an increase to the newest value as a new sample; see <see cref="SeriesBuffer.AppendIncrease"/>.</summary>
    public AppendOutcome AppendIncrease(long time, double increase) => Slot.Samples.AppendIncrease(bucket.Cells, time, increase);

    /// <summary>Adds its samples in [from, to] that are in memory to <paramref name="target"/>, oldest first.</summary>
    /// <exception cref="InvalidDataException">A page is damaged in a way that its checksum does not show.</exception>
    public void Read(long from, long to, SampleBuffer target)
    {
        if (from <= Samples.SealedThrough) bucket.Pages.Read(Id, from, to, target);
        Samples.Read(Cells, from, to, target);
    }

    /// <summary>The newest sample in [from, to].</summary>
    public bool TryReadLast(long from, long to, SampleBuffer scratch, out long time, out double value)
    {
        (time, value) = (Samples.LastTime, Samples.LastValue);
        if (time == long.MinValue || time < from) return false;
        if (time <= to) return true;
        scratch.Clear();
        Read(from, to, scratch);
        if (scratch.Count == 0) return false;
        (time, value) = (scratch.Times[^1], scratch.Values[^1]);
        return true;
    }

    private ref SeriesSlot Slot => ref bucket.Slots[place];
}

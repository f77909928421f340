namespace Vigil.Metrics.Series;

/// <summary>What a series is at each moment.</summary>
internal struct SeriesSlot
{
    public SeriesBuffer Samples;

    /// <summary>Null where there is no series.</summary>
    public SeriesMetadata? Metadata;

    /// <summary>Where its labels begin in the bucket.</summary>
    public int Labels;

    public bool DeclarationSaved;
}

/// <summary>
/// The series of neighbouring numbers, in columns: a million series are some ten thousand objects to the collector and not five million, and what only few of them have
/// takes no room with the others.
/// </summary>
/// <param name="firstId">The number at place 0.</param>
/// <param name="index">Has the labels.</param>
/// <param name="cells">Where the newest samples lie.</param>
/// <param name="memory">Where pages lie.</param>
internal sealed class SeriesBucket(int firstId, LabelIndex index, CellMemory cells, PageMemory memory)
{
    private const int FirstSlots = 4;

    // For each series how many labels it has, then their numbers in the index.
    private int[] labels = [];
    private int labelsUsed;
    private int labelsFreed;

    /// <summary>The number at place 0.</summary>
    public int FirstId { get; } = firstId;

    /// <summary>Where the newest samples lie.</summary>
    public CellMemory Cells => cells;

    /// <summary>The older samples.</summary>
    public SealedPages Pages { get; } = new(memory);

    /// <summary>By place; as long as the highest place in use needs.</summary>
    public SeriesSlot[] Slots { get; private set; } = [];

    /// <summary>Series that are there.</summary>
    public int Count { get; private set; }

    /// <summary>By place; null where no series has any.</summary>
    public HistogramBuffer?[]? Histograms;

    /// <inheritdoc cref="Histograms"/>
    public int[]?[]? Subscribers;

    /// <summary>A column, made now where there is none.</summary>
    public static T?[] Column<T>(ref T?[]? column) where T : class => column ??= new T?[SeriesEntry.BucketSize];

    public bool Has(int place) => (uint)place < (uint)Slots.Length && Slots[place].Metadata is not null;

    /// <summary>Adds a series at a place that is free.</summary>
    /// <param name="place">Where.</param>
    /// <param name="numbers">Its labels, as the index numbers them, in order of their names.</param>
    /// <param name="metadata">What is said of it.</param>
    public void Add(int place, ReadOnlySpan<int> numbers, SeriesMetadata metadata)
    {
        if (place >= Slots.Length)
        {
            var slots = Slots;
            Array.Resize(ref slots, Math.Min(SeriesEntry.BucketSize, Math.Max(place + 1, Math.Max(FirstSlots, slots.Length * 2))));
            Slots = slots;
        }
        var at = labelsUsed;
        labelsUsed += 1 + numbers.Length;
        // By a quarter at most, for the same reason as there are buckets.
        if (labelsUsed > labels.Length) Array.Resize(ref labels, Math.Max(labelsUsed, labels.Length + Math.Max(labels.Length / 4, FirstSlots * (1 + numbers.Length))));
        labels[at] = numbers.Length;
        numbers.CopyTo(labels.AsSpan(at + 1));
        Slots[place] = new SeriesSlot { Samples = new SeriesBuffer(), Metadata = metadata, Labels = at };
        Count++;
    }

    /// <summary>Forgets a series that is there.</summary>
    public void Remove(int place)
    {
        labelsFreed += 1 + NumbersAt(place).Length;
        Slots[place].Samples.Clear(cells);
        Slots[place] = default;
        if (Histograms is not null) Histograms[place] = null;
        if (Subscribers is not null) Subscribers[place] = null;
        Count--;
        if (labelsFreed > labelsUsed / 2) PackLabels();
    }

    /// <summary>Samples in memory.</summary>
    public long Samples
    {
        get
        {
            var samples = Pages.Samples;
            for (var place = 0; place < Slots.Length; place++)
            {
                if (Has(place)) samples += Slots[place].Samples.Count(cells);
            }
            return samples;
        }
    }

    /// <summary>Moves the newest samples to the bucket's memory from what that was before.</summary>
    public void MoveCells(CellMemory before)
    {
        for (var place = 0; place < Slots.Length; place++)
        {
            if (Has(place)) Slots[place].Samples.Move(before, cells);
        }
    }

    /// <summary>Lets pages go that end before <paramref name="cutoff"/>, and more while a series has over <paramref name="mostPerSeries"/> samples in memory on average.</summary>
    public void Evict(long cutoff, int mostPerSeries)
    {
        Pages.Evict(cutoff, (long)mostPerSeries * Count - (Samples - Pages.Samples));
        if (Histograms is null) return;
        foreach (var histograms in Histograms) histograms?.Evict(cutoff, mostPerSeries);
    }

    /// <summary>The labels of a series, as the index numbers them.</summary>
    public ReadOnlySpan<int> NumbersAt(int place)
    {
        var at = Slots[place].Labels;
        return labels.AsSpan(at + 1, labels[at]);
    }

    /// <summary>The labels of a series.</summary>
    public LabelSet LabelsAt(int place) => index.ToLabels(NumbersAt(place));

    private void PackLabels()
    {
        var packed = new int[labelsUsed - labelsFreed];
        var used = 0;
        for (var place = 0; place < Slots.Length; place++)
        {
            if (!Has(place)) continue;
            var numbers = NumbersAt(place);
            Slots[place].Labels = used;
            packed[used] = numbers.Length;
            numbers.CopyTo(packed.AsSpan(used + 1));
            used += 1 + numbers.Length;
        }
        (labels, labelsUsed, labelsFreed) = (packed, used, 0);
    }
}

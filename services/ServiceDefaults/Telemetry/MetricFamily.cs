using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Vigil.ServiceDefaults;

internal enum FamilyKind
{
    Counter,
    Gauge,
    Histogram,
}

/// <summary>All series of one metric name. Bounded: label sets beyond the limit share one overflow series.</summary>
internal sealed class MetricFamily
{
    private static readonly TagSet OverflowTags = new([new("otel.metric.overflow", "true")]);

    private readonly ConcurrentDictionary<TagSet, MetricSeries> series = new(TagSetComparer.Instance);
    private readonly ConcurrentDictionary<TagSet, MetricSeries>.AlternateLookup<ReadOnlySpan<KeyValuePair<string, object?>>> lookup;
    private readonly Func<ReadOnlySpan<KeyValuePair<string, object?>>, MetricSeries> create;
    private readonly int limit;
    private readonly Action overflowed;
    private int count;

    public MetricFamily(string name, string help, FamilyKind kind, bool observed, double[] bounds, int limit, Action overflowed)
    {
        Name = name;
        Help = help;
        Kind = kind;
        Observed = observed;
        Bounds = bounds;
        this.limit = limit;
        this.overflowed = overflowed;
        lookup = series.GetAlternateLookup<ReadOnlySpan<KeyValuePair<string, object?>>>();
        create = tags => series.GetOrAdd(new TagSet(tags.ToArray()), static (_, length) => new MetricSeries(length), Bounds.Length);
    }

    public string Name { get; }

    public string Help { get; }

    public FamilyKind Kind { get; }

    /// <summary>Reported anew at every collection: what is not reported again is gone.</summary>
    public bool Observed { get; }

    /// <summary>Upper bounds of a histogram's buckets, ascending, without infinity.</summary>
    public double[] Bounds { get; }

    public MetricSeries Get(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (lookup.TryGetValue(tags, out var found)) return found;
        // The count may pass the limit by as many threads as race here; it bounds memory, not a bill.
        if (Volatile.Read(ref count) >= limit)
        {
            overflowed();
            return series.GetOrAdd(OverflowTags, static (_, length) => new MetricSeries(length), Bounds.Length);
        }
        Interlocked.Increment(ref count);
        return create(tags);
    }

    public IEnumerable<(TagSet Tags, MetricSeries Series)> Series(long generation)
    {
        foreach (var (tags, one) in series)
        {
            if (!Observed || one.Generation == generation)
            {
                yield return (tags, one);
            }
            else if (series.TryRemove(tags, out _) && !TagSetComparer.Instance.Equals(tags, OverflowTags))
            {
                Interlocked.Decrement(ref count);
            }
        }
    }
}

/// <summary>One series: a number, or the buckets of a histogram.</summary>
internal sealed class MetricSeries(int bounds)
{
    private readonly long[] buckets = bounds == 0 ? [] : new long[bounds + 1];
    private double value;

    /// <summary>The collection that last saw it; of observed metrics.</summary>
    public long Generation { get; set; }

    /// <summary>The number; of a histogram the sum of what was recorded.</summary>
    public double Value => Volatile.Read(ref value);

    /// <summary>Counts per bucket, not cumulative; the last is the one up to infinity.</summary>
    public ReadOnlySpan<long> Buckets => buckets;

    public void Set(double to) => Volatile.Write(ref value, to);

    public void Add(double by)
    {
        var seen = Volatile.Read(ref value);
        while (true)
        {
            var before = Interlocked.CompareExchange(ref value, seen + by, seen);
            // By bits: NaN is not equal to itself and would spin for ever.
            if (BitConverter.DoubleToInt64Bits(before) == BitConverter.DoubleToInt64Bits(seen)) return;
            seen = before;
        }
    }

    public void Record(double measured, double[] upper)
    {
        var index = Array.BinarySearch(upper, measured);
        Interlocked.Increment(ref buckets[index < 0 ? ~index : index]);
        Add(measured);
    }
}

/// <summary>The tags of a series, in the order in which they were given: callers give them in one order.</summary>
internal sealed record TagSet(KeyValuePair<string, object?>[] Tags);

internal sealed class TagSetComparer : IEqualityComparer<TagSet>, IAlternateEqualityComparer<ReadOnlySpan<KeyValuePair<string, object?>>, TagSet>
{
    public static readonly TagSetComparer Instance = new();

    public bool Equals(TagSet? x, TagSet? y) => ReferenceEquals(x, y) || (x is not null && y is not null && Equals(x.Tags.AsSpan(), y));

    public int GetHashCode(TagSet set) => GetHashCode(set.Tags.AsSpan());

    public TagSet Create(ReadOnlySpan<KeyValuePair<string, object?>> alternate) => new(alternate.ToArray());

    public bool Equals(ReadOnlySpan<KeyValuePair<string, object?>> alternate, TagSet other)
    {
        if (alternate.Length != other.Tags.Length) return false;
        for (var i = 0; i < alternate.Length; i++)
        {
            if (alternate[i].Key != other.Tags[i].Key || !Equals(alternate[i].Value, other.Tags[i].Value)) return false;
        }
        return true;
    }

    public int GetHashCode(ReadOnlySpan<KeyValuePair<string, object?>> alternate)
    {
        var hash = new HashCode();
        foreach (var (key, value) in alternate)
        {
            hash.Add(key);
            hash.Add(value);
        }
        return hash.ToHashCode();
    }
}

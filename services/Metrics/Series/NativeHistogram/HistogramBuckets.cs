using System.Diagnostics;

namespace Vigil.Metrics.Series;

/// <summary>A run of buckets in the form that histograms are exchanged in.</summary>
/// <param name="Offset">Buckets left out since the end of the run before; of the first run, the index of its first bucket.</param>
/// <param name="Length">Buckets in the run.</param>
internal readonly record struct BucketSpan(int Offset, int Length);

/// <summary>
/// The buckets of one side of a histogram: their indexes, rising, and how many observations each holds (not cumulative). A bucket
/// that is not listed is empty; one that is listed may be. Immutable.
/// </summary>
internal sealed class HistogramBuckets
{
    /// <summary>No bucket.</summary>
    public static readonly HistogramBuckets None = new([], []);

    private readonly int[] indexes;
    private readonly double[] counts;

    private HistogramBuckets(int[] indexes, double[] counts) => (this.indexes, this.counts) = (indexes, counts);

    /// <summary>How many buckets are listed.</summary>
    public int Length => indexes.Length;

    /// <summary>The buckets' indexes in their schema, rising.</summary>
    public ReadOnlySpan<int> Indexes => indexes;

    /// <summary>The same, to be shared with sums over these buckets: never written to.</summary>
    public int[] SharedIndexes => indexes;

    /// <summary>The buckets' counts, in the order of <see cref="Indexes"/>.</summary>
    public ReadOnlySpan<double> Counts => counts;

    /// <summary>Buckets from indexes that rise, and counts. The arrays are taken over: nothing else may write to them.</summary>
    public static HistogramBuckets From(int[] indexes, double[] counts)
    {
        Debug.Assert(indexes.Length == counts.Length, "a count for each index");
        return indexes.Length == 0 ? None : new(indexes, counts);
    }

    /// <summary>Buckets from the runs and counts of the exchange formats; null where the two do not fit together.</summary>
    public static HistogramBuckets? FromSpans(ReadOnlySpan<BucketSpan> spans, ReadOnlySpan<double> counts)
    {
        var indexes = new int[counts.Length];
        var (at, next) = (0, 0L);
        for (var s = 0; s < spans.Length; s++)
        {
            var span = spans[s];
            if (span.Length < 0 || (s > 0 && span.Offset < 0)) return null;
            next += span.Offset;
            if (span.Length > counts.Length - at || next < -BucketBounds.MaxIndex || next + span.Length > BucketBounds.MaxIndex) return null;
            for (var i = 0; i < span.Length; i++) indexes[at++] = (int)next++;
        }
        return at == counts.Length ? From(indexes, counts.ToArray()) : null;
    }

    /// <summary>The runs that the buckets make.</summary>
    public BucketSpan[] ToSpans()
    {
        var spans = new List<BucketSpan>();
        var (start, end) = (0, 0);
        while (start < indexes.Length)
        {
            var stop = start + 1;
            while (stop < indexes.Length && indexes[stop] == indexes[stop - 1] + 1) stop++;
            spans.Add(new(indexes[start] - end, stop - start));
            end = indexes[stop - 1] + 1;
            start = stop;
        }
        return [.. spans];
    }

    /// <summary>How many runs the buckets make.</summary>
    public int CountSpans()
    {
        var spans = indexes.Length == 0 ? 0 : 1;
        for (var i = 1; i < indexes.Length; i++)
        {
            if (indexes[i] != indexes[i - 1] + 1) spans++;
        }
        return spans;
    }

    /// <summary>The same buckets with each count changed.</summary>
    public HistogramBuckets Map(Func<double, double> change) => Length == 0 ? this : new(indexes, Array.ConvertAll(counts, c => change(c)));

    /// <summary>Only the buckets that are not empty.</summary>
    public HistogramBuckets Compact()
    {
        var kept = 0;
        foreach (var count in counts) kept += count == 0 ? 0 : 1;
        if (kept == counts.Length) return this;
        var (keptIndexes, keptCounts) = (new int[kept], new double[kept]);
        kept = 0;
        for (var i = 0; i < counts.Length; i++)
        {
            if (counts[i] == 0) continue;
            (keptIndexes[kept], keptCounts[kept++]) = (indexes[i], counts[i]);
        }
        return From(keptIndexes, keptCounts);
    }

    /// <summary>The same list of buckets with the same counts, bit by bit.</summary>
    public bool SameAs(HistogramBuckets other)
    {
        if (!indexes.AsSpan().SequenceEqual(other.indexes)) return false;
        for (var i = 0; i < counts.Length; i++)
        {
            if (BitConverter.DoubleToInt64Bits(counts[i]) != BitConverter.DoubleToInt64Bits(other.counts[i])) return false;
        }
        return true;
    }
}

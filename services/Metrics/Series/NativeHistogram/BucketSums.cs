using Vigil.Metrics.PromQL;

namespace Vigil.Metrics.Series;

/// <summary>The buckets of one side of a histogram while they are being summed up, by rising index.</summary>
internal sealed class BucketSums
{
    // Replaced, never written to: histograms share it.
    private int[] indexes;
    private KahanSum[] values;

    private BucketSums(int[] indexes, KahanSum[] values) => (this.indexes, this.values) = (indexes, values);

    /// <summary>How many buckets there are.</summary>
    public int Length => indexes.Length;

    /// <summary>The buckets' indexes, rising.</summary>
    public ReadOnlySpan<int> Indexes => indexes;

    /// <summary>Sums that begin with some buckets.</summary>
    public static BucketSums Of(HistogramBuckets buckets)
    {
        var values = new KahanSum[buckets.Length];
        for (var i = 0; i < values.Length; i++) values[i] = new(buckets.Counts[i]);
        return new(buckets.SharedIndexes, values);
    }

    /// <summary>Empty buckets with the indexes 0 to <paramref name="count"/> - 1.</summary>
    public static BucketSums Empty(int count) => new([.. Enumerable.Range(0, count)], new KahanSum[count]);

    /// <summary>A copy that is added to on its own.</summary>
    public BucketSums Clone() => new(indexes, (KahanSum[])values.Clone());

    /// <summary>The sum in a bucket.</summary>
    public ref KahanSum this[int position] => ref values[position];

    /// <summary>Adds other buckets of the same schema, times a sign, but for the first few.</summary>
    public void Add(HistogramBuckets other, int skip, double sign)
    {
        if (other.Length == skip) return;
        if (!Includes(other.Indexes[skip..])) MakeRoom(other.Indexes[skip..]);
        for (int i = skip, at = 0; i < other.Length; i++)
        {
            while (indexes[at] != other.Indexes[i]) at++;
            values[at].Add(sign * other.Counts[i]);
        }
    }

    /// <summary>The largest magnitude of any sum.</summary>
    public double Largest()
    {
        double largest = 0;
        foreach (var value in values) largest = Math.Max(largest, Math.Abs(value.Sum));
        return largest;
    }

    /// <summary>Merges the buckets into those of a coarser schema.</summary>
    public void Reduce(int schema, int target)
    {
        var (merged, sums) = (new List<int>(Length), new List<KahanSum>(Length));
        for (var i = 0; i < Length; i++)
        {
            var index = BucketBounds.Coarser(indexes[i], schema, target);
            if (merged.Count > 0 && merged[^1] == index)
            {
                var sum = sums[^1];
                AddTo(ref sum, values[i], 1);
                sums[^1] = sum;
                continue;
            }
            merged.Add(index);
            sums.Add(values[i]);
        }
        (indexes, values) = ([.. merged], [.. sums]);
    }

    /// <summary>Empties a bucket into another sum.</summary>
    public void MoveTo(ref KahanSum target, int position)
    {
        AddTo(ref target, values[position], 1);
        values[position] = default;
    }

    /// <summary>Drops the empty buckets.</summary>
    public void RemoveEmpty()
    {
        int[] kept = [.. Enumerable.Range(0, Length).Where(i => values[i].Sum != 0 || values[i].Compensation != 0)];
        if (kept.Length == Length) return;
        (indexes, values) = (Array.ConvertAll(kept, i => indexes[i]), Array.ConvertAll(kept, i => values[i]));
    }

    /// <summary>Multiplies all sums by a factor.</summary>
    public void Scale(double factor)
    {
        for (var i = 0; i < values.Length; i++) values[i].Scale(factor);
    }

    /// <summary>Divides all sums by a divisor.</summary>
    public void Divide(double divisor)
    {
        for (var i = 0; i < values.Length; i++) values[i].Divide(divisor);
    }

    /// <summary>Some sum is infinite.</summary>
    public bool HasOverflow() => Array.Exists(values, static v => double.IsInfinity(v.Sum));

    /// <summary>The sums as buckets.</summary>
    public HistogramBuckets Total() => HistogramBuckets.From(indexes, Array.ConvertAll(values, static v => v.Total));

    private bool Includes(ReadOnlySpan<int> others)
    {
        var at = 0;
        foreach (var index in others)
        {
            while (at < Length && indexes[at] < index) at++;
            if (at == Length || indexes[at] != index) return false;
        }
        return true;
    }

    /// <summary>Lists further buckets, still empty.</summary>
    private void MakeRoom(ReadOnlySpan<int> others)
    {
        var (merged, sums) = (new List<int>(Length + others.Length), new List<KahanSum>(Length + others.Length));
        var (a, b) = (0, 0);
        while (a < Length || b < others.Length)
        {
            var takeOwn = b >= others.Length || (a < Length && indexes[a] <= others[b]);
            var index = takeOwn ? indexes[a] : others[b];
            if (b < others.Length && others[b] == index) b++;
            merged.Add(index);
            sums.Add(takeOwn ? values[a++] : default);
        }
        (indexes, values) = ([.. merged], [.. sums]);
    }

    private static void AddTo(ref KahanSum target, KahanSum added, double sign)
    {
        target.Add(sign * added.Sum);
        if (added.Compensation != 0) target.Add(sign * added.Compensation);
    }
}

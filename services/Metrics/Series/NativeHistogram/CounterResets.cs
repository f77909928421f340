namespace Vigil.Metrics.Series;

/// <summary>Tells whether a counter was reset between two histograms of a series.</summary>
internal static class CounterResets
{
    /// <summary>
    /// True where the hint says so, or, without a hint, where some count fell (of a bucket, of the zero bucket, of all; not the sum), or where the buckets
    /// changed in a way that only a reset brings: a finer schema, a narrower zero bucket, a wider one that splits a bucket with observations.
    /// </summary>
    public static bool IsReset(FloatHistogram previous, FloatHistogram current)
    {
        if (current.Hint is CounterResetHint.Reset or CounterResetHint.NotReset) return current.Hint == CounterResetHint.Reset;
        if (current.Count < previous.Count) return true;
        if (current.IsCustom)
        {
            if (!previous.IsCustom) return true;
            return current.CustomBounds.AsSpan().SequenceEqual(previous.CustomBounds)
                ? AnyFell(previous.Positive, current.Positive, static index => index, static _ => false)
                : AnyFellInCommonBounds(previous, current);
        }
        if (current.Schema > previous.Schema || current.ZeroThreshold < previous.ZeroThreshold) return true;
        var (zeroCount, threshold) = ZeroBuckets.Widen(previous, current.ZeroThreshold);
        if (threshold != current.ZeroThreshold || current.ZeroCount < zeroCount) return true;
        return AnyFell(previous.Positive, current.Positive, Coarser, InZeroBucket) || AnyFell(previous.Negative, current.Negative, Coarser, InZeroBucket);

        int Coarser(int index) => BucketBounds.Coarser(index, previous.Schema, current.Schema);

        bool InZeroBucket(int index) => BucketBounds.Exponential(index, current.Schema) <= current.ZeroThreshold;
    }

    /// <summary>Some bucket, the previous ones merged to the current schema, held more before. One that is not listed holds nothing.</summary>
    private static bool AnyFell(HistogramBuckets previous, HistogramBuckets current, Func<int, int> merge, Func<int, bool> skip)
    {
        var at = 0;
        for (var i = 0; i < previous.Length;)
        {
            var index = merge(previous.Indexes[i]);
            var before = previous.Counts[i++];
            while (i < previous.Length && merge(previous.Indexes[i]) == index) before += previous.Counts[i++];
            if (skip(index)) continue;
            while (at < current.Length && current.Indexes[at] < index) at++;
            var listed = at < current.Length && current.Indexes[at] == index;
            if (listed ? current.Counts[at] < before : before != 0) return true;
        }
        return false;
    }

    private static bool AnyFellInCommonBounds(FloatHistogram previous, FloatHistogram current)
    {
        var (before, now) = (0, 0);
        foreach (var bound in current.CustomBounds.Where(b => Array.BinarySearch(previous.CustomBounds, b) >= 0).Append(double.PositiveInfinity))
        {
            if (UpTo(current, ref now, bound) < UpTo(previous, ref before, bound)) return true;
        }
        return false;
    }

    private static double UpTo(FloatHistogram histogram, ref int position, double bound)
    {
        double count = 0;
        while (position < histogram.Positive.Length && BucketBounds.Custom(histogram.Positive.Indexes[position], histogram.CustomBounds) <= bound)
            count += histogram.Positive.Counts[position++];
        return count;
    }
}

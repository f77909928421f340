using Vigil.Metrics.PromQL;

namespace Vigil.Metrics.Series;

/// <summary>What the zero bucket of an exponential histogram would hold if it were wider.</summary>
internal static class ZeroBuckets
{
    /// <summary>
    /// The count in a zero bucket that reaches to a threshold at or above the histogram's own, and how far it really reaches: where the threshold falls into
    /// a bucket with observations, to that bucket's far end.
    /// </summary>
    public static (double Count, double Threshold) Widen(FloatHistogram histogram, double threshold)
    {
        if (threshold == histogram.ZeroThreshold) return (histogram.ZeroCount, threshold);
        // What one side adds may split a bucket of the other.
        while (Raise(histogram.Positive) | Raise(histogram.Negative)) { }
        var count = new KahanSum(histogram.ZeroCount);
        Include(histogram.Positive);
        Include(histogram.Negative);
        return (count.Total, threshold);

        bool Raise(HistogramBuckets side)
        {
            for (var i = 0; i < side.Length; i++)
            {
                if (Lower(side, i) >= threshold) return false;
                var upper = BucketBounds.Exponential(side.Indexes[i], histogram.Schema);
                if (upper <= threshold) continue;
                if (side.Counts[i] == 0) return false;
                threshold = upper;
                return true;
            }
            return false;
        }

        void Include(HistogramBuckets side)
        {
            for (var i = 0; i < side.Length && Lower(side, i) < threshold; i++) count.Add(side.Counts[i]);
        }

        double Lower(HistogramBuckets side, int at) => BucketBounds.Exponential(side.Indexes[at] - 1, histogram.Schema);
    }
}

using Vigil.Metrics.PromQL;

namespace Vigil.Metrics.Series;

/// <summary>What NaN among the observations (the sum is NaN then, and the buckets hold less than the count) does to a quantile.</summary>
internal enum QuantileRemark
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>They count as larger than all others: the quantile is higher than that of the others.</summary>
    SkewedByNaN,

    /// <summary>The quantile is one of them.</summary>
    IsNaN,
}

/// <summary>
/// Estimates from a histogram's buckets. Within a bucket observations are taken to be spread evenly: linearly with custom bounds and in the zero
/// bucket, on a logarithmic scale in exponential buckets. With buckets on one side only, the zero bucket is taken to lie on that side.
/// </summary>
internal static class HistogramEstimates
{
    /// <summary>The q-quantile. NaN of nothing; outside 0 to 1 an infinity.</summary>
    public static double Quantile(FloatHistogram histogram, double q, out QuantileRemark remark)
    {
        remark = QuantileRemark.None;
        if (q < 0) return double.NegativeInfinity;
        if (q > 1) return double.PositiveInfinity;
        if (histogram.Count == 0 || double.IsNaN(q)) return double.NaN;
        // Counting from the nearer end loses fewer digits. NaN observations are in no bucket, so that only the lower end is known then.
        var ascending = double.IsNaN(histogram.Sum) || q < 0.5;
        var rank = (ascending ? q : 1 - q) * histogram.Count;
        HistogramBucket bucket = default;
        double count = 0;
        var place = 0;
        for (; place < histogram.Places; place++)
        {
            if (!histogram.BucketAt(ascending ? place : histogram.Places - 1 - place, out var candidate)) continue;
            bucket = candidate;
            if (bucket.Count == 0) continue;
            count += bucket.Count;
            if (count >= rank) break;
        }
        if (histogram.IsCustom)
        {
            if (double.IsNegativeInfinity(bucket.Lower))
            {
                if (bucket.Upper <= 0) return bucket.Upper;
                bucket = bucket with { Lower = 0 };
            }
            else if (double.IsPositiveInfinity(bucket.Upper))
            {
                return bucket.Lower;
            }
        }
        else if (bucket.Lower < 0 && bucket.Upper > 0)
        {
            bucket = OneSided(histogram, bucket);
        }
        count = Math.Min(count, histogram.Count);
        if (count < rank)
        {
            if (!double.IsNaN(histogram.Sum)) return bucket.Upper;
            remark = QuantileRemark.IsNaN;
            return double.NaN;
        }
        rank = ascending ? rank - (count - bucket.Count) : count - rank;
        var found = bucket;
        if (double.IsNaN(histogram.Sum))
        {
            // With all observations in buckets, opposite infinities made the sum NaN. Prometheus goes on with the bucket that this search for them
            // ends at, and so do we: the same histogram must not have two quantiles.
            for (place++; place < histogram.Places; place++)
            {
                if (!histogram.BucketAt(place, out var further)) continue;
                found = further;
                count += further.Count;
            }
            if (count < histogram.Count) remark = QuantileRemark.SkewedByNaN;
        }
        return Interpolate(histogram, found, rank / found.Count);
    }

    /// <summary>The share of observations between two values. NaN of nothing.</summary>
    /// <param name="histogram">The histogram.</param>
    /// <param name="lower">The lower value.</param>
    /// <param name="upper">The upper value.</param>
    /// <param name="excludesNaN">There are NaN observations, which are between no values.</param>
    public static double Fraction(FloatHistogram histogram, double lower, double upper, out bool excludesNaN)
    {
        excludesNaN = false;
        if (histogram.Count == 0 || double.IsNaN(lower) || double.IsNaN(upper)) return double.NaN;
        if (lower >= upper) return 0;
        double total = 0;
        double? lowerRank = null, upperRank = null;
        for (var place = 0; place < histogram.Places; place++)
        {
            if (!histogram.BucketAt(place, out var bucket)) continue;
            var linear = histogram.IsCustom;
            if (bucket.Lower <= 0 && bucket.Upper >= 0)
            {
                linear = true;
                bucket = OneSided(histogram, bucket);
            }
            lowerRank ??= Rank(bucket, lower, linear);
            upperRank ??= Rank(bucket, upper, linear);
            total += bucket.Count;
        }
        var count = histogram.Count;
        if (double.IsNaN(histogram.Sum))
        {
            excludesNaN = total < count;
            count = total;
        }
        return (Math.Min(upperRank ?? count, count) - Math.Min(lowerRank ?? count, count)) / histogram.Count;

        // How many observations are below a value, once a bucket is reached that it lies in or below.
        double? Rank(HistogramBucket bucket, double value, bool linear)
        {
            if (bucket.Lower >= value) return total;
            if (bucket.Upper <= value) return null;
            // A share of a bucket without a lower end cannot be told.
            return double.IsNegativeInfinity(bucket.Lower) ? bucket.Count : total + bucket.Count * bucket.FractionBelow(value, linear);
        }
    }

    /// <summary>The variance, each observation standing in the middle of its bucket (arithmetic mean of custom bounds, geometric of exponential ones, zero in the zero bucket).</summary>
    public static double Variance(FloatHistogram histogram)
    {
        var mean = histogram.Sum / histogram.Count;
        KahanSum squares = default;
        for (var place = 0; place < histogram.Places; place++)
        {
            if (!histogram.BucketAt(place, out var bucket) || bucket.Count == 0) continue;
            double middle;
            if (histogram.IsCustom) middle = (bucket.Upper + bucket.Lower) / 2;
            else if (bucket.Lower <= 0 && bucket.Upper >= 0) middle = 0;
            else middle = Math.CopySign(Math.Sqrt(bucket.Upper * bucket.Lower), bucket.Upper);
            var delta = middle - mean;
            squares.Add(bucket.Count * delta * delta);
        }
        return (squares.Sum + squares.Compensation) / histogram.Count;
    }

    private static double Interpolate(FloatHistogram histogram, HistogramBucket bucket, double fraction)
    {
        if (histogram.IsCustom || (bucket.Lower <= 0 && bucket.Upper >= 0)) return bucket.Lower + (bucket.Upper - bucket.Lower) * fraction;
        var (lower, upper) = (Math.Log2(Math.Abs(bucket.Lower)), Math.Log2(Math.Abs(bucket.Upper)));
        return bucket.Lower > 0 ? Math.Pow(2, lower + (upper - lower) * fraction) : -Math.Pow(2, upper + (lower - upper) * (1 - fraction));
    }

    private static HistogramBucket OneSided(FloatHistogram histogram, HistogramBucket bucket)
    {
        if (histogram.Negative.Length == 0 && histogram.Positive.Length > 0) return bucket with { Lower = 0 };
        return histogram.Positive.Length == 0 && histogram.Negative.Length > 0 ? bucket with { Upper = 0 } : bucket;
    }
}

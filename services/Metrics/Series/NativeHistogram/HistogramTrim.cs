namespace Vigil.Metrics.Series;

/// <summary>
/// Cuts off a histogram's observations above or below a value (PromQL's <c>&lt;/</c> and <c>&gt;/</c>). A bucket that is cut keeps its estimated share.
/// Where anything was cut, the count and the sum are estimated anew from what is left.
/// </summary>
internal static class HistogramTrim
{
    /// <summary>What is left of a histogram.</summary>
    /// <param name="histogram">What to cut.</param>
    /// <param name="limit">Where to cut.</param>
    /// <param name="keepBelow">Keep what is below the limit; otherwise what is above.</param>
    public static FloatHistogram Trim(FloatHistogram histogram, double limit, bool keepBelow)
    {
        var (count, sum, cut) = (0.0, 0.0, false);
        var (anyPositive, anyNegative) = (false, false);
        var positive = Side(histogram.Positive, histogram.PositiveBucket, true, ref anyPositive);
        var negative = Side(histogram.Negative, histogram.NegativeBucket, false, ref anyNegative);
        var zeroCount = histogram.ZeroCount;
        if (zeroCount > 0)
        {
            var (kept, middle) = ZeroBucket(histogram.ZeroBucket, limit, anyNegative, anyPositive, keepBelow);
            cut |= kept != zeroCount;
            zeroCount = kept;
            sum += middle * kept;
            count += kept;
        }
        return cut
            ? (histogram with { Count = count, Sum = sum, ZeroCount = zeroCount, Positive = positive, Negative = negative }).Compact()
            : histogram;

        HistogramBuckets Side(HistogramBuckets side, Func<int, HistogramBucket> at, bool isPositive, ref bool any)
        {
            var counts = side.Counts.ToArray();
            for (var i = 0; i < counts.Length; i++)
            {
                if (counts[i] == 0) continue;
                any = true;
                var bucket = at(i);
                var (kept, middle) = (keepBelow ? bucket.Upper <= limit : bucket.Lower >= limit) ? (bucket.Count, Middle(bucket.Lower, bucket.Upper, isPositive, histogram.IsCustom))
                    : (keepBelow ? bucket.Lower < limit : bucket.Upper > limit) ? Part(bucket, limit, keepBelow, isPositive, histogram.IsCustom)
                    : (0, 0);
                count += kept;
                sum += middle * kept;
                cut |= counts[i] != kept;
                counts[i] = kept;
            }
            return HistogramBuckets.From(side.Indexes.ToArray(), counts);
        }
    }

    /// <summary>What stays of a bucket that the limit falls into, and the value that stands for it.</summary>
    private static (double Kept, double Middle) Part(HistogramBucket bucket, double limit, bool keepBelow, bool isPositive, bool linear)
    {
        if (double.IsNegativeInfinity(bucket.Lower)) return PartBelowAll(bucket, limit, keepBelow);
        // Nothing is known of how far up the values of the last bucket reach: above the limit all of it stays, below nothing.
        if (double.IsPositiveInfinity(bucket.Upper))
            return !keepBelow && limit >= bucket.Lower ? (bucket.Count, limit) : (0, Finite(bucket.Lower));
        var below = limit <= bucket.Lower ? 0 : limit >= bucket.Upper ? bucket.Count : bucket.Count * bucket.FractionBelow(limit, linear);
        return keepBelow
            ? (below, Middle(bucket.Lower, limit, isPositive, linear))
            : (bucket.Count - below, Middle(limit, bucket.Upper, isPositive, linear));
    }

    /// <summary>The first of custom buckets has no lower bound; with an upper one above zero it is taken to begin at zero.</summary>
    private static (double Kept, double Middle) PartBelowAll(HistogramBucket bucket, double limit, bool keepBelow)
    {
        var fromZero = bucket.Upper > 0 && !double.IsPositiveInfinity(bucket.Upper);
        if (keepBelow)
        {
            if (limit >= bucket.Upper) return (bucket.Count, 0);
            if (limit > 0 && fromZero) return (bucket.Count * limit / bucket.Upper, limit / 2);
            return bucket.Upper <= 0 ? (bucket.Count, limit) : (0, Finite(bucket.Upper));
        }
        if (limit <= bucket.Lower) return (bucket.Count, 0);
        return limit >= 0 && fromZero && bucket.Upper > limit
            ? (bucket.Count * (1 - limit / bucket.Upper), (limit + bucket.Upper) / 2)
            : (0, Finite(bucket.Upper));
    }

    private static (double Kept, double Middle) ZeroBucket(HistogramBucket bucket, double limit, bool anyNegative, bool anyPositive, bool keepBelow)
    {
        // With buckets on one side only, the zero bucket is taken to lie on that side.
        var upper = anyNegative && !anyPositive ? 0 : bucket.Upper;
        var lower = anyPositive && !anyNegative ? 0 : bucket.Lower;
        if (limit <= lower) return keepBelow ? (0, 0) : (bucket.Count, (lower + upper) / 2);
        if (limit >= upper) return keepBelow ? (bucket.Count, (lower + upper) / 2) : (0, 0);
        return keepBelow
            ? (bucket.Count * ((limit - lower) / (upper - lower)), (lower + limit) / 2)
            : (bucket.Count * ((upper - limit) / (upper - lower)), (limit + upper) / 2);
    }

    /// <summary>The value that stands for a range: the arithmetic mean between custom bounds, the geometric one between exponential bounds.</summary>
    private static double Middle(double lower, double upper, bool isPositive, bool linear)
    {
        if (double.IsInfinity(lower)) return double.IsInfinity(upper) ? 0 : upper > 0 ? upper / 2 : upper;
        if (double.IsInfinity(upper)) return lower;
        if (linear) return (lower + upper) / 2;
        var mean = Math.Sqrt(Math.Abs(lower * upper));
        return isPositive ? mean : -mean;
    }

    private static double Finite(double value) => double.IsInfinity(value) ? 0 : value;
}

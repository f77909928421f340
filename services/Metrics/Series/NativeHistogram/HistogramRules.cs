using System.Globalization;

namespace Vigil.Metrics.Series;

/// <summary>What makes a histogram acceptable from outside, in Prometheus' words.</summary>
internal static class HistogramRules
{
    /// <summary>The most buckets that one side may list. Prometheus' own clients stop at 160.</summary>
    public const int MaxBuckets = 10_000;

    /// <summary>The most custom bounds.</summary>
    public const int MaxCustomBounds = 10_000;

    /// <summary>
    /// Why a histogram cannot be taken; null where it can. Counts must not be negative; whether their sum fits the count of observations is not judged, as
    /// rounding may make it differ.
    /// </summary>
    public static string? Refuse(FloatHistogram histogram)
    {
        if (!BucketBounds.IsValidSchema(histogram.Schema))
        {
            return "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for custom buckets, got schema "
                + histogram.Schema.ToString(CultureInfo.InvariantCulture);
        }
        if (Math.Max(histogram.Positive.Length, histogram.Negative.Length) > MaxBuckets) return $"histogram has more than {MaxBuckets} buckets";
        if (histogram.IsCustom)
        {
            if (RefuseBounds(histogram) is { } reason) return $"custom buckets: {reason}";
            if (histogram.ZeroCount != 0) return "custom buckets: must have zero count of 0";
            if (histogram.ZeroThreshold != 0) return "custom buckets: must have zero threshold of 0";
            if (histogram.Negative.Length > 0) return "custom buckets: must not have negative buckets";
        }
        else
        {
            if (RefuseCounts(histogram.Negative) is { } reason) return $"negative side: {reason}";
            if (histogram.ZeroCount < 0)
                return string.Create(CultureInfo.InvariantCulture, $"zero bucket has observation count of {histogram.ZeroCount}: histogram has a bucket whose observation count is negative");
            // Not among Prometheus' rules: its clients cannot make such a one.
            if (!double.IsFinite(histogram.ZeroThreshold) || histogram.ZeroThreshold < 0) return "zero threshold is not a finite number from 0 up";
            if (histogram.CustomBounds.Length > 0) return "histogram with exponential schema must not have custom bounds";
        }
        if (histogram.Count < 0)
            return string.Create(CultureInfo.InvariantCulture, $"observation count is  {histogram.Count}: histogram's observation count is negative");
        return RefuseCounts(histogram.Positive) is { } positive ? $"positive side: {positive}" : null;
    }

    private static string? RefuseBounds(FloatHistogram histogram)
    {
        var bounds = histogram.CustomBounds;
        if (bounds.Length > MaxCustomBounds) return $"more than {MaxCustomBounds} bounds";
        for (var i = 0; i < bounds.Length; i++)
        {
            if (double.IsNaN(bounds[i])) return "histogram custom bounds must not be NaN";
            if (i > 0 && bounds[i] <= bounds[i - 1])
            {
                return string.Create(CultureInfo.InvariantCulture,
                    $"previous bound is {bounds[i - 1]:F6} and current is {bounds[i]:F6}: histogram custom bounds must be in strictly increasing order");
            }
        }
        if (bounds.Length > 0 && double.IsPositiveInfinity(bounds[^1]))
            return "last +Inf bound must not be explicitly defined: histogram custom bounds must be finite";
        var indexes = histogram.Positive.Indexes;
        if (indexes.Length == 0) return null;
        if (indexes[0] < 0)
            return string.Create(CultureInfo.InvariantCulture, $"span number 1 with offset {indexes[0]}: histogram has a span whose offset is negative");
        return indexes[^1] <= bounds.Length
            ? null
            : string.Create(CultureInfo.InvariantCulture,
                $"only {bounds.Length} custom bounds defined which is insufficient to cover total span length of {indexes[^1] + 1}: histogram custom bounds are too few");
    }

    private static string? RefuseCounts(HistogramBuckets buckets)
    {
        for (var i = 0; i < buckets.Length; i++)
        {
            if (buckets.Counts[i] < 0)
            {
                return string.Create(CultureInfo.InvariantCulture,
                    $"bucket number {i + 1} has observation count of {buckets.Counts[i]}: histogram has a bucket whose observation count is negative");
            }
        }
        return null;
    }
}

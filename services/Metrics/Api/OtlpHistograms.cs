using OpenTelemetry.Proto.Metrics.V1;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Api;

/// <summary>
/// Exponential histograms as native ones, by the specification "Prometheus and OpenMetrics Compatibility": a scale is a schema, and bucket i of
/// the one, which begins at base^i, is bucket i + 1 of the other, which ends at base^(i + 1). Scales above 8 are merged down to 8; what is coarser than -4 cannot be taken.
/// </summary>
internal static class OtlpHistograms
{
    /// <summary>The width of the zero bucket where a point names none, as Prometheus has it.</summary>
    private const double DefaultZeroThreshold = 1e-128;

    /// <summary>The histogram of a point; null, with the reason, where there is none.</summary>
    public static FloatHistogram? From(ExponentialHistogramDataPoint point, out string fault)
    {
        fault = "";
        if (point.Scale < BucketBounds.MinSchema)
        {
            fault = $"scale {point.Scale} is coarser than {BucketBounds.MinSchema}, which is the coarsest that can be stored";
            return null;
        }
        var schema = Math.Min(point.Scale, BucketBounds.MaxSchema);
        var gone = (point.Flags & (uint)DataPointFlags.NoRecordedValueMask) != 0;
        if (Buckets(point.Positive, point.Scale - schema) is not { } positive || Buckets(point.Negative, point.Scale - schema) is not { } negative)
        {
            fault = "a bucket lies beyond all numbers, or there are too many of them";
            return null;
        }
        var histogram = new FloatHistogram
        {
            Schema = schema,
            Count = gone ? Samples.Stale : point.Count,
            Sum = gone ? Samples.Stale : point.HasSum ? point.Sum : 0,
            ZeroCount = point.ZeroCount,
            ZeroThreshold = point.ZeroThreshold > 0 ? point.ZeroThreshold : DefaultZeroThreshold,
            Positive = positive,
            Negative = negative,
        };
        fault = HistogramRules.Refuse(histogram) ?? "";
        return fault.Length == 0 ? histogram : null;
    }

    private static HistogramBuckets? Buckets(ExponentialHistogramDataPoint.Types.Buckets? buckets, int merged)
    {
        if (buckets is null || buckets.BucketCounts.Count == 0) return HistogramBuckets.None;
        if (buckets.BucketCounts.Count > HistogramRules.MaxBuckets) return null;
        var shift = Math.Min(merged, 31);
        var (indexes, counts) = (new List<int>(), new List<double>());
        for (var i = 0; i < buckets.BucketCounts.Count; i++)
        {
            if (buckets.BucketCounts[i] == 0) continue;
            var index = ((buckets.Offset + (long)i) >> shift) + 1;
            if (Math.Abs(index) > BucketBounds.MaxIndex) return null;
            if (indexes.Count > 0 && indexes[^1] == index)
            {
                counts[^1] += buckets.BucketCounts[i];
                continue;
            }
            indexes.Add((int)index);
            counts.Add(buckets.BucketCounts[i]);
        }
        return HistogramBuckets.From([.. indexes], [.. counts]);
    }
}

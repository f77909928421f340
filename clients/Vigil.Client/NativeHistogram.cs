using System.Text;
using Vigil.Metrics.V1;

namespace Vigil.Client;

/// <summary>A native histogram: how many observations fell into each of its buckets.</summary>
/// <param name="Count">All observations. May be a fraction, and below zero where one histogram was taken from another.</param>
/// <param name="Sum">The sum of the observed values.</param>
/// <param name="Buckets">By rising bounds, not cumulative; empty ones are left out.</param>
public sealed record NativeHistogram(double Count, double Sum, IReadOnlyList<NativeHistogramBucket> Buckets)
{
    /// <summary>As Prometheus prints it: <c>{count:3, sum:4.5, (1,2]:3}</c>.</summary>
    public override string ToString()
    {
        var text = new StringBuilder("{count:").Append(SeriesText.Format(Count)).Append(", sum:").Append(SeriesText.Format(Sum));
        foreach (var bucket in Buckets) text.Append(", ").Append(bucket);
        return text.Append('}').ToString();
    }

    internal static NativeHistogram From(Histogram histogram) => new(histogram.Count, histogram.Sum,
        [.. histogram.Buckets.Select(b => new NativeHistogramBucket(b.Lower, b.Upper, b.LowerInclusive, b.UpperInclusive, b.Count))]);
}

/// <summary>One bucket of a native histogram.</summary>
/// <param name="Lower">Its lower bound; minus infinity for none.</param>
/// <param name="Upper">Its upper bound; infinity for none.</param>
/// <param name="LowerInclusive">The lower bound itself falls into the bucket.</param>
/// <param name="UpperInclusive">The upper bound itself falls into the bucket.</param>
/// <param name="Count">Observations in this bucket alone.</param>
public sealed record NativeHistogramBucket(double Lower, double Upper, bool LowerInclusive, bool UpperInclusive, double Count)
{
    /// <summary>As mathematicians write intervals: <c>(1,2]:3</c>.</summary>
    public override string ToString() =>
        $"{(LowerInclusive ? '[' : '(')}{SeriesText.Format(Lower)},{SeriesText.Format(Upper)}{(UpperInclusive ? ']' : ')')}:{SeriesText.Format(Count)}";
}

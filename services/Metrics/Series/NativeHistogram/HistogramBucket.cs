using System.Globalization;
using Vigil.Metrics.PromQL;

namespace Vigil.Metrics.Series;

/// <summary>A bucket with its bounds worked out.</summary>
/// <param name="Lower">The lower bound.</param>
/// <param name="Upper">The upper bound.</param>
/// <param name="LowerInclusive">The lower bound itself falls into the bucket.</param>
/// <param name="UpperInclusive">The upper bound itself falls into the bucket.</param>
/// <param name="Count">Observations in this bucket alone.</param>
internal readonly record struct HistogramBucket(double Lower, double Upper, bool LowerInclusive, bool UpperInclusive, double Count)
{
    /// <summary>
    /// The share of the bucket, by width, up to a value strictly between its finite bounds. Linear for custom bounds and for the zero
    /// bucket; exponential buckets are of equal width on a logarithmic scale.
    /// </summary>
    public double FractionBelow(double value, bool linear)
    {
        if (linear) return (value - Lower) / (Upper - Lower);
        var (lower, upper, at) = (Math.Log2(Math.Abs(Lower)), Math.Log2(Math.Abs(Upper)), Math.Log2(Math.Abs(value)));
        return value > 0 ? (at - lower) / (upper - lower) : 1 - (at - upper) / (lower - upper);
    }

    /// <summary>As mathematicians write intervals: (0.5,1]:3</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{(LowerInclusive ? '[' : '(')}{GoText.FloatG(Lower)},{GoText.FloatG(Upper)}{(UpperInclusive ? ']' : ')')}:{GoText.FloatG(Count)}");
}

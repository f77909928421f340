using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Quantiles and fractions of classic histograms: cumulative counts in series that differ in the label "le".</summary>
internal static class ClassicHistograms
{
    /// <summary>The label that tells the buckets of a histogram apart.</summary>
    public const string BucketLabel = "le";

    /// <summary>Counts closer together than this part of themselves are held for equal.</summary>
    private const double SmallDelta = 1e-12;

    /// <summary>The smallest double that is not subnormal.</summary>
    private const double MinNormal = 2.2250738585072014E-308;

    public record struct Bucket(double UpperBound, double Count);

    /// <summary>Whether a histogram has a sample at a step.</summary>
    public static bool IsPresent(Histogram histogram, int step) => histogram.Buckets.Exists(b => !Samples.IsAbsent(b.Counts[step]));

    /// <summary>The q-quantile of a histogram at a step; null where it has no sample.</summary>
    public static double? Quantile(Evaluator evaluator, Histogram histogram, double q, int step, Expr argument, StepGrid grid)
    {
        var buckets = histogram.At(step);
        if (buckets.Length == 0) return null;
        var (value, forced) = QuantileOf(q, buckets);
        if (forced is { } fix) Report(evaluator, histogram, fix, argument, grid.TimeOf(step));
        return value;
    }

    /// <summary>The share of a histogram's observations between two bounds at a step; null where it has no sample.</summary>
    public static double? Fraction(Histogram histogram, double lower, double upper, int step)
    {
        var buckets = histogram.At(step);
        return buckets.Length == 0 ? null : FractionOf(lower, upper, buckets);
    }

    public sealed class Histogram(LabelSet labels)
    {
        public LabelSet Labels { get; } = labels;

        public List<(double UpperBound, double[] Counts)> Buckets { get; } = [];

        /// <summary>The buckets with a sample at a step, by bound; those with the same bound are one.</summary>
        public Bucket[] At(int step)
        {
            var present = Buckets.Where(b => !Samples.IsAbsent(b.Counts[step])).Select(b => new Bucket(b.UpperBound, b.Counts[step]))
                .OrderBy(b => b.UpperBound).ToArray();
            if (present.Length == 0) return present;
            var last = 0;
            for (var i = 1; i < present.Length; i++)
            {
                if (present[i].UpperBound == present[last].UpperBound) present[last].Count += present[i].Count;
                else present[++last] = present[i];
            }
            return present[..(last + 1)];
        }
    }

    /// <summary>The histograms that a vector's floats are the buckets of, by their labels.</summary>
    public static Dictionary<LabelSet, Histogram> Collect(Evaluator evaluator, VectorBlock input, Expr argument)
    {
        var histograms = new Dictionary<LabelSet, Histogram>();
        foreach (var series in input.Series)
        {
            if (!series.Values.AsSpan().ContainsAnyPresent()) continue;
            var bound = series.Labels.Get(BucketLabel);
            if (!NumberText.TryParseFloat(bound, out var upper))
            {
                var name = series.Labels.Name;
                evaluator.Annotations.Warn($"bucket label \"le\" is missing or has a malformed value of {GoText.Quote(bound)}"
                    + (name.Length == 0 ? "" : $" for metric name {GoText.Quote(name)}"), argument.Position);
                continue;
            }
            var labels = series.Labels.Without(BucketLabel);
            if (!histograms.TryGetValue(labels, out var histogram)) histograms.Add(labels, histogram = new(labels));
            histogram.Buckets.Add((upper, series.Values));
        }
        return histograms;
    }

    /// <summary>The q-quantile of a histogram, and what had to be mended for it.</summary>
    /// <param name="q">0 to 1; below and above it the value is infinite.</param>
    /// <param name="buckets">Cumulative, by rising bounds, at least one; may be changed.</param>
    public static (double Value, Correction? Forced) QuantileOf(double q, Span<Bucket> buckets)
    {
        if (double.IsNaN(q)) return (double.NaN, null);
        if (q < 0) return (double.NegativeInfinity, null);
        if (q > 1) return (double.PositiveInfinity, null);
        if (!double.IsPositiveInfinity(buckets[^1].UpperBound)) return (double.NaN, null);
        var forced = MakeMonotonic(buckets);
        if (buckets.Length < 2 || buckets[^1].Count == 0) return (double.NaN, forced);
        var rank = q * buckets[^1].Count;
        var b = 0;
        while (b < buckets.Length - 1 && !(buckets[b].Count >= rank)) b++;
        // In the last bucket nothing is known but its lower bound.
        if (b == buckets.Length - 1) return (buckets[^2].UpperBound, forced);
        if (b == 0 && buckets[0].UpperBound <= 0) return (buckets[0].UpperBound, forced);
        var (start, count) = (0d, buckets[b].Count);
        if (b > 0)
        {
            start = buckets[b - 1].UpperBound;
            count -= buckets[b - 1].Count;
            rank -= buckets[b - 1].Count;
        }
        return (start + (buckets[b].UpperBound - start) * (rank / count), forced);
    }

    /// <summary>Cumulative counts cannot fall: a bucket below its predecessor (counts scraped apart, or rounding) takes its value.</summary>
    private static Correction? MakeMonotonic(Span<Bucket> buckets)
    {
        Correction? forced = null;
        var previous = buckets[0].Count;
        for (var i = 1; i < buckets.Length; i++)
        {
            var current = buckets[i].Count;
            if (current == previous) continue;
            if (AlmostEqual(previous, current))
            {
                buckets[i].Count = previous;
            }
            else if (current < previous)
            {
                buckets[i].Count = previous;
                var bound = buckets[i].UpperBound;
                var known = forced ?? new(double.PositiveInfinity, double.NegativeInfinity, 0);
                forced = new(Math.Min(known.MinBucket, bound), Math.Max(known.MaxBucket, bound), Math.Max(known.MaxDifference, previous - current));
            }
            else
            {
                previous = current;
            }
        }
        return forced;
    }

    private static bool AlmostEqual(double a, double b)
    {
        if (double.IsNaN(a) && double.IsNaN(b)) return true;
        if (a == b) return true;
        var sum = Math.Abs(a) + Math.Abs(b);
        var difference = Math.Abs(a - b);
        if (a == 0 || b == 0 || sum < MinNormal) return difference < SmallDelta * MinNormal;
        return difference / Math.Min(sum, double.MaxValue) < SmallDelta;
    }

    /// <summary>The share of a histogram's observations between two bounds.</summary>
    /// <param name="lower">The lower bound.</param>
    /// <param name="upper">The upper bound.</param>
    /// <param name="buckets">Cumulative, by rising bounds, at least one.</param>
    public static double FractionOf(double lower, double upper, Span<Bucket> buckets)
    {
        if (!double.IsPositiveInfinity(buckets[^1].UpperBound)) return double.NaN;
        var count = buckets[^1].Count;
        if (count == 0 || double.IsNaN(lower) || double.IsNaN(upper)) return double.NaN;
        return lower >= upper ? 0 : (RankOf(upper, buckets) - RankOf(lower, buckets)) / count;
    }

    /// <summary>How many observations are below a value, with a linear share of the bucket it falls in.</summary>
    private static double RankOf(double value, ReadOnlySpan<Bucket> buckets)
    {
        var total = buckets[^1].Count;
        // With a first bound above zero all observations are held for positive.
        var lowerBound = buckets[0].UpperBound <= 0 ? double.NegativeInfinity : 0;
        double rank = 0;
        for (var i = 0; i < buckets.Length; i++)
        {
            if (i > 0) lowerBound = buckets[i - 1].UpperBound;
            if (lowerBound >= value) return Math.Min(rank, total);
            var upperBound = buckets[i].UpperBound;
            if (upperBound > value)
            {
                // No share can be told in a bucket without a lower bound.
                var inside = double.IsNegativeInfinity(lowerBound)
                    ? buckets[i].Count
                    : rank + (buckets[i].Count - rank) * (value - lowerBound) / (upperBound - lowerBound);
                return Math.Min(inside, total);
            }
            rank = buckets[i].Count;
        }
        return total;
    }

    private static void Report(Evaluator evaluator, Histogram histogram, Correction fix, Expr argument, long timeMs)
    {
        var name = histogram.Labels.Name;
        evaluator.Annotations.Corrected(
            "input to histogram_quantile needed to be fixed for monotonicity (see "
            + "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
            + (name.Length == 0 ? "" : $" for metric name {GoText.Quote(name)}"), argument.Position, fix, timeMs);
    }
}

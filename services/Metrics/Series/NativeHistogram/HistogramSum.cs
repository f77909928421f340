using Vigil.Metrics.PromQL;

namespace Vigil.Metrics.Series;

/// <summary>
/// A sum of histograms that is added to, with what rounding loses kept aside in each number (see <see cref="KahanSum"/>). It takes on the coarsest
/// schema, the widest zero bucket, and the custom bounds common to all that were added.
/// </summary>
internal sealed class HistogramSum
{
    private readonly BucketSums negative;
    private BucketSums positive;
    private double zeroThreshold;
    private double[] customBounds;
    private int schema;
    private KahanSum zeroCount;
    private KahanSum count;
    private KahanSum sum;
    private CounterResetHint hint;

    /// <summary>A sum that begins with one histogram.</summary>
    public HistogramSum(FloatHistogram first)
    {
        (schema, zeroThreshold, customBounds, hint) = (first.Schema, first.ZeroThreshold, first.CustomBounds, first.Hint);
        (zeroCount, count, sum) = (new(first.ZeroCount), new(first.Count), new(first.Sum));
        (positive, negative) = (BucketSums.Of(first.Positive), BucketSums.Of(first.Negative));
    }

    private HistogramSum(HistogramSum other)
    {
        (schema, zeroThreshold, customBounds, hint) = (other.schema, other.zeroThreshold, other.customBounds, other.hint);
        (zeroCount, count, sum) = (other.zeroCount, other.count, other.sum);
        (positive, negative) = (other.positive.Clone(), other.negative.Clone());
    }

    private bool IsCustom => schema == BucketBounds.CustomSchema;

    /// <summary>A copy that is added to on its own.</summary>
    public HistogramSum Clone() => new(this);

    /// <summary>Adds or subtracts a histogram. Where it is incompatible, nothing has changed.</summary>
    public HistogramRemarks Add(FloatHistogram other, bool subtract = false)
    {
        if (IsCustom != other.IsCustom) return HistogramRemarks.Incompatible;
        var remarks = AdjustHint(other.Hint);
        var sign = subtract ? -1.0 : 1.0;
        if (!IsCustom) zeroCount.Add(sign * ReconcileZeroBuckets(other));
        count.Add(sign * other.Count);
        sum.Add(sign * other.Sum);
        if (!IsCustom)
        {
            AddExponential(other, sign);
            return remarks;
        }
        if (customBounds.AsSpan().SequenceEqual(other.CustomBounds))
        {
            positive.Add(other.Positive, 0, sign);
            return remarks;
        }
        ReconcileBounds(other, sign);
        return remarks | HistogramRemarks.BoundsReconciled;
    }

    /// <summary>Multiplies everything by a factor.</summary>
    public void Scale(double factor)
    {
        zeroCount.Scale(factor);
        count.Scale(factor);
        sum.Scale(factor);
        positive.Scale(factor);
        negative.Scale(factor);
    }

    /// <summary>Divides everything by a divisor: more exact than multiplying by its inverse.</summary>
    public void Divide(double divisor)
    {
        zeroCount.Divide(divisor);
        count.Divide(divisor);
        sum.Divide(divisor);
        positive.Divide(divisor);
        negative.Divide(divisor);
    }

    /// <summary>The sum as a histogram.</summary>
    public FloatHistogram Total() => new()
    {
        Hint = hint,
        Schema = schema,
        ZeroThreshold = zeroThreshold,
        ZeroCount = zeroCount.Total,
        Count = count.Total,
        Sum = sum.Total,
        Positive = positive.Total(),
        Negative = negative.Total(),
        CustomBounds = customBounds,
    };

    /// <summary>Adding a histogram may make some number infinite; it does not, where this is false.</summary>
    public bool MayOverflow(FloatHistogram other)
    {
        const double Safe = double.MaxValue / 4;
        var largest = Math.Max(Math.Max(Math.Abs(zeroCount.Sum), Math.Abs(count.Sum)), Math.Max(Math.Abs(sum.Sum), Math.Max(positive.Largest(), negative.Largest())));
        // A bucket may take in several when schemas or zero buckets differ: what all of them hold is the count.
        return !(largest < Safe && Math.Abs(other.Count) < Safe && Math.Abs(other.Sum) < Safe && Math.Abs(other.ZeroCount) < Safe
            && Bounded(other.Positive) && Bounded(other.Negative));

        static bool Bounded(HistogramBuckets buckets)
        {
            foreach (var bucket in buckets.Counts)
            {
                // Times the most buckets that there may be.
                if (!(Math.Abs(bucket) < Safe / HistogramRules.MaxBuckets)) return false;
            }
            return true;
        }
    }

    /// <summary>Some number is infinite.</summary>
    public bool HasOverflow() => double.IsInfinity(zeroCount.Sum) || double.IsInfinity(count.Sum) || double.IsInfinity(sum.Sum)
        || positive.HasOverflow() || negative.HasOverflow();

    private void AddExponential(FloatHistogram other, double sign)
    {
        if (other.Schema < schema)
        {
            positive.Reduce(schema, other.Schema);
            negative.Reduce(schema, other.Schema);
            schema = other.Schema;
        }
        var added = other.Reduce(schema);
        positive.Add(added.Positive, Inside(added.Positive), sign);
        negative.Add(added.Negative, Inside(added.Negative), sign);
    }

    private HistogramRemarks AdjustHint(CounterResetHint other)
    {
        if (other == hint || hint == CounterResetHint.Gauge) return HistogramRemarks.None;
        if (other == CounterResetHint.Gauge)
        {
            hint = CounterResetHint.Gauge;
            return HistogramRemarks.None;
        }
        var collision = hint != CounterResetHint.Unknown && other != CounterResetHint.Unknown;
        hint = CounterResetHint.Unknown;
        return collision ? HistogramRemarks.CounterResetCollision : HistogramRemarks.None;
    }

    /// <summary>Widens the zero bucket until it holds the other's and splits no bucket with observations of either. Returns the other's count in it.</summary>
    private double ReconcileZeroBuckets(FloatHistogram other)
    {
        var (otherCount, otherThreshold) = (other.ZeroCount, other.ZeroThreshold);
        while (otherThreshold != zeroThreshold)
        {
            if (zeroThreshold > otherThreshold) (otherCount, otherThreshold) = ZeroBuckets.Widen(other, zeroThreshold);
            if (otherThreshold > zeroThreshold) WidenTo(otherThreshold);
        }
        return otherCount;
    }

    private void WidenTo(double wanted)
    {
        var (_, threshold) = ZeroBuckets.Widen(Total(), wanted);
        Swallow(positive);
        Swallow(negative);
        zeroThreshold = threshold;

        void Swallow(BucketSums side)
        {
            for (var i = 0; i < side.Length && BucketBounds.Exponential(side.Indexes[i] - 1, schema) < threshold; i++) side.MoveTo(ref zeroCount, i);
            side.RemoveEmpty();
        }
    }

    /// <summary>How many of the first buckets lie wholly within the zero bucket.</summary>
    private int Inside(HistogramBuckets side)
    {
        var inside = 0;
        while (inside < side.Length && BucketBounds.Exponential(side.Indexes[inside], schema) <= zeroThreshold) inside++;
        return inside;
    }

    /// <summary>Brings both to the bounds that both have; a bucket goes to the first of those at or above its own.</summary>
    private void ReconcileBounds(FloatHistogram other, double sign)
    {
        double[] common = [.. customBounds.Where(b => Array.BinarySearch(other.CustomBounds, b) >= 0)];
        var target = BucketSums.Empty(common.Length + 1);
        for (var i = 0; i < positive.Length; i++) positive.MoveTo(ref target[Place(positive.Indexes[i], customBounds)], i);
        for (var i = 0; i < other.Positive.Length; i++)
            target[Place(other.Positive.Indexes[i], other.CustomBounds)].Add(sign * other.Positive.Counts[i]);
        target.RemoveEmpty();
        (positive, customBounds) = (target, common);

        int Place(int index, double[] bounds)
        {
            if (index >= bounds.Length) return common.Length;
            var found = Array.BinarySearch(common, bounds[index]);
            return found < 0 ? ~found : found;
        }
    }
}

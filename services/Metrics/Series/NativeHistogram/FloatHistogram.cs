using System.Text;
using Vigil.Metrics.PromQL;

namespace Vigil.Metrics.Series;

/// <summary>
/// A native histogram: how many observations fell into each of many buckets, at one moment. Either the bounds are exponential (schema
/// -4 to 8, see <see cref="BucketBounds"/>), on both sides of a zero bucket, or they are custom (schema -53), as classic histograms have
/// them. Counts are not cumulative, and may be fractions: it is what PromQL calculates with. Immutable.
/// </summary>
/// <remarks>
/// The model of Prometheus' native histograms (https://prometheus.io/docs/specs/native_histograms/). Two are equal when all but the hint is, bit
/// by bit, and the same buckets are listed.
/// </remarks>
internal sealed record FloatHistogram
{
    /// <summary>The relation to the sample before it.</summary>
    public CounterResetHint Hint { get; init; }

    /// <summary>What the buckets' bounds are.</summary>
    public int Schema { get; init; }

    /// <summary>The zero bucket reaches from minus this to this, both included. Zero with custom bounds.</summary>
    public double ZeroThreshold { get; init; }

    /// <summary>Observations in the zero bucket.</summary>
    public double ZeroCount { get; init; }

    /// <summary>All observations, NaN among them, which are in no bucket.</summary>
    public double Count { get; init; }

    /// <summary>The sum of the observed values. A staleness marker here makes the whole sample one.</summary>
    public double Sum { get; init; }

    /// <summary>Buckets of values above zero; with custom bounds all buckets.</summary>
    public HistogramBuckets Positive { get; init; } = HistogramBuckets.None;

    /// <summary>Buckets of values below zero; their bounds are those of the positive ones, negated.</summary>
    public HistogramBuckets Negative { get; init; } = HistogramBuckets.None;

    /// <summary>Upper bounds, rising and finite, where they are custom; the last bucket is above all of them. Shared: never written to.</summary>
    public double[] CustomBounds { get; init; } = [];

    /// <summary>The bounds are those of <see cref="CustomBounds"/>.</summary>
    public bool IsCustom => Schema == BucketBounds.CustomSchema;

    /// <summary>The series ended here: see <see cref="Samples.Stale"/>.</summary>
    public bool IsStale => Samples.IsStale(Sum);

    /// <summary>What it counts for, where a sample of a float counts as one: its size in memory as Prometheus reckons it, in pairs of 8 bytes.</summary>
    public int SampleSize => (Size + 8) / 16;

    /// <summary>Its size in Prometheus' memory, in bytes.</summary>
    private int Size => 168 + 8 * (Positive.CountSpans() + Negative.CountSpans() + Positive.Length + Negative.Length + CustomBounds.Length);

    /// <summary>Places for <see cref="BucketAt"/>: negative buckets, the zero bucket, positive ones.</summary>
    public int Places => Negative.Length + 1 + Positive.Length;

    /// <summary>
    /// The bucket at a place, by rising bounds. False where the zero bucket's place holds none. A bucket that the zero bucket reaches into begins
    /// where that ends.
    /// </summary>
    public bool BucketAt(int place, out HistogramBucket bucket)
    {
        if (place == Negative.Length)
        {
            bucket = ZeroBucket;
            return ZeroCount > 0;
        }
        if (place < Negative.Length)
        {
            bucket = NegativeBucket(Negative.Length - 1 - place);
            if (bucket.Upper < 0 && bucket.Upper > -ZeroThreshold) bucket = bucket with { Upper = -ZeroThreshold };
            return true;
        }
        bucket = PositiveBucket(place - Negative.Length - 1);
        if (bucket.Lower > 0 && bucket.Lower < ZeroThreshold) bucket = bucket with { Lower = ZeroThreshold };
        return true;
    }

    /// <summary>The zero bucket.</summary>
    public HistogramBucket ZeroBucket => new(-ZeroThreshold, ZeroThreshold, true, true, ZeroCount);

    /// <summary>The positive bucket at a position of <see cref="Positive"/>, with the bounds of its schema.</summary>
    public HistogramBucket PositiveBucket(int position)
    {
        var index = Positive.Indexes[position];
        var (lower, upper) = (BoundOf(index - 1), BoundOf(index));
        return IsCustom
            ? new(lower, upper, index == 0, true, Positive.Counts[position])
            : new(lower, upper, lower < 0, upper > 0, Positive.Counts[position]);
    }

    /// <summary>The negative bucket at a position of <see cref="Negative"/>, with the bounds of its schema.</summary>
    public HistogramBucket NegativeBucket(int position)
    {
        var index = Negative.Indexes[position];
        var (lower, upper) = (-BoundOf(index), -BoundOf(index - 1));
        return new(lower, upper, lower < 0, upper > 0, Negative.Counts[position]);
    }

    /// <summary>All counts and the sum times a factor. A negative one makes a gauge of it.</summary>
    public FloatHistogram Multiply(double factor) => this with
    {
        Hint = factor < 0 ? CounterResetHint.Gauge : Hint,
        ZeroCount = ZeroCount * factor,
        Count = Count * factor,
        Sum = Sum * factor,
        Positive = Positive.Map(c => c * factor),
        Negative = Negative.Map(c => c * factor),
    };

    /// <summary>All counts and the sum divided by a divisor. Dividing by zero leaves no bucket but that of zero. A negative divisor makes a gauge of it.</summary>
    public FloatHistogram Divide(double divisor) => this with
    {
        Hint = divisor < 0 ? CounterResetHint.Gauge : Hint,
        ZeroCount = ZeroCount / divisor,
        Count = Count / divisor,
        Sum = Sum / divisor,
        Positive = divisor == 0 ? HistogramBuckets.None : Positive.Map(c => c / divisor),
        Negative = divisor == 0 ? HistogramBuckets.None : Negative.Map(c => c / divisor),
    };

    /// <summary>
    /// The sum of two. Where they differ, the result has the coarser schema, the wider zero bucket (widened to a bound that splits no
    /// bucket with observations), or the custom bounds that both have. It lists every bucket that either does.
    /// </summary>
    public FloatHistogram? Add(FloatHistogram other, out HistogramRemarks remarks) => Combine(other, subtract: false, out remarks);

    /// <summary>The difference of two, by the rules of <see cref="Add"/>. The hint is that of a sum: only the caller knows whether a gauge came of it.</summary>
    public FloatHistogram? Subtract(FloatHistogram other, out HistogramRemarks remarks) => Combine(other, subtract: true, out remarks);

    /// <summary>With the buckets of an exponential schema merged into those of a coarser one. The same one where there is nothing to merge.</summary>
    public FloatHistogram Reduce(int schema)
    {
        if (schema == Schema) return this;
        var (positive, negative) = (BucketSums.Of(Positive), BucketSums.Of(Negative));
        positive.Reduce(Schema, schema);
        negative.Reduce(Schema, schema);
        return this with { Schema = schema, Positive = positive.Total(), Negative = negative.Total() };
    }

    /// <summary>Without the empty buckets.</summary>
    public FloatHistogram Compact()
    {
        var (positive, negative) = (Positive.Compact(), Negative.Compact());
        return ReferenceEquals(positive, Positive) && ReferenceEquals(negative, Negative) ? this : this with { Positive = positive, Negative = negative };
    }

    /// <summary>Some count, or the sum, is infinite.</summary>
    public bool HasOverflow()
    {
        if (double.IsInfinity(ZeroCount) || double.IsInfinity(Count) || double.IsInfinity(Sum)) return true;
        return Any(Positive.Counts) || Any(Negative.Counts);

        static bool Any(ReadOnlySpan<double> values)
        {
            foreach (var value in values)
            {
                if (double.IsInfinity(value)) return true;
            }
            return false;
        }
    }

    /// <summary>Same data, bit by bit, whatever the hints; custom bounds by value.</summary>
    public bool Equals(FloatHistogram? other) => other is not null && Schema == other.Schema && SameBits(Count, other.Count) && SameBits(Sum, other.Sum)
        && (!IsCustom || CustomBounds.AsSpan().SequenceEqual(other.CustomBounds)) && ZeroThreshold == other.ZeroThreshold
        && SameBits(ZeroCount, other.ZeroCount) && Negative.SameAs(other.Negative) && Positive.SameAs(other.Positive);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Schema, Count, Sum, ZeroCount, Positive.Length, Negative.Length);

    /// <summary>As Prometheus prints it, and as <c>count_values</c> puts it into a label: {count:3, sum:4.5, (1,2]:3}.</summary>
    public override string ToString()
    {
        var text = new StringBuilder("{count:").Append(GoText.FloatG(Count)).Append(", sum:").Append(GoText.FloatG(Sum));
        for (var i = Negative.Length - 1; i >= 0; i--) Append(NegativeBucket(i));
        if (!IsCustom) Append(ZeroBucket);
        for (var i = 0; i < Positive.Length; i++) Append(PositiveBucket(i));
        return text.Append('}').ToString();

        void Append(HistogramBucket bucket)
        {
            if (bucket.Count != 0) text.Append(", ").Append(bucket);
        }
    }

    private double BoundOf(int index) => IsCustom ? BucketBounds.Custom(index, CustomBounds) : BucketBounds.Exponential(index, Schema);

    private FloatHistogram? Combine(FloatHistogram other, bool subtract, out HistogramRemarks remarks)
    {
        var sum = new HistogramSum(this);
        remarks = sum.Add(other, subtract);
        return (remarks & HistogramRemarks.Incompatible) != 0 ? null : sum.Total();
    }

    private static bool SameBits(double a, double b) => BitConverter.DoubleToInt64Bits(a) == BitConverter.DoubleToInt64Bits(b);
}

using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;
using Xunit;

namespace Vigil.Metrics.Tests.PromQL;

public sealed class NativeHistogramTests
{
    [Theory]
    // Same layout.
    [InlineData("{{count:6 sum:10 buckets:[1 2 3]}}", "{{count:3 sum:1 buckets:[1 1 1]}}", "{{count:9 sum:11 buckets:[2 3 4]}}")]
    // Gaps are filled, in any order.
    [InlineData("{{count:2 sum:1 offset:5 buckets:[1 1]}}", "{{count:3 sum:1 offset:-2 buckets:[1 1 1]}}", "{{count:5 sum:2 offset:-2 buckets:[1 1 1 0 0 0 0 1 1]}}")]
    // The coarser schema wins: (1,2^.5] and (2^.5,2] make (1,2].
    [InlineData("{{schema:1 count:3 sum:4 offset:1 buckets:[1 2]}}", "{{schema:0 count:4 sum:5 offset:1 buckets:[4]}}", "{{schema:0 count:7 sum:9 offset:1 buckets:[7]}}")]
    [InlineData("{{schema:0 count:4 sum:5 offset:1 buckets:[4]}}", "{{schema:1 count:3 sum:4 offset:1 buckets:[1 2]}}", "{{schema:0 count:7 sum:9 offset:1 buckets:[7]}}")]
    [InlineData("{{schema:-1 count:4 sum:5 buckets:[4]}}", "{{schema:1 count:3 sum:4 n_offset:1 n_buckets:[1 2]}}", "{{schema:-1 count:7 sum:9 buckets:[4] n_offset:1 n_buckets:[3]}}")]
    // The zero bucket grows to the end of the populated bucket that the other's threshold falls into.
    [InlineData("{{count:5 sum:5 z_bucket:1 z_bucket_w:1 buckets:[0 2 2]}}", "{{count:2 sum:5 z_bucket:2 z_bucket_w:1.5}}", "{{count:7 sum:10 z_bucket:5 z_bucket_w:2 offset:2 buckets:[2]}}")]
    [InlineData("{{count:2 sum:5 z_bucket:2 z_bucket_w:1.5}}", "{{count:5 sum:5 z_bucket:1 z_bucket_w:1 buckets:[0 2 2]}}", "{{count:7 sum:10 z_bucket:5 z_bucket_w:2 offset:2 buckets:[2]}}")]
    // What one side swallows moves the threshold into a bucket of the other.
    [InlineData("{{count:6 sum:5 z_bucket:1 z_bucket_w:0.5 buckets:[2] n_offset:1 n_buckets:[3]}}", "{{count:1 sum:0 z_bucket:1 z_bucket_w:0.75}}", "{{count:7 sum:5 z_bucket:4 z_bucket_w:1 n_offset:1 n_buckets:[3]}}")]
    // Custom bounds: those that both have.
    [InlineData("{{schema:-53 custom_values:[1 2 3] count:10 sum:1 buckets:[1 2 3 4]}}", "{{schema:-53 custom_values:[2 3 5] count:4 sum:1 buckets:[1 1 1 1]}}", "{{schema:-53 custom_values:[2 3] count:14 sum:2 buckets:[4 4 6]}}")]
    [InlineData("{{schema:-53 custom_values:[1] count:3 sum:1 buckets:[1 2]}}", "{{schema:-53 custom_values:[2] count:4 sum:1 buckets:[1 3]}}", "{{schema:-53 count:7 sum:2 buckets:[7]}}")]
    public void Add_OfTwo_ReconcilesTheirLayouts(string left, string right, string sum)
    {
        Assert.Equal(HistogramText.Read(sum).Compact().ToString(), HistogramText.Read(left).Add(HistogramText.Read(right), out _)!.Compact().ToString());
        Assert.Equal(HistogramText.Read(sum).Compact(), HistogramText.Read(left).Add(HistogramText.Read(right), out _)!.Compact());
        // Subtracting again gives the first back, as far as its layout still holds it.
        var difference = HistogramText.Read(sum).Subtract(HistogramText.Read(right), out _)!;
        Assert.Equal(HistogramText.Read(left).Count, difference.Count);
    }

    [Fact]
    public void Add_OfExponentialAndCustom_HasNoResult()
    {
        var custom = HistogramText.Read("{{schema:-53 custom_values:[1] count:1 buckets:[1]}}");
        Assert.Null(custom.Add(HistogramText.Read("{{count:1 buckets:[1]}}"), out var remarks));
        Assert.Equal(HistogramRemarks.Incompatible, remarks);
    }

    [Theory]
    [InlineData(CounterResetHint.Reset, CounterResetHint.NotReset, CounterResetHint.Unknown, HistogramRemarks.CounterResetCollision)]
    [InlineData(CounterResetHint.Reset, CounterResetHint.Reset, CounterResetHint.Reset, HistogramRemarks.None)]
    [InlineData(CounterResetHint.Reset, CounterResetHint.Unknown, CounterResetHint.Unknown, HistogramRemarks.None)]
    [InlineData(CounterResetHint.NotReset, CounterResetHint.Gauge, CounterResetHint.Gauge, HistogramRemarks.None)]
    [InlineData(CounterResetHint.Gauge, CounterResetHint.Reset, CounterResetHint.Gauge, HistogramRemarks.None)]
    public void Add_OfHints_KeepsWhatIsSure(object left, object right, object sum, object remarks)
    {
        var one = new FloatHistogram { Hint = (CounterResetHint)left };
        var total = one.Add(new FloatHistogram { Hint = (CounterResetHint)right }, out var told)!;
        Assert.Equal((sum, remarks), (total.Hint, told));
    }

    [Fact]
    public void Sum_OfLargeAndSmall_LosesNothing()
    {
        var sum = new HistogramSum(HistogramText.Read("{{count:1 sum:1 buckets:[1]}}"));
        foreach (var text in (string[])["{{count:1e100 sum:1e100 buckets:[1e100]}}", "{{count:1 sum:1 buckets:[1]}}", "{{count:-1e100 sum:-1e100 buckets:[-1e100]}}"])
            sum.Add(HistogramText.Read(text));
        Assert.Equal("{count:2, sum:2, (0.5,1]:2}", sum.Total().ToString());
    }

    [Fact]
    public void Mean_WhoseSumOverflows_IsFinite()
    {
        var mean = new HistogramMean(HistogramText.Read("{{count:1e308 sum:1e308 buckets:[1e308]}}"));
        mean.Add(HistogramText.Read("{{count:1e308 sum:1e308 buckets:[1e308]}}"));
        mean.Add(HistogramText.Read("{{count:1e308 sum:1e308 buckets:[1e308]}}"));
        Assert.Equal(1, mean.Value().Count / 1e308, 12);
        Assert.Equal(1, mean.Value().Positive.Counts[0] / 1e308, 12);
    }

    [Theory]
    [InlineData("{{count:3 buckets:[1 2]}}", "{{count:4 buckets:[2 2]}}", false)]
    [InlineData("{{count:3 buckets:[1 2]}}", "{{count:4 buckets:[0 4]}}", true)]
    [InlineData("{{count:3 buckets:[1 2]}}", "{{count:2 buckets:[1 2]}}", true)]
    [InlineData("{{count:3 buckets:[3]}}", "{{count:4 offset:1 buckets:[4]}}", true)]
    [InlineData("{{count:3 buckets:[3 0]}}", "{{count:4 buckets:[4]}}", false)]
    [InlineData("{{schema:1 count:3 offset:1 buckets:[1 2]}}", "{{schema:0 count:3 offset:1 buckets:[3]}}", false)]
    [InlineData("{{schema:1 count:3 offset:1 buckets:[1 2]}}", "{{schema:0 count:4 offset:1 buckets:[2]}}", true)]
    [InlineData("{{schema:0 count:3 buckets:[3]}}", "{{schema:1 count:4 buckets:[4]}}", true)]
    [InlineData("{{count:3 z_bucket:1 z_bucket_w:0.5 buckets:[2]}}", "{{count:3 z_bucket:3 z_bucket_w:1}}", false)]
    [InlineData("{{count:3 z_bucket:1 z_bucket_w:0.5 buckets:[2]}}", "{{count:4 z_bucket:4 z_bucket_w:0.75}}", true)]
    [InlineData("{{count:3 z_bucket:3 z_bucket_w:1}}", "{{count:4 z_bucket:4 z_bucket_w:0.5}}", true)]
    [InlineData("{{count:3 n_buckets:[3]}}", "{{count:4 n_buckets:[2] buckets:[2]}}", true)]
    [InlineData("{{schema:-53 custom_values:[1 2 3] count:6 buckets:[1 2 3]}}", "{{schema:-53 custom_values:[2 3] count:7 buckets:[3 4]}}", false)]
    [InlineData("{{schema:-53 custom_values:[1 2 3] count:6 buckets:[1 2 3]}}", "{{schema:-53 custom_values:[2 3] count:7 buckets:[2 5]}}", true)]
    [InlineData("{{count:3 buckets:[3]}}", "{{schema:-53 custom_values:[1] count:7 buckets:[7]}}", true)]
    [InlineData("{{schema:-53 custom_values:[1] count:7 buckets:[7]}}", "{{count:9 buckets:[9]}}", true)]
    [InlineData("{{count:3 buckets:[3]}}", "{{count:1 buckets:[1] counter_reset_hint:not_reset}}", false)]
    [InlineData("{{count:3 buckets:[3]}}", "{{count:4 buckets:[4] counter_reset_hint:reset}}", true)]
    [InlineData("{{count:3 buckets:[3]}}", "{{count:1 buckets:[1] counter_reset_hint:gauge}}", true)]
    public void Reset_BetweenTwo_IsFoundWhereSomeCountFell(string previous, string current, bool reset) =>
        Assert.Equal(reset, CounterResets.IsReset(HistogramText.Read(previous), HistogramText.Read(current)));

    [Theory]
    [InlineData(8, 1, 1.0027112750502025)]
    [InlineData(8, 256, 2)]
    [InlineData(8, -256, 0.5)]
    [InlineData(1, 1, 1.414213562373095)]
    [InlineData(0, 0, 1)]
    [InlineData(0, 1024, double.MaxValue)]
    [InlineData(0, 1025, double.PositiveInfinity)]
    [InlineData(-4, 1, 65536)]
    [InlineData(-4, 64, double.MaxValue)]
    [InlineData(-4, 65, double.PositiveInfinity)]
    [InlineData(-4, -68, 0)]
    [InlineData(0, -1074, double.Epsilon)]
    public void Bound_OfIndex_IsThatOfPrometheus(int schema, int index, double bound) => Assert.Equal(bound, BucketBounds.Exponential(index, schema));

    [Theory]
    // (1,2]: 4, (2,4]: 6: half of all lies a sixth of an octave above 2.
    [InlineData(0.5, 2.244924096618746)]
    [InlineData(0, 1)]
    [InlineData(1, 4)]
    [InlineData(-0.1, double.NegativeInfinity)]
    [InlineData(1.1, double.PositiveInfinity)]
    [InlineData(double.NaN, double.NaN)]
    public void Quantile_OfExponentialBuckets_InterpolatesOnALogarithmicScale(double q, double expected) =>
        Assert.Equal(expected, HistogramEstimates.Quantile(HistogramText.Read("{{count:10 sum:1 offset:1 buckets:[4 6]}}"), q, out _), 1e-12);

    [Fact]
    public void FractionAndQuantile_OfEachOther_AreInverse()
    {
        var random = new Random(5);
        for (var i = 0; i < 500; i++)
        {
            var histogram = Random(random, negativeCounts: false);
            if (histogram.Count == 0) continue;
            var q = random.NextDouble();
            var value = HistogramEstimates.Quantile(histogram, q, out _);
            var fraction = HistogramEstimates.Fraction(histogram, double.NegativeInfinity, value, out _);
            // A quantile in an open bucket is that bucket's finite end.
            if (histogram.IsCustom && (value == histogram.CustomBounds.FirstOrDefault() || value == histogram.CustomBounds.LastOrDefault())) continue;
            Assert.True(Math.Abs(fraction - q) < 1e-6, $"{histogram}: {q} {value} {fraction}");
        }
    }

    [Fact]
    public void Codec_OfAnyHistogram_ReadsBackWhatWasWritten()
    {
        var random = new Random(3);
        for (var i = 0; i < 2_000; i++)
        {
            var histogram = Random(random, negativeCounts: true);
            Assert.True(HistogramCodec.TryDecode(HistogramCodec.Encode(histogram), out var read), histogram.ToString());
            Assert.Equal(histogram, read);
            Assert.Equal(histogram.Hint, read!.Hint);
        }
    }

    [Fact]
    public void Codec_OfStaleMarker_KeepsIt()
    {
        Assert.True(HistogramCodec.TryDecode(HistogramCodec.Encode(new FloatHistogram { Sum = Samples.Stale }), out var read));
        Assert.True(read!.IsStale);
    }

    [Fact]
    public void Codec_OfDamagedBytes_RefusesOrReadsAHistogramThatHoldsTogether()
    {
        var random = new Random(4);
        var refused = 0;
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = HistogramCodec.Encode(Random(random, negativeCounts: true));
            switch (random.Next(4))
            {
                case 0: bytes = bytes[..random.Next(bytes.Length)]; break;
                case 1: bytes = [.. bytes, 0]; break;
                case 2: bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8)); break;
                default: random.NextBytes(bytes.AsSpan(random.Next(bytes.Length))); break;
            }
            if (!HistogramCodec.TryDecode(bytes, out var read))
            {
                refused++;
                continue;
            }
            // All that queries do with one works on it.
            _ = read!.ToString();
            _ = read.Add(read, out _)!.Compact();
            _ = HistogramEstimates.Quantile(read, 0.9, out _);
            Assert.True(HistogramCodec.TryDecode(HistogramCodec.Encode(read), out var again));
            Assert.Equal(read, again);
        }
        Assert.InRange(refused, 10_000, 19_999);
    }

    [Fact]
    public void Codec_OfHistogramWithMostBuckets_IsReadAndWithOneMoreRefused()
    {
        Assert.True(HistogramCodec.TryDecode(HistogramCodec.Encode(Of(HistogramRules.MaxBuckets)), out _));
        Assert.False(HistogramCodec.TryDecode(HistogramCodec.Encode(Of(HistogramRules.MaxBuckets + 1)), out _));
        Assert.Null(HistogramRules.Refuse(Of(HistogramRules.MaxBuckets)));
        Assert.Equal("histogram has more than 10000 buckets", HistogramRules.Refuse(Of(HistogramRules.MaxBuckets + 1)));

        static FloatHistogram Of(int buckets) => new() { Positive = HistogramBuckets.FromSpans([new(0, buckets)], new double[buckets])! };
    }

    [Theory]
    [InlineData("{{schema:9}}", "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for custom buckets, got schema 9")]
    [InlineData("{{count:-1}}", "observation count is  -1: histogram's observation count is negative")]
    [InlineData("{{buckets:[1 -2]}}", "positive side: bucket number 2 has observation count of -2: histogram has a bucket whose observation count is negative")]
    [InlineData("{{n_buckets:[-2]}}", "negative side: bucket number 1 has observation count of -2: histogram has a bucket whose observation count is negative")]
    [InlineData("{{z_bucket:-1}}", "zero bucket has observation count of -1: histogram has a bucket whose observation count is negative")]
    [InlineData("{{custom_values:[1]}}", "histogram with exponential schema must not have custom bounds")]
    [InlineData("{{schema:-53 custom_values:[1 1]}}", "custom buckets: previous bound is 1.000000 and current is 1.000000: histogram custom bounds must be in strictly increasing order")]
    [InlineData("{{schema:-53 custom_values:[1 Inf]}}", "custom buckets: last +Inf bound must not be explicitly defined: histogram custom bounds must be finite")]
    [InlineData("{{schema:-53 custom_values:[NaN]}}", "custom buckets: histogram custom bounds must not be NaN")]
    [InlineData("{{schema:-53 custom_values:[1] buckets:[1 2 3]}}", "custom buckets: only 1 custom bounds defined which is insufficient to cover total span length of 3: histogram custom bounds are too few")]
    [InlineData("{{schema:-53 z_bucket:1}}", "custom buckets: must have zero count of 0")]
    [InlineData("{{schema:-53 n_buckets:[1]}}", "custom buckets: must not have negative buckets")]
    [InlineData("{{schema:-53 custom_values:[1] buckets:[1 2]}}", null)]
    [InlineData("{{schema:8 count:4 sum:1 z_bucket:1 z_bucket_w:0.1 buckets:[1 2] n_buckets:[0.5]}}", null)]
    public void Refuse_OfHistogram_NamesWhatIsWrong(string text, string? reason) => Assert.Equal(reason, HistogramRules.Refuse(HistogramText.Read(text)));

    [Fact]
    public void Spans_OfBuckets_ReadBackAndBadOnesAreRefused()
    {
        var buckets = HistogramBuckets.FromSpans([new(-3, 2), new(0, 1), new(2, 0), new(1, 2)], [1, 2, 3, 4, 5])!;
        Assert.Equal([-3, -2, -1, 3, 4], buckets.Indexes.ToArray());
        Assert.Equal([new(-3, 3), new(3, 2)], buckets.ToSpans());
        Assert.Null(HistogramBuckets.FromSpans([new(0, 2)], [1]));
        Assert.Null(HistogramBuckets.FromSpans([new(0, 1)], [1, 2]));
        Assert.Null(HistogramBuckets.FromSpans([new(0, 1), new(-1, 1)], [1, 2]));
        Assert.Null(HistogramBuckets.FromSpans([new(int.MaxValue, 1)], [1]));
        Assert.Null(HistogramBuckets.FromSpans([new(0, -1), new(0, 2)], [1]));
    }

    private static FloatHistogram Random(Random random, bool negativeCounts)
    {
        var custom = random.Next(3) == 0;
        double total = 0;
        var bounds = custom ? Enumerable.Range(0, random.Next(1, 8)).Select(i => i * 1.5 + random.NextDouble() + 0.1).ToArray() : [];
        var positive = Side(custom ? 0 : random.Next(-50, 50), custom ? bounds.Length + 1 : random.Next(12));
        var negative = custom ? HistogramBuckets.None : Side(random.Next(-50, 50), random.Next(5));
        var zero = custom ? 0 : Count();
        total += zero;
        return new()
        {
            Hint = (CounterResetHint)random.Next(4),
            Schema = custom ? BucketBounds.CustomSchema : random.Next(BucketBounds.MinSchema, BucketBounds.MaxSchema + 1),
            ZeroThreshold = custom ? 0 : 1e-300,
            ZeroCount = zero,
            Count = total,
            Sum = random.NextDouble() * 100,
            Positive = positive,
            Negative = negative,
            CustomBounds = bounds,
        };

        double Count()
        {
            var count = random.Next(4) switch { 0 => random.Next(1000), 1 => random.NextDouble() * 10, 2 => 0, _ => random.Next(1 << 30) * 1e6 };
            return negativeCounts && random.Next(5) == 0 ? -count : count;
        }

        HistogramBuckets Side(int from, int length)
        {
            var (indexes, counts) = (new List<int>(), new List<double>());
            for (var i = 0; i < length; i++)
            {
                if (!custom && random.Next(3) == 0) from += random.Next(4);
                indexes.Add(from + i);
                counts.Add(Count());
                total += counts[^1];
            }
            return HistogramBuckets.From([.. indexes], [.. counts]);
        }
    }
}

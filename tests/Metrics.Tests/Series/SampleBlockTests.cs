using Vigil.Metrics.Series;
using Xunit;

namespace Vigil.Metrics.Tests.Series;

public sealed class SampleBlockTests
{
    [Fact]
    public void RoundTrip_RandomSeries_GivesEveryBitBack()
    {
        for (var seed = 0; seed < 500; seed++)
        {
            var random = new Random(seed);
            var count = random.Next(1, 300);
            var (times, values) = (new long[count], new double[count]);
            var time = random.NextInt64(-1_000_000_000_000, 4_000_000_000_000);
            var value = random.NextDouble() * 1000;
            for (var i = 0; i < count; i++)
            {
                time += random.Next(4) switch { 0 => 1000, 1 => random.Next(1, 20_000), 2 => random.NextInt64(1, 1L << 40), _ => 15_000 + random.Next(3) };
                times[i] = time;
                values[i] = value = random.Next(6) switch
                {
                    0 => value,
                    1 => value + 1,
                    2 => BitConverter.Int64BitsToDouble(random.NextInt64(long.MinValue, long.MaxValue)),
                    3 => double.NaN,
                    4 => -0.0,
                    _ => random.NextDouble(),
                };
            }
            AssertSame(times, values, seed);
        }
    }

    [Theory]
    [InlineData(long.MinValue, long.MaxValue)]
    [InlineData(long.MinValue, long.MinValue + 1)]
    [InlineData(-1, 0)]
    [InlineData(0, (1 << 13) - 1)]
    [InlineData(0, 1 << 13)]
    [InlineData(0, 1 << 16)]
    [InlineData(0, 1 << 19)]
    [InlineData(0, (1L << 19) + 1)]
    public void RoundTrip_ExtremeTimes_GivesThemBack(long first, long second) => AssertSame([first, second], [1, double.MaxValue], 0);

    [Theory]
    [InlineData(0x0000000000000001UL, 0x8000000000000000UL)]
    [InlineData(0xffffffffffffffffUL, 0x0000000000000000UL)]
    [InlineData(0x7ff0000000000002UL, 0x7ff8000000000001UL)]
    public void RoundTrip_ExtremeValues_GivesEveryBitBack(ulong first, ulong second) =>
        AssertSame([1, 2, 3], [BitConverter.UInt64BitsToDouble(first), BitConverter.UInt64BitsToDouble(second), BitConverter.UInt64BitsToDouble(first)], 0);

    [Theory]
    [InlineData("constant", 0, 16)]
    [InlineData("irregular constant", 0, 120 * 9 / 16 + 24)]
    [InlineData("steady counter", 0, 120 * 7 / 16 + 24)]
    [InlineData("counter", 0, 120 * 10 / 8 + 30)]
    [InlineData("gauge", 1, 120 * 7 / 8 + 24)]
    [InlineData("gauge", 3, 120 * 7 / 8 + 24)]
    [InlineData("gauge that ends", 2, 120 * 8 / 8 + 40)]
    [InlineData("sine", 0, 120 * 9)]
    public void Encode_SeriesAsTheyAre_TakesFewBytes(string kind, int decimals, int most)
    {
        var random = new Random(1);
        var (time, scaled) = (1_700_000_000_000, 100_000L);
        var (times, values) = (new long[120], new double[120]);
        for (var i = 0; i < times.Length; i++)
        {
            times[i] = time += kind.StartsWith("irregular", StringComparison.Ordinal) ? 15_000 + random.Next(-4, 5) : 15_000;
            scaled += kind switch { "steady counter" => 1500 + random.Next(3), "counter" => random.Next(400), "irregular constant" or "constant" => 0, _ => random.Next(-20, 21) };
            values[i] = kind == "sine" ? Math.Sin(i) : kind == "gauge that ends" && i == 119 ? BitConverter.UInt64BitsToDouble(0x7ff0000000000002) : DecimalScale.ToValue(scaled, decimals);
        }
        Assert.True(SampleBlock.Encode(times, values).Length <= most, $"{SampleBlock.Encode(times, values).Length} bytes");
        AssertSame(times, values, 0);
    }

    [Theory]
    [InlineData(0.1 + 0.2)]
    [InlineData(-0.0)]
    [InlineData(double.NaN)]
    [InlineData(double.NegativeInfinity)]
    [InlineData(double.Epsilon)]
    [InlineData(9_007_199_254_740_993.0)]
    [InlineData(1e300)]
    [InlineData(123456.789012345)]
    public void RoundTrip_OddValueAnywhereAmongDecimals_GivesEveryBitBack(double odd)
    {
        for (var at = 0; at < 120; at += 7)
        {
            for (var more = 1; more < 60; more *= 3)
            {
                var values = Enumerable.Range(0, 120).Select(i => i >= at && i < at + more ? odd : i * 0.25).ToArray();
                AssertSame([.. values.Select((_, i) => i * 1000L + (i > at ? 1 : 0))], values, at);
            }
        }
    }

    [Fact]
    public void Decode_EveryTruncation_IsRefused()
    {
        foreach (var jitter in new[] { 1, 7 })
        {
            var times = Enumerable.Range(0, 50).Select(i => i * 1000L + i % jitter).ToArray();
            foreach (var values in new[] { [.. times.Select(t => Math.Sin(t))], times.Select(t => Math.Round(t * 1.1, 2)).ToArray(), times.Select(_ => 0.1 + 0.2).ToArray() })
            {
                var data = SampleBlock.Encode(times, values);
                for (var length = 0; length < data.Length; length++) Assert.Throws<InvalidDataException>(() => Read(data[..length]));
            }
        }
    }

    [Fact]
    public void Decode_AnyBytes_GivesSamplesOrRefusesThem()
    {
        var random = new Random(7);
        var good = SampleBlock.Encode([.. Enumerable.Range(0, 100).Select(i => i * 1000L + i % 3)], [.. Enumerable.Range(0, 100).Select(i => i % 9 * 0.5)]);
        var refused = 0;
        for (var i = 0; i < 20_000; i++)
        {
            var data = random.Next(2) == 0 ? new byte[random.Next(0, 60)] : (byte[])good.Clone();
            if (data.Length == good.Length) data[random.Next(data.Length)] ^= (byte)(1 << random.Next(8));
            else random.NextBytes(data);
            try
            {
                Assert.Equal([.. Read(data).Times.Distinct().Order()], Read(data).Times);
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 5_000, 20_000);
    }

    private static void AssertSame(long[] times, double[] values, int seed)
    {
        var (readTimes, readValues) = Read(SampleBlock.Encode(times, values));
        Assert.True(times.SequenceEqual(readTimes), $"times differ, seed {seed}");
        Assert.True(values.Select(BitConverter.DoubleToInt64Bits).SequenceEqual(readValues.Select(BitConverter.DoubleToInt64Bits)), $"values differ, seed {seed}");
    }

    private static (long[] Times, double[] Values) Read(byte[] data)
    {
        var (position, times, values) = (0, new List<long>(), new List<double>());
        do
        {
            var block = SampleBlock.Read(data, ref position);
            var (blockTimes, blockValues) = (new long[block.Count], new double[block.Count]);
            block.Decode(blockTimes, blockValues);
            Assert.Equal((blockTimes[0], blockTimes[^1]), (block.First, block.Last));
            times.AddRange(blockTimes);
            values.AddRange(blockValues);
        }
        while (position < data.Length);
        return ([.. times], [.. values]);
    }
}

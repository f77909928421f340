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

    [Fact]
    public void Encode_RegularConstantSeries_CostsTwoBitsASample()
    {
        var times = Enumerable.Range(0, 120).Select(i => 1_700_000_000_000 + i * 1000L).ToArray();
        var block = SampleBlock.Encode(times, [.. Enumerable.Repeat(42.0, 120)], new BlockPool());
        Assert.InRange(block.Data.Length, 16, 16 + 3 + 120 * 2 / 8 + 1);
    }

    [Fact]
    public void Decode_EveryTruncation_IsRefused()
    {
        var times = Enumerable.Range(0, 50).Select(i => i * 1000L + i % 7).ToArray();
        var block = SampleBlock.Encode(times, [.. times.Select(t => Math.Sin(t))], new BlockPool());
        for (var length = 0; length < block.Data.Length; length++)
        {
            var cut = block with { Data = block.Data[..length] };
            Assert.Throws<InvalidDataException>(() => cut.Decode(new long[50], new double[50]));
        }
    }

    [Fact]
    public void Decode_RandomBytes_NeverDoesAnythingButRefuse()
    {
        var random = new Random(7);
        for (var i = 0; i < 2000; i++)
        {
            var data = new byte[random.Next(0, 60)];
            random.NextBytes(data);
            var block = new SampleBlock(data, 20, 1, 2);
            try
            {
                block.Decode(new long[20], new double[20]);
                Assert.Fail("random bytes were taken for a block");
            }
            catch (InvalidDataException)
            {
                // As it should.
            }
        }
    }

    private static void AssertSame(long[] times, double[] values, int seed)
    {
        var block = SampleBlock.Encode(times, values, new BlockPool());
        var (readTimes, readValues) = (new long[times.Length], new double[times.Length]);
        block.Decode(readTimes, readValues);
        Assert.True(times.SequenceEqual(readTimes), $"times differ, seed {seed}");
        Assert.True(values.Select(BitConverter.DoubleToInt64Bits).SequenceEqual(readValues.Select(BitConverter.DoubleToInt64Bits)), $"values differ, seed {seed}");
        Assert.Equal((times[0], times[^1], times.Length), (block.First, block.Last, block.Count));
    }
}

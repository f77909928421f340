using Vigil.Metrics.Series;
using Xunit;

namespace Vigil.Metrics.Tests.Series;

public sealed class JournalCodecTests
{
    [Fact]
    public void Samples_RandomColumns_ComeBack()
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            var samples = Enumerable.Range(0, random.Next(0, 200)).Select(_ => (
                Id: random.Next(2) == 0 ? random.Next(1, 50) : random.Next(1, int.MaxValue),
                Time: random.Next(3) == 0 ? random.NextInt64(long.MinValue, long.MaxValue) : 1_700_000_000_000 + random.Next(100_000),
                Value: BitConverter.Int64BitsToDouble(random.NextInt64(long.MinValue, long.MaxValue)))).ToArray();
            Assert.Equal(samples.Select(s => (s.Id, s.Time, BitConverter.DoubleToInt64Bits(s.Value))), Read(Write(samples)).Select(s => (s.Id, s.Time, BitConverter.DoubleToInt64Bits(s.Value))));
        }
    }

    [Fact]
    public void Samples_CutAnywhere_AreRefusedOrEndAtASample()
    {
        var data = Write([(1, 1_700_000_000_000, 1), (500, 1_700_000_000_001, 2), (3, 5, 3)]);
        for (var length = 1; length < data.Length; length++)
        {
            try
            {
                Assert.InRange(Read(data[..length]).Count, 0, 2);
            }
            catch (InvalidDataException)
            {
                // As it should.
            }
        }
        Assert.Throws<InvalidDataException>(() => Read([]));
        Assert.Throws<InvalidDataException>(() => Read([99]));
    }

    [Fact]
    public void Series_ComeBack_AndEveryTruncationIsRefused()
    {
        DeclaredSeries[] series =
        [
            new(1, LabelSet.Of("__name__", "up", "job", "api ü"), SeriesKind.Gauge, "1", "Whether it is up."),
            new(70_000, LabelSet.Empty, SeriesKind.Counter, "", ""),
        ];
        var data = JournalCodec.WriteSeries(series);
        Assert.Equal(series, JournalCodec.ReadSeries(data));
        for (var length = 0; length < data.Length; length++)
        {
            var cut = data[..length];
            Assert.ThrowsAny<InvalidDataException>(() => JournalCodec.ReadSeries(cut));
        }
    }

    internal static byte[] Write((int Id, long Time, double Value)[] samples)
    {
        var buffer = new byte[JournalCodec.HeaderBytes + samples.Length * JournalCodec.MaxSampleBytes];
        var length = JournalCodec.WriteHeader(buffer);
        var previousId = 0;
        long previousTime = 0;
        foreach (var (id, time, value) in samples) length = JournalCodec.WriteSample(buffer, length, id, time, value, ref previousId, ref previousTime);
        return buffer[..length];
    }

    private static List<(int Id, long Time, double Value)> Read(byte[] data)
    {
        var reader = new SampleReader(data);
        var samples = new List<(int, long, double)>();
        while (reader.Next(out var id, out var time, out var value)) samples.Add((id, time, value));
        return samples;
    }
}

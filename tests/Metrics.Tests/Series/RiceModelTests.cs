using Vigil.Metrics.Series;
using Xunit;

namespace Vigil.Metrics.Tests.Series;

public sealed class RiceModelTests
{
    [Fact]
    public void Usual_OfRandomNumbers_IsWhatIsReadOneByOne()
    {
        var random = new Random(3);
        for (var run = 0; run < 2_000; run++)
        {
            var numbers = Numbers(random, 5 + random.Next(200));
            var data = new byte[numbers.Length * 24 + 16];
            var sink = new BitSink(data, 0);
            var writer = new RiceModel();
            for (var i = 1; i < numbers.Length; i++) writer.Write(ref sink, numbers[i - 1], numbers[i], i);

            var source = new BitSource(data.AsSpan(0, (sink.Position + 7) / 8));
            var (model, previous, read) = (new RiceModel(), numbers[0], new List<long> { numbers[0] });
            while (read.Count < numbers.Length)
            {
                if (read.Count >= RiceModel.Settled)
                {
                    var usual = new long[numbers.Length - read.Count];
                    read.AddRange(usual.Take(model.ReadUsual(ref source, ref previous, usual)));
                    if (read.Count == numbers.Length) break;
                }
                Assert.True(model.TryRead(ref source, previous, read.Count, out previous));
                read.Add(previous);
            }
            Assert.Equal(numbers, read);
        }
    }

    [Fact]
    public void Usual_OfDataThatIsCutShort_IsRefused()
    {
        var numbers = Numbers(new Random(1), 200);
        var data = new byte[numbers.Length * 24];
        var sink = new BitSink(data, 0);
        var writer = new RiceModel();
        for (var i = 1; i < numbers.Length; i++) writer.Write(ref sink, numbers[i - 1], numbers[i], i);
        for (var cut = 0; cut < sink.Position / 8; cut++) Assert.Throws<InvalidDataException>(() => Read(data.AsSpan(0, cut), numbers));
    }

    private static void Read(ReadOnlySpan<byte> data, long[] numbers)
    {
        var source = new BitSource(data);
        var (model, previous, done) = (new RiceModel(), numbers[0], 1);
        while (done < numbers.Length)
        {
            if (done >= RiceModel.Settled) done += model.ReadUsual(ref source, ref previous, new long[numbers.Length - done]);
            if (done++ < numbers.Length) model.TryRead(ref source, previous, done - 1, out previous);
        }
    }

    // Counters, gauges, jumps, and numbers of any size.
    private static long[] Numbers(Random random, int count)
    {
        var numbers = new long[count];
        var (drift, noise, wild) = (random.NextInt64(-1L << random.Next(50), 1L << random.Next(50)), 1L << random.Next(45), random.Next(4) == 0);
        numbers[0] = random.NextInt64();
        for (var i = 1; i < count; i++)
        {
            numbers[i] = wild && random.Next(20) == 0
                ? random.NextInt64(long.MinValue, long.MaxValue)
                : unchecked(numbers[i - 1] + drift + random.NextInt64(-noise, noise + 1));
        }
        return numbers;
    }
}

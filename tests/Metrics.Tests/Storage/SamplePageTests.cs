using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;
using Xunit;

namespace Vigil.Metrics.Tests.Storage;

public sealed class SamplePageTests
{
    private const long Start = 1_700_000_000_000;

    [Fact]
    public void RoundTrip_ManySeriesOfAllKinds_GivesEveryBlockBack()
    {
        for (var seed = 0; seed < 50; seed++)
        {
            var blocks = Blocks(new Random(seed));
            var writer = new SamplePageWriter();
            foreach (var (series, data, through) in blocks) writer.Add(series, data, through);
            var page = new SamplePage(writer.Finish().Span);
            foreach (var (series, data, through) in blocks)
            {
                var position = 0;
                while (position < data.Length)
                {
                    var start = position;
                    var block = SampleBlock.Read(data, ref position);
                    Assert.True(page.Next());
                    Assert.Equal((series, through, block.Count, block.First, block.Last), (page.Series, page.SealedThrough, page.Count, page.First, page.Last));
                    var (times, values) = (new long[block.Count], new double[block.Count]);
                    var (pageTimes, pageValues) = (new long[block.Count], new double[block.Count]);
                    block.Decode(times, values);
                    page.Decode(pageTimes, pageValues);
                    Assert.Equal(times, pageTimes);
                    Assert.Equal(values.Select(BitConverter.DoubleToInt64Bits), pageValues.Select(BitConverter.DoubleToInt64Bits));
                    var copy = new byte[BlockBits.MaxBytes + SampleBlock.MaxHeaderBytes];
                    Assert.Equal(data[start..position], copy[..page.CopyBlock(copy, new double[SampleBlock.MaxCount])]);
                }
            }
            Assert.False(page.Next());
        }
    }

    [Fact]
    public void Write_SeriesSampledTogether_StoresTheirTimesOnce()
    {
        var random = new Random(1);
        var times = Enumerable.Range(0, 120).Select(i => Start + i * 15_000 + random.Next(1_000)).ToArray();
        var block = SampleBlock.Encode(times, [.. times.Select(_ => 1.0)]);
        var writer = new SamplePageWriter();
        writer.Add(1, block);
        var one = writer.Finish().Length;
        for (var series = 2; series <= 100; series++) writer.Add(series, block);
        Assert.InRange(writer.Finish().Length - one, 99 * 3, 99 * 8);
        writer.Clear();
        writer.Add(1, block);
        Assert.Equal(one, writer.Finish().Length);
    }

    [Fact]
    public void Read_AnyDamage_IsRefused()
    {
        var writer = new SamplePageWriter();
        foreach (var (series, data, through) in Blocks(new Random(3))) writer.Add(series, data, through);
        var page = writer.Finish().ToArray();
        var random = new Random(4);
        for (var length = 0; length < page.Length; length += 1 + page.Length / 300) Assert.Throws<InvalidDataException>(() => ReadAll(page[..length]));
        for (var i = 0; i < 500; i++)
        {
            var damaged = (byte[])page.Clone();
            damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
            Assert.Throws<InvalidDataException>(() => ReadAll(damaged));
        }
    }

    [Fact]
    public void Read_DamageThatTheChecksumDoesNotShow_IsRefusedOrGivesSamples_AndNothingElseHappens()
    {
        var writer = new SamplePageWriter();
        foreach (var (series, data, through) in Blocks(new Random(3))) writer.Add(series, data, through);
        var page = writer.Finish().ToArray();
        var random = new Random(5);
        var refused = 0;
        for (var i = 0; i < 3_000; i++)
        {
            var damaged = random.Next(20) == 0 ? page[..random.Next(PageFrame.Length, page.Length)] : (byte[])page.Clone();
            // Most at the front, where the columns are.
            for (var flips = random.Next(1, 4); flips > 0; flips--)
            {
                var at = random.Next(PageFrame.Length, random.Next(2) == 0 ? Math.Min(damaged.Length, 80) : damaged.Length + 1) - 1;
                damaged[Math.Max(at, PageFrame.Length - 1)] ^= (byte)(1 << random.Next(8));
            }
            PageFrame.Seal(damaged, SamplePageWriter.Version);
            try
            {
                ReadAll(damaged);
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 500, 3_000);
    }

    [Fact]
    public void DeclarationPage_RoundTrip_AndAnyDamageIsRefused()
    {
        var declared = Enumerable.Range(1, 500).Select(i => new DeclaredSeries(i, LabelSet.Of("__name__", "http_requests_total", "job", "api", "instance", $"10.0.0.{i}:80"), SeriesKind.Counter, "1", "Requests.")).ToArray();
        var page = DeclarationPage.Write(declared);
        Assert.Equal(declared, DeclarationPage.Read(page));
        Assert.InRange(page.Length, 500, 500 * 12);
        for (var i = 0; i < page.Length; i += 37)
        {
            var damaged = (byte[])page.Clone();
            damaged[i] ^= 0x10;
            Assert.Throws<InvalidDataException>(() => DeclarationPage.Read(damaged));
        }
    }

    private static void ReadAll(byte[] data)
    {
        var page = new SamplePage(data);
        var (times, values, copy) = (new long[SampleBlock.MaxCount], new double[SampleBlock.MaxCount], new byte[BlockBits.MaxBytes + SampleBlock.MaxHeaderBytes]);
        while (page.Next())
        {
            page.Decode(times, values);
            page.CopyBlock(copy, values);
        }
    }

    private static List<(int Series, byte[] Blocks, long SealedThrough)> Blocks(Random random)
    {
        var blocks = new List<(int, byte[], long)>();
        var shared = Times(random);
        var series = 0;
        for (var i = 0; i < 40; i++)
        {
            var times = random.Next(2) == 0 ? shared : Times(random);
            var kind = random.Next(4);
            var values = times.Select((_, n) => kind switch { 0 => 42.5, 1 => n * 3.0, 2 => Math.Round(random.NextDouble() * 100, 2), _ => random.NextDouble() }).ToArray();
            blocks.Add((series += random.Next(1, 4), SampleBlock.Encode(times, values), random.Next(2) == 0 ? long.MinValue : times[0] - random.Next(1, 100_000)));
        }
        return blocks;
    }

    private static long[] Times(Random random)
    {
        var (jitter, time) = (random.Next(2) * 50, Start + random.Next(1_000_000));
        return [.. Enumerable.Range(0, random.Next(1, 200)).Select(_ => time += 1_000 + random.Next(jitter + 1))];
    }
}

using Vigil.Metrics.Rollups;
using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;
using Xunit;

namespace Vigil.Metrics.Tests.Storage;

public sealed class PageBatchTests
{
    private const long Start = 1_700_000_000_000;

    [Fact]
    public void Unpack_OfRandomPages_GivesWhatEachBlockHolds()
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            var pages = Pages(random);
            var range = new TimeRange(Start + random.Next(-1, 3) * 500_000L, Start + random.Next(1, 40) * 500_000L);
            var (wanted, expected) = (Wanted(seed), Wanted(seed));
            var added = 0;
            // In one batch, or in several.
            var batch = new PageBatch("g", range, wanted);
            for (var i = 0; i < pages.Count; i++)
            {
                added += batch.Add(i, pages[i]);
                if (random.Next(5) > 0) continue;
                batch.Unpack(CancellationToken.None);
                batch = new PageBatch("g", range, wanted);
            }
            batch.Unpack(CancellationToken.None);
            foreach (var page in pages) AddOneByOne(page, range, expected);
            foreach (var (series, buffer) in expected)
            {
                Assert.Equal(buffer.Times, wanted[series].Times);
                Assert.Equal(Bits(buffer.Values), Bits(wanted[series].Values));
            }
            Assert.True(added >= expected.Values.Sum(b => b.Count) - expected.Count);
        }
    }

    [Fact]
    public void Unpack_OfSeriesThatWereSampledTogether_KeepsTheirTimesOnce_AndWhatComesBehind()
    {
        var writer = new SamplePageWriter();
        long[] times = [.. Enumerable.Range(0, 120).Select(i => Start + i * 15_000L)];
        for (var series = 1; series <= 3; series++) writer.Add(series, SampleBlock.Encode(times, [.. times.Select((_, i) => (double)(i * series))]));
        var last = times[^1];
        var wanted = Enumerable.Range(1, 3).ToDictionary(id => id, _ => new SampleBuffer { Until = last + 150_000 });
        var batch = new PageBatch("g", new TimeRange(Start, last), wanted);
        Assert.Equal(360, batch.Add(1, writer.Finish().ToArray()));
        batch.Unpack(CancellationToken.None);

        // The first two go on together, the third one does not.
        foreach (var (id, step) in new[] { (1, 15_000), (2, 15_000), (3, 14_000) })
        {
            var position = 0;
            var block = SampleBlock.Read(SampleBlock.Encode([last - 15_000, last, last + step, last + 2 * step], [1, 2, 3, 4]), ref position);
            wanted[id].Add(block, last - 60_000, last + 2 * step);
        }
        var taken = wanted.ToDictionary(w => w.Key, w => w.Value.TakeTimes());
        Assert.Equal(taken[1], taken[2]);
        Assert.NotEqual(taken[1], taken[3]);
        Assert.Equal([.. times, last + 15_000, last + 30_000], taken[1].ToArray());
        Assert.Equal([.. times, last + 14_000, last + 28_000], taken[3].ToArray());
        foreach (var id in wanted.Keys) Assert.Equal([119.0 * id, 3, 4], wanted[id].TakeValues()[^3..].ToArray());
    }

    [Fact]
    public void Add_OfDamagedPage_NamesItsRow()
    {
        var page = Pages(new Random(1))[0];
        page[^1] ^= 1;
        var failure = Assert.Throws<InvalidDataException>(() => new PageBatch("shop", new TimeRange(0, long.MaxValue), Wanted(1)).Add(17, page));
        Assert.StartsWith("row 17 of shop in metric_pages", failure.Message, StringComparison.Ordinal);
    }

    // What came before is there already for some.
    private static Dictionary<int, SampleBuffer> Wanted(int seed)
    {
        var random = new Random(seed);
        var wanted = new Dictionary<int, SampleBuffer>();
        for (var series = 1; series <= 12; series++)
        {
            if (random.Next(4) == 0) continue;
            wanted.Add(series, new SampleBuffer { Until = Start + random.Next(20_000_000) });
            if (random.Next(4) == 0) wanted[series].Add(Start + random.Next(2_000_000), series);
        }
        return wanted;
    }

    // Series of three kinds of moments, in blocks of any length, some of which are stored twice.
    private static List<byte[]> Pages(Random random)
    {
        var moments = Enumerable.Range(0, 3).Select(kind =>
        {
            var (times, time) = (new long[900], Start);
            for (var i = 0; i < times.Length; i++) times[i] = time += kind == 0 ? 15_000 : 1 + random.Next(20_000);
            return times;
        }).ToArray();
        var reached = new int[13];
        var pages = new List<byte[]>();
        for (var number = 0; number < 8; number++)
        {
            var writer = new SamplePageWriter();
            for (var series = 1; series <= 12; series++)
            {
                for (var block = random.Next(3); block > 0; block--)
                {
                    var count = 1 + random.Next(100);
                    if (reached[series] + count > 900) break;
                    var times = moments[series % 3].AsSpan(reached[series], count);
                    writer.Add(series, SampleBlock.Encode(times, [.. times.ToArray().Select(t => series % 2 == 0 ? t / 7.0 : t % 977 * series)]));
                    if (random.Next(8) > 0) reached[series] += count;
                }
            }
            pages.Add(writer.Finish().ToArray());
        }
        return pages;
    }

    private static void AddOneByOne(byte[] data, TimeRange range, Dictionary<int, SampleBuffer> wanted)
    {
        var page = new SamplePage(data);
        while (page.Next())
        {
            if (!wanted.TryGetValue(page.Series, out var target)) continue;
            var (times, values) = (new long[page.Count], new double[page.Count]);
            page.Decode(times, values);
            for (var i = 0; i < times.Length; i++)
            {
                if (times[i] >= range.First && times[i] <= range.Last && (target.Count == 0 || times[i] > target.Times[^1])) target.Add(times[i], values[i]);
            }
        }
    }

    private static long[] Bits(ReadOnlySpan<double> values) => Array.ConvertAll(values.ToArray(), BitConverter.DoubleToInt64Bits);
}

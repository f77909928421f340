using Vigil.Metrics.PromQL;
using Vigil.Metrics.Rollups;
using Vigil.Metrics.Series;
using Xunit;

namespace Vigil.Metrics.Tests.Rollups;

public sealed class RollupPageTests
{
    [Fact]
    public void RollupColumn_RolledUpInParts_IsAsRolledUpAtOnce()
    {
        for (var seed = 0; seed < 300; seed++)
        {
            var random = new Random(seed);
            var samples = Stream(random, random.Next(1, 400));
            var (minutes, whole, hours) = (new RollupColumn(60_000), new RollupColumn(3_600_000), new RollupColumn(3_600_000));
            foreach (var (time, value) in samples)
            {
                minutes.Add(time, value);
                whole.Add(time, value);
            }
            foreach (var minute in minutes.ToList()) hours.Add(minute);
            Assert.Equal(whole.ToList(), hours.ToList());
            Assert.Equal(samples.Count(s => !Vigil.Metrics.PromQL.Samples.IsStale(s.Value)), minutes.ToList().Sum(m => m.Count));
            Assert.All(minutes.ToList(), m => Assert.Equal(Resolutions.EndOf(m.FirstTime, 60_000), Resolutions.EndOf(m.Through, 60_000)));
        }
    }

    [Theory]
    [InlineData(60_000, 60_000)]
    [InlineData(60_001, 120_000)]
    [InlineData(1, 60_000)]
    [InlineData(0, 0)]
    [InlineData(-1, 0)]
    [InlineData(-60_000, -60_000)]
    public void EndOf_AMoment_IsTheLastMomentOfItsMinute(long time, long end) => Assert.Equal(end, Resolutions.EndOf(time, 60_000));

    [Fact]
    public void Page_OfRandomRollups_ComesBack()
    {
        for (var seed = 0; seed < 100; seed++)
        {
            var random = new Random(seed);
            var written = new Dictionary<int, IReadOnlyList<Rollup>>();
            var page = new SamplePageWriter();
            for (var series = 1; series < 40; series += random.Next(1, 5))
            {
                var column = new RollupColumn(3_600_000);
                foreach (var (time, value) in Stream(random, random.Next(1, 3_000))) column.Add(time, value);
                written.Add(series, column.ToList());
                RollupPage.Add(page, series, column.ToList());
            }
            var data = page.Finish().ToArray();
            var read = new Dictionary<int, IReadOnlyList<Rollup>>();
            RollupPage.Read(data, _ => true, (series, rollups) => read.Add(series, rollups));
            Assert.Equal(written.Keys, read.Keys);
            foreach (var (series, rollups) in written) Assert.Equal(rollups.Select(Bits), read[series].Select(Bits));

            var (one, some) = (written.Keys.Last(), new List<int>());
            RollupPage.Read(data, series => series == one, (series, _) => some.Add(series));
            Assert.Equal([one], some);

            data[random.Next(data.Length)] ^= 1;
            Assert.Throws<InvalidDataException>(() => RollupPage.Read(data, _ => true, (_, _) => { }));
        }
    }

    [Fact]
    public void Page_OfHoursAndDays_TakesFewBytes()
    {
        // A counter at 15 s for a month: its hours, and its days.
        var random = new Random(1);
        var (hours, days, value) = (new RollupColumn(3_600_000), new RollupColumn(86_400_000), 0d);
        for (var time = 0L; time < 30 * 86_400_000L; time += 15_000)
        {
            hours.Add(time + 1, value += random.Next(10) < 4 ? 0 : random.Next(40));
            days.Add(time + 1, value);
        }
        Assert.InRange(Bytes(hours) / 30, 1, 200);
        Assert.InRange(Bytes(days) / 30, 1, 20);

        static int Bytes(RollupColumn column)
        {
            var page = new SamplePageWriter();
            RollupPage.Add(page, 1, column.ToList());
            return page.Finish().Length;
        }
    }

    private static List<(long Time, double Value)> Stream(Random random, int count)
    {
        var samples = new List<(long, double)>();
        var (time, value, kind) = (1_700_000_000_000L + random.Next(10_000_000), 0d, random.Next(5));
        for (var i = 0; i < count; i++)
        {
            time += kind == 0 ? 15_000 : random.Next(1, 400_000);
            value = kind switch
            {
                0 => random.Next(20) == 0 ? 0 : value + random.Next(5),
                1 => Math.Round(random.NextDouble() * 10, 1),
                2 => random.Next(3) == 0 ? Vigil.Metrics.PromQL.Samples.Stale : random.NextDouble(),
                3 => random.Next(3) switch { 0 => double.NaN, 1 => -0d, _ => double.PositiveInfinity },
                _ => 1,
            };
            // Sums of whole numbers are the same in any order.
            samples.Add((time, kind == 2 && !Vigil.Metrics.PromQL.Samples.IsStale(value) ? Math.Round(value * 1000) : kind == 1 ? value * 10 : value));
        }
        return samples;
    }

    private static string Bits(Rollup r) => string.Join(' ',
        new[] { r.First, r.Last, r.Min, r.Max, r.Sum, r.Dropped }.Select(v => r.Count == 0 ? 0 : BitConverter.DoubleToInt64Bits(v)).Concat([r.Count, r.FirstTime, r.LastTime, r.Resets, r.Changes, r.EndedAfterMs]));
}

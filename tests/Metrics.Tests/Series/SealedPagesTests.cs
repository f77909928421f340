using Vigil.Metrics.Grains;
using Vigil.Metrics.Series;
using Xunit;

namespace Vigil.Metrics.Tests.Series;

/// <summary>What is sealed and saved of series, and stays in memory as pages.</summary>
public sealed class SealedPagesTests
{
    private const long Start = 1_700_000_000_000;

    [Fact]
    public void Read_OfManySeriesAtTheirOwnPace_SavedAtRandomMoments_GivesEverySampleOnce()
    {
        for (var seed = 0; seed < 12; seed++)
        {
            var random = new Random(seed);
            var table = new SeriesTable();
            // In two buckets, with gaps between the numbers.
            var entries = Enumerable.Range(0, 60).Select(i => table.Add(LabelSet.Of("i", $"{i}"), SeriesKind.Gauge, "", "", 1 + i * 11)).ToArray();
            var model = entries.Select(_ => new SortedDictionary<long, double>()).ToArray();
            var step = new CheckpointStep();
            for (var tick = 0; tick < 900; tick++)
            {
                // Some come together, some with a jitter of their own, some seldom.
                var time = Start + tick * 15_000L;
                for (var i = 0; i < entries.Length; i++)
                {
                    if (i % 5 == 4 && tick % 7 != 0) continue;
                    var at = i % 5 == 3 ? time + random.Next(100) : time;
                    var value = (i % 4) switch { 0 => 7.5, 1 => tick * 3 + random.Next(3), 2 => random.Next(1_000) / 100.0, _ => random.NextDouble() };
                    entries[i].Append(at, model[i][at] = value);
                }
                if (random.Next(100) == 0) Save(table, step, long.MinValue, int.MaxValue);
            }
            Assert.Equal(model.Sum(m => m.Count), table.Samples);
            for (var i = 0; i < entries.Length; i++)
            {
                for (var window = 0; window < 20; window++)
                {
                    var from = Start + random.Next(-100, 14_000) * 1_000L;
                    var to = window == 0 ? long.MaxValue : from + random.Next(2_000_000);
                    if (window == 0) from = long.MinValue;
                    var expected = model[i].Where(s => s.Key >= from && s.Key <= to).ToArray();
                    Assert.Equal(expected.Select(s => (s.Key, s.Value)), Read(entries[i], from, to));
                    var any = entries[i].TryReadLast(from, to, new SampleBuffer(), out var last, out var value);
                    Assert.Equal((expected.Length > 0, expected.Length > 0 ? expected[^1].Key : last), (any, last));
                }
            }
        }
    }

    [Fact]
    public void Read_OfSeriesThatHaveNothingInThePages_GivesNothingOfTheOthers()
    {
        var table = new SeriesTable();
        for (var i = 0; i < 40; i++) table.Add(LabelSet.Of("i", $"{i}"), SeriesKind.Gauge, "", "");
        foreach (var entry in table.All.Where(e => e.Id % 3 == 0))
        {
            for (var i = 0; i < 400; i++) entry.Append(Start + i, entry.Id);
        }
        Save(table, new CheckpointStep(), long.MinValue, int.MaxValue);
        foreach (var entry in table.All) Assert.Equal(Enumerable.Range(0, entry.Id % 3 == 0 ? 400 : 0).Select(i => (Start + i, (double)entry.Id)), Read(entry, 0, long.MaxValue));
    }

    [Fact]
    public void Add_TheSamePageTwice_AsAfterAWriteThatWasThoughtToHaveFailed_GivesEachSampleOnce()
    {
        var table = new SeriesTable();
        var entry = table.Add(LabelSet.Of("a", "1"), SeriesKind.Gauge, "", "");
        for (var i = 0; i < 1_000; i++) entry.Append(i * 100, Math.Sqrt(i));
        var expected = Read(entry, 0, long.MaxValue);
        var step = new CheckpointStep();
        var page = step.Fill(table, 0, declare: false).Sealed.ToArray();
        table.BucketOf(0)!.Pages.Add(page);
        step.Succeeded(long.MinValue, int.MaxValue);
        Assert.Equal(expected, Read(entry, 0, long.MaxValue));
        // And a buffer that is restored beside them goes on as the one that was saved: that is what replaying the journal stands on.
        var restored = new SeriesBuffer();
        var head = new byte[entry.Samples.MaxHeadBytes];
        restored.Restore(entry.Cells, head.AsSpan(0, entry.Samples.CopyHead(entry.Cells, head)), entry.Samples.SealedThrough);
        for (var i = 990; i < 1_400; i++) Assert.Equal(entry.Append(i * 100, i), restored.Append(entry.Cells, i * 100, i));
        Assert.Equal((entry.Samples.Count(entry.Cells), entry.Samples.SealedThrough), (restored.Count(entry.Cells), restored.SealedThrough));
    }

    [Fact]
    public void Evict_OnlyWhatIsSavedGoes_ByAgeAndByCount()
    {
        var table = new SeriesTable();
        var entry = table.Add(LabelSet.Of("a", "1"), SeriesKind.Gauge, "", "");
        var step = new CheckpointStep();
        for (var i = 0; i < 1_000; i++)
        {
            entry.Append(i, i);
            if (i % 40 == 39) Save(table, step, long.MinValue, int.MaxValue);
        }
        var bucket = table.BucketOf(0)!;
        Assert.Equal(1_000, table.Samples);
        bucket.Evict(200, int.MaxValue);
        Assert.Equal(119, entry.EvictedThrough);
        Assert.Equal(880, table.Samples);
        bucket.Evict(0, 500);
        Assert.InRange(table.Samples, 381, 500);
        Assert.Equal(Enumerable.Range((int)entry.EvictedThrough + 1, (int)table.Samples).Select(i => (long)i), Read(entry, 0, long.MaxValue).Select(s => s.Time));
        bucket.Evict(long.MaxValue, 0);
        // The head is no page yet.
        Assert.InRange(table.Samples, 40, 160);
    }

    [Fact]
    public void Evict_ByCount_IsByTheAverageOfTheBucket()
    {
        var table = new SeriesTable();
        var entries = Enumerable.Range(0, 10).Select(i => table.Add(LabelSet.Of("i", $"{i}"), SeriesKind.Gauge, "", "")).ToArray();
        var step = new CheckpointStep();
        for (var i = 0; i < 4_000; i++)
        {
            entries[0].Append(i, i);
            for (var slow = 1; i % 100 == 0 && slow < 10; slow++) entries[slow].Append(i, i);
            if (i % 500 == 499) Save(table, step, long.MinValue, 200);
        }
        Assert.InRange(table.Samples, 1_000, 2_000);
        Assert.All(entries[1..], e => Assert.Equal(40, Read(e, 0, long.MaxValue).Length));
    }

    [Fact]
    public void Failed_OffersTheBlocksAgain()
    {
        var table = new SeriesTable();
        var entry = table.Add(LabelSet.Of("a", "1"), SeriesKind.Gauge, "", "");
        for (var i = 0; i < 400; i++) entry.Append(i, i);
        var step = new CheckpointStep();
        var page = step.Fill(table, 0, declare: false).Sealed.ToArray();
        Assert.False(entry.Samples.Unsaved);
        step.Failed();
        Assert.True(entry.Samples.Unsaved);
        Assert.Equal(page, step.Fill(table, 0, declare: false).Sealed.ToArray());
        // What is sealed meanwhile waits for the next page.
        for (var i = 400; i < 700; i++) entry.Append(i, i);
        step.Succeeded(long.MinValue, int.MaxValue);
        Assert.True(entry.Samples.Unsaved);
        Assert.NotEqual(0, entry.Samples.SealedBytes);
        Assert.Equal(Enumerable.Range(0, 700).Select(i => ((long)i, (double)i)), Read(entry, 0, long.MaxValue));
    }

    [Fact]
    public void AppendAndSave_WithFullWindows_AllocateNothingPerSample()
    {
        var table = new SeriesTable();
        var entries = Enumerable.Range(0, 100).Select(i => table.Add(LabelSet.Of("i", $"{i}"), SeriesKind.Gauge, "", "")).ToArray();
        foreach (ref var entry in entries.AsSpan()) entry.DeclarationSaved = true;
        var step = new CheckpointStep();
        var time = 0L;
        for (var round = 0; round < 20; round++) Round();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var round = 0; round < 10; round++) Round();
        // 400,000 samples.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 60_000);
        Assert.All(entries, e => Assert.InRange(Read(e, 0, long.MaxValue).Length, 400, 1_200));

        void Round()
        {
            for (var i = 0; i < 400; i++)
            {
                time += 1_000;
                for (var e = 0; e < entries.Length; e++) entries[e].Append(time, (time / 1_000 + e) % 97);
            }
            Save(table, step, long.MinValue, 600);
        }
    }

    private static void Save(SeriesTable table, CheckpointStep step, long cutoff, int mostPerSeries)
    {
        for (var bucket = 0; bucket <= SeriesEntry.BucketOf(table.NextId); bucket++)
        {
            if (table.BucketOf(bucket) is not { } found) continue;
            step.Fill(table, bucket, declare: false);
            step.Succeeded(cutoff, mostPerSeries);
            found.Evict(cutoff, mostPerSeries);
        }
    }

    private static (long Time, double Value)[] Read(SeriesEntry entry, long from, long to)
    {
        var all = new SampleBuffer();
        entry.Read(from, to, all);
        var samples = new (long, double)[all.Count];
        for (var i = 0; i < samples.Length; i++) samples[i] = (all.Times[i], all.Values[i]);
        return samples;
    }
}

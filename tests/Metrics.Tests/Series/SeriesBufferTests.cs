using Vigil.Metrics.Series;
using Xunit;

namespace Vigil.Metrics.Tests.Series;

public sealed class SeriesBufferTests
{
    [Fact]
    public void Append_AnyOrderWithinTheHead_ReadsInOrderOfTime()
    {
        for (var seed = 0; seed < 100; seed++)
        {
            var random = new Random(seed);
            var times = Enumerable.Range(0, SeriesBuffer.HeadCapacity - 1).Select(i => i * 10L).ToArray();
            random.Shuffle(times);
            var buffer = new SeriesBuffer();
            foreach (var time in times) Assert.Equal(AppendOutcome.Stored, buffer.Append(time, time * 2));
            var read = Read(buffer);
            Assert.Equal(times.Order(), read.Select(s => s.Time));
            Assert.All(read, s => Assert.Equal(s.Time * 2, s.Value));
        }
    }

    [Fact]
    public void Append_MatchesAModel_OverRandomArrivals()
    {
        for (var seed = 0; seed < 60; seed++)
        {
            var random = new Random(seed);
            var buffer = new SeriesBuffer();
            var model = new SortedDictionary<long, double>();
            long clock = 0;
            for (var i = 0; i < 1500; i++)
            {
                clock += random.Next(0, 3) * 100;
                var time = clock - (random.Next(5) == 0 ? random.Next(0, 200) * 100 : 0);
                var value = (double)random.Next(0, 3);
                var expected = time <= buffer.SealedThrough ? AppendOutcome.TooOld
                    : !model.TryGetValue(time, out var present) ? AppendOutcome.Stored
                    : present.Equals(value) ? AppendOutcome.Duplicate : AppendOutcome.Conflict;
                Assert.Equal(expected, buffer.Append(time, value));
                if (expected == AppendOutcome.Stored) model.Add(time, value);
            }
            Assert.Equal(model.Select(m => (m.Key, m.Value)), Read(buffer));
            Assert.Equal(model.Count, buffer.Count);
            var (from, to) = (random.Next(0, (int)clock), clock);
            var window = new SampleBuffer();
            buffer.Read(from, to, window);
            Assert.Equal(model.Keys.Where(t => t >= from && t <= to), window.Times.ToArray());
            var any = buffer.TryReadLast(0, from, new SampleBuffer(), out var lastTime, out var lastValue);
            Assert.Equal(model.Keys.Any(t => t <= from), any);
            if (any) Assert.Equal((model.Keys.Last(t => t <= from), model[model.Keys.Last(t => t <= from)]), (lastTime, lastValue));
        }
    }

    [Fact]
    public void Append_SameBits_IsADuplicateEvenForNaN()
    {
        var buffer = new SeriesBuffer();
        buffer.Append(1, double.NaN);
        Assert.Equal(AppendOutcome.Duplicate, buffer.Append(1, double.NaN));
        buffer.Append(2, 0.0);
        Assert.Equal(AppendOutcome.Conflict, buffer.Append(2, -0.0));
        Assert.Equal(2, buffer.Count);
    }

    [Theory]
    [InlineData(SeriesBuffer.HeadCapacity - 1, true)]
    [InlineData(SeriesBuffer.HeadCapacity, false)]
    public void Append_BeforeTheFirstSample_IsTakenUntilTheHeadIsSealed(int samples, bool taken)
    {
        var buffer = new SeriesBuffer();
        for (var i = 0; i < samples; i++) buffer.Append(1000 + i, i);
        Assert.Equal(taken ? AppendOutcome.Stored : AppendOutcome.TooOld, buffer.Append(1, 1));
    }

    [Fact]
    public void AppendIncrease_SumsUp_AndCountsEachMomentOnce()
    {
        var buffer = new SeriesBuffer();
        Assert.Equal(AppendOutcome.Stored, buffer.AppendIncrease(10, 5));
        Assert.Equal(AppendOutcome.Stored, buffer.AppendIncrease(20, 2));
        Assert.Equal(AppendOutcome.Duplicate, buffer.AppendIncrease(20, 2));
        Assert.Equal(AppendOutcome.TooOld, buffer.AppendIncrease(15, 2));
        Assert.Equal([(10L, 5.0), (20L, 7.0)], Read(buffer));
    }

    [Fact]
    public void AppendIncrease_AcrossManyBlocks_NeverLosesTheSum()
    {
        var buffer = new SeriesBuffer();
        for (var i = 1; i <= 1000; i++) buffer.AppendIncrease(i, 1);
        Assert.Equal(1000, buffer.LastValue);
    }

    [Fact]
    public void SavedAndRestored_AtAnyLength_GoesOnTheSame()
    {
        for (var count = 1; count < 420; count++)
        {
            var (buffer, restored) = (new SeriesBuffer(), new SeriesBuffer());
            for (var i = 0; i < count; i++) buffer.Append(i * 10, i * 0.5);
            var position = 0;
            while (position < buffer.UnsavedBlocks.Length)
            {
                var start = position;
                SampleBlock.Read(buffer.UnsavedBlocks, ref position);
                restored.RestoreBlock(buffer.UnsavedBlocks[start..position]);
            }
            var head = new byte[buffer.MaxHeadBytes];
            restored.Restore(head.AsSpan(0, buffer.CopyHead(head)), buffer.SealedThrough);
            Assert.Equal((buffer.Count, buffer.LastTime, buffer.LastValue, buffer.SealedThrough), (restored.Count, restored.LastTime, restored.LastValue, restored.SealedThrough));
            // The newest again, one late, and some more.
            foreach (var (time, value) in new[] { (count - 1, (count - 1) * 0.5), (count - 21, 7), (count, 1), (count + 1, 2.25), (count + 50, 3) })
                Assert.Equal(buffer.Append(time * 10 + (value == 7 ? 5 : 0), value), restored.Append(time * 10 + (value == 7 ? 5 : 0), value));
            Assert.Equal(Read(buffer), Read(restored));
            Assert.Equal(buffer.SealedThrough, restored.SealedThrough);
        }
    }

    [Fact]
    public void SavedAndRestored_IsTheSameBuffer()
    {
        var buffer = new SeriesBuffer();
        for (var i = 0; i < 1000; i++) buffer.Append(i * 100, Math.Sqrt(i));
        var restored = new SeriesBuffer();
        var position = 0;
        while (position < buffer.UnsavedBlocks.Length)
        {
            var start = position;
            SampleBlock.Read(buffer.UnsavedBlocks, ref position);
            restored.RestoreBlock(buffer.UnsavedBlocks[start..position]);
            // As after a write that was thought to have failed.
            restored.RestoreBlock(buffer.UnsavedBlocks[start..position]);
        }
        var head = new byte[buffer.MaxHeadBytes];
        restored.Restore(head.AsSpan(0, buffer.CopyHead(head)), buffer.SealedThrough);
        Assert.Equal(-1, restored.EvictedThrough);
        Assert.Equal(buffer.Count, restored.Count);
        Assert.Equal(Read(buffer), Read(restored));
        // And it goes on the same: determinism is what the journal's replay stands on.
        for (var i = 1000; i < 1400; i++) Assert.Equal(buffer.Append(i * 100, i), restored.Append(i * 100, i));
        Assert.Equal(Read(buffer), Read(restored));
        Assert.Equal(buffer.SealedThrough, restored.SealedThrough);
    }

    [Fact]
    public void Evict_OnlySavedBlocksGo_ByAgeAndByCount()
    {
        var buffer = new SeriesBuffer();
        for (var i = 0; i < 1000; i++) buffer.Append(i, i);
        buffer.Evict(long.MaxValue, 0);
        Assert.Equal(1000, buffer.Count);
        buffer.MarkSaved();
        buffer.Evict(200, int.MaxValue);
        Assert.Equal(119, buffer.EvictedThrough);
        Assert.Equal(880, buffer.Count);
        buffer.Evict(0, 500);
        Assert.InRange(buffer.Count, 381, 500);
        Assert.Equal(Enumerable.Range((int)buffer.EvictedThrough + 1, buffer.Count).Select(i => (long)i), Read(buffer).Select(s => s.Time));
    }

    [Fact]
    public void RestoreUnsaved_AfterAFailedWrite_OffersTheBlocksAgain()
    {
        var buffer = new SeriesBuffer();
        for (var i = 0; i < 400; i++) buffer.Append(i, i);
        var blocks = buffer.UnsavedBlocks.Length;
        var mark = buffer.MarkSaved();
        Assert.False(buffer.Unsaved);
        Assert.Equal(0, buffer.UnsavedBlocks.Length);
        buffer.RestoreUnsaved(mark);
        Assert.True(buffer.Unsaved);
        Assert.Equal(blocks, buffer.UnsavedBlocks.Length);
    }

    [Fact]
    public void Evict_GivesMemoryToTheBlocksThatFollow_AndTheOthersStayAsTheyWere()
    {
        var buffers = Enumerable.Range(0, 10).Select(_ => new SeriesBuffer()).ToArray();
        var random = new Random(1);
        var expected = new Dictionary<(int, long), double>();
        for (var time = 1L; time <= 5_000; time++)
        {
            for (var b = 0; b < buffers.Length; b++) buffers[b].Append(time, expected[(b, time)] = random.Next(1 << b));
            if (time % 400 != 0) continue;
            foreach (ref var buffer in buffers.AsSpan())
            {
                buffer.MarkSaved();
                buffer.Evict(long.MinValue, 600);
            }
        }
        for (var b = 0; b < buffers.Length; b++)
        {
            var read = Read(buffers[b]);
            Assert.InRange(read.Length, 400, 1_200);
            Assert.Equal(5_000, read[^1].Time);
            Assert.All(read, s => Assert.Equal(expected[(b, s.Time)], s.Value));
        }
    }

    [Fact]
    public void AppendAndEvict_WithFullWindows_AllocateNothing()
    {
        var buffers = Enumerable.Range(0, 100).Select(_ => new SeriesBuffer()).ToArray();
        var time = 0L;
        for (var round = 0; round < 20; round++) Round();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var round = 0; round < 10; round++) Round();
        // 400,000 samples.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 40_000);

        void Round()
        {
            for (var i = 0; i < 400; i++)
            {
                time += 1_000;
                for (var b = 0; b < buffers.Length; b++) buffers[b].Append(time, (time / 1_000 + b) % 97);
            }
            foreach (ref var buffer in buffers.AsSpan())
            {
                buffer.MarkSaved();
                buffer.Evict(long.MinValue, 600);
            }
        }
    }

    [Fact]
    public void LateSamples_AgainAndAgain_AreFoundInOrder_AndWhatWasThereIsKnown()
    {
        var buffer = new SeriesBuffer();
        for (var i = 0; i < 150; i++) buffer.Append(i * 10, i / 4.0);
        Assert.Equal(AppendOutcome.Duplicate, buffer.Append(300, 7.5));
        Assert.Equal(AppendOutcome.Conflict, buffer.Append(300, 7));
        Assert.Equal(AppendOutcome.Stored, buffer.Append(305, 7));
        Assert.Equal(AppendOutcome.Duplicate, buffer.Append(305, 7));
        Assert.Equal(long.MinValue, buffer.SealedThrough);
        for (var i = 0; i < 9; i++) Assert.Equal(AppendOutcome.Stored, buffer.Append(7 + i * 100, -1));
        // The 160th sealed the oldest 120, late ones among them.
        Assert.Equal(Read(buffer)[119].Time, buffer.SealedThrough);
        Assert.Equal(AppendOutcome.TooOld, buffer.Append(buffer.SealedThrough, 0));
        Assert.Equal(160, Read(buffer).Length);
    }

    private static (long Time, double Value)[] Read(SeriesBuffer buffer)
    {
        var all = new SampleBuffer();
        buffer.Read(long.MinValue, long.MaxValue, all);
        var samples = new (long, double)[all.Count];
        for (var i = 0; i < samples.Length; i++) samples[i] = (all.Times[i], all.Values[i]);
        return samples;
    }
}

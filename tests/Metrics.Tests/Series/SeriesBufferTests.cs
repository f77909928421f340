using Vigil.Metrics.Series;
using Xunit;

namespace Vigil.Metrics.Tests.Series;

public sealed class SeriesBufferTests
{
    private readonly CellMemory memory = new();

    [Fact]
    public void Append_AnyOrderWithinTheHead_ReadsInOrderOfTime()
    {
        for (var seed = 0; seed < 100; seed++)
        {
            var random = new Random(seed);
            var times = Enumerable.Range(0, SeriesBuffer.HeadCapacity - 1).Select(i => i * 10L).ToArray();
            random.Shuffle(times);
            var buffer = new SeriesBuffer();
            foreach (var time in times) Assert.Equal(AppendOutcome.Stored, buffer.Append(memory, time, time * 2));
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
            var entry = new SeriesTable().Add(LabelSet.Of("__name__", "m"), SeriesKind.Gauge, "", "");
            ref var buffer = ref entry.Samples;
            var memory = entry.Cells;
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
                Assert.Equal(expected, buffer.Append(memory, time, value));
                if (expected == AppendOutcome.Stored) model.Add(time, value);
            }
            var all = new SampleBuffer();
            buffer.Read(memory, long.MinValue, long.MaxValue, all);
            Assert.Equal(model.Keys, all.Times.ToArray());
            Assert.Equal(model.Values, all.Values.ToArray());
            Assert.Equal(model.Count, buffer.Count(memory));
            var (from, to) = (random.Next(0, (int)clock), clock);
            var window = new SampleBuffer();
            buffer.Read(memory, from, to, window);
            Assert.Equal(model.Keys.Where(t => t >= from && t <= to), window.Times.ToArray());
            var any = entry.TryReadLast(0, from, new SampleBuffer(), out var lastTime, out var lastValue);
            Assert.Equal(model.Keys.Any(t => t <= from), any);
            if (any) Assert.Equal((model.Keys.Last(t => t <= from), model[model.Keys.Last(t => t <= from)]), (lastTime, lastValue));
        }
    }

    [Fact]
    public void Append_SameBits_IsADuplicateEvenForNaN()
    {
        var buffer = new SeriesBuffer();
        buffer.Append(memory, 1, double.NaN);
        Assert.Equal(AppendOutcome.Duplicate, buffer.Append(memory, 1, double.NaN));
        buffer.Append(memory, 2, 0.0);
        Assert.Equal(AppendOutcome.Conflict, buffer.Append(memory, 2, -0.0));
        Assert.Equal(2, buffer.Count(memory));
    }

    [Theory]
    [InlineData(SeriesBuffer.HeadCapacity - 1, true)]
    [InlineData(SeriesBuffer.HeadCapacity, false)]
    public void Append_BeforeTheFirstSample_IsTakenUntilTheHeadIsSealed(int samples, bool taken)
    {
        var buffer = new SeriesBuffer();
        for (var i = 0; i < samples; i++) buffer.Append(memory, 1000 + i, i);
        Assert.Equal(taken ? AppendOutcome.Stored : AppendOutcome.TooOld, buffer.Append(memory, 1, 1));
    }

    [Fact]
    public void AppendIncrease_SumsUp_AndCountsEachMomentOnce()
    {
        var buffer = new SeriesBuffer();
        Assert.Equal(AppendOutcome.Stored, buffer.AppendIncrease(memory, 10, 5));
        Assert.Equal(AppendOutcome.Stored, buffer.AppendIncrease(memory, 20, 2));
        Assert.Equal(AppendOutcome.Duplicate, buffer.AppendIncrease(memory, 20, 2));
        Assert.Equal(AppendOutcome.TooOld, buffer.AppendIncrease(memory, 15, 2));
        Assert.Equal([(10L, 5.0), (20L, 7.0)], Read(buffer));
    }

    [Fact]
    public void AppendIncrease_AcrossManyBlocks_NeverLosesTheSum()
    {
        var buffer = new SeriesBuffer();
        for (var i = 1; i <= 1000; i++) buffer.AppendIncrease(memory, i, 1);
        Assert.Equal(1000, buffer.LastValue);
    }

    [Fact]
    public void SavedAndRestored_AtAnyLength_GoesOnTheSame()
    {
        for (var count = 1; count < 420; count++)
        {
            var (buffer, restored) = (new SeriesBuffer(), new SeriesBuffer());
            for (var i = 0; i < count; i++) buffer.Append(memory, i * 10, i * 0.5);
            var head = new byte[buffer.MaxHeadBytes];
            restored.Restore(memory, head.AsSpan(0, buffer.CopyHead(memory, head)), buffer.SealedThrough);
            buffer.DropSealed(memory, buffer.SealedBytes);
            Assert.Equal((buffer.Count(memory), buffer.LastTime, buffer.LastValue, buffer.SealedThrough), (restored.Count(memory), restored.LastTime, restored.LastValue, restored.SealedThrough));
            // The newest again, one late, and some more.
            foreach (var (time, value) in new[] { (count - 1, (count - 1) * 0.5), (count - 21, 7), (count, 1), (count + 1, 2.25), (count + 50, 3) })
                Assert.Equal(buffer.Append(memory, time * 10 + (value == 7 ? 5 : 0), value), restored.Append(memory, time * 10 + (value == 7 ? 5 : 0), value));
            Assert.Equal(Read(buffer), Read(restored));
            Assert.Equal(buffer.SealedThrough, restored.SealedThrough);
        }
    }

    [Fact]
    public void LateSamples_AgainAndAgain_AreFoundInOrder_AndWhatWasThereIsKnown()
    {
        var buffer = new SeriesBuffer();
        for (var i = 0; i < 150; i++) buffer.Append(memory, i * 10, i / 4.0);
        Assert.Equal(AppendOutcome.Duplicate, buffer.Append(memory, 300, 7.5));
        Assert.Equal(AppendOutcome.Conflict, buffer.Append(memory, 300, 7));
        Assert.Equal(AppendOutcome.Stored, buffer.Append(memory, 305, 7));
        Assert.Equal(AppendOutcome.Duplicate, buffer.Append(memory, 305, 7));
        Assert.Equal(long.MinValue, buffer.SealedThrough);
        for (var i = 0; i < 9; i++) Assert.Equal(AppendOutcome.Stored, buffer.Append(memory, 7 + i * 100, -1));
        // The 160th sealed the oldest 120, late ones among them.
        Assert.Equal(Read(buffer)[119].Time, buffer.SealedThrough);
        Assert.Equal(AppendOutcome.TooOld, buffer.Append(memory, buffer.SealedThrough, 0));
        Assert.Equal(160, Read(buffer).Length);
    }

    private (long Time, double Value)[] Read(in SeriesBuffer buffer)
    {
        var all = new SampleBuffer();
        buffer.Read(memory, long.MinValue, long.MaxValue, all);
        var samples = new (long, double)[all.Count];
        for (var i = 0; i < samples.Length; i++) samples[i] = (all.Times[i], all.Values[i]);
        return samples;
    }
}

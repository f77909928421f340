using Vigil.Metrics.Series;
using Xunit;

namespace Vigil.Metrics.Tests.Series;

public sealed class HistogramBufferTests
{
    [Fact]
    public void Append_LateAndAgain_FindsItsPlaceOnce()
    {
        var buffer = new HistogramBuffer();
        Assert.Equal(AppendOutcome.Stored, buffer.Append(1_000, Data(1)));
        Assert.Equal(AppendOutcome.Stored, buffer.Append(3_000, Data(3)));
        Assert.Equal(AppendOutcome.Stored, buffer.Append(2_000, Data(2)));
        Assert.Equal(AppendOutcome.Duplicate, buffer.Append(2_000, Data(2)));
        Assert.Equal(AppendOutcome.Conflict, buffer.Append(2_000, Data(9)));
        Assert.Equal([1_000L, 2_000, 3_000], Times(buffer));
        Assert.Equal(3_000, buffer.LastTime);
    }

    [Fact]
    public void Evict_LetsOnlyGoWhatIsSaved_AndRefusesWhatIsOlder()
    {
        var buffer = new HistogramBuffer();
        for (var i = 1; i <= 3; i++) buffer.Append(i * 1_000, Data(i));
        buffer.Evict(10_000, 10);
        Assert.Equal(3, buffer.Count);
        var taken = buffer.TakeUnsaved();
        Assert.Equal(3, taken.Length);
        buffer.RestoreUnsaved(taken);
        Assert.True(buffer.Unsaved);
        buffer.TakeUnsaved();
        buffer.Append(4_000, Data(4));
        Assert.Equal([4_000L], buffer.TakeUnsaved().Select(p => p.Time));
        buffer.Evict(2_500, 10);
        Assert.Equal([3_000L, 4_000], Times(buffer));
        Assert.Equal(2_000, buffer.EvictedThrough);
        Assert.Equal(AppendOutcome.TooOld, buffer.Append(2_000, Data(2)));
        Assert.Equal(AppendOutcome.Stored, buffer.Append(2_001, Data(2)));
        buffer.TakeUnsaved();
        buffer.Evict(long.MaxValue, 10);
        // The newest stays, for increases to be added to.
        Assert.Equal([4_000L], Times(buffer));
    }

    [Fact]
    public void AppendIncrease_AddsToTheNewest_AndARepeatCountsOnce()
    {
        var buffer = new HistogramBuffer();
        Assert.Equal(AppendOutcome.Stored, buffer.AppendIncrease(1_000, Data(2)));
        Assert.Equal(AppendOutcome.Stored, buffer.AppendIncrease(2_000, Data(3)));
        Assert.Equal(AppendOutcome.Duplicate, buffer.AppendIncrease(2_000, Data(3)));
        Assert.Equal(AppendOutcome.TooOld, buffer.AppendIncrease(1_500, Data(3)));
        var read = new List<HistogramPoint>();
        buffer.Read(2_000, 2_000, read);
        Assert.True(HistogramCodec.TryDecode(Assert.Single(read).Data, out var sum));
        Assert.Equal(5, sum!.Count);
        Assert.Equal([5.0], sum.Positive.Counts.ToArray());
    }

    [Fact]
    public void Restore_OverlappingRows_GivesEachMomentOnce()
    {
        var buffer = new HistogramBuffer();
        buffer.Restore([.. Row(1_000, 3_000), .. Row(2_000, 3_000)], 500);
        Assert.Equal([1_000L, 2_000, 3_000], Times(buffer));
        Assert.False(buffer.Unsaved);
        Assert.Equal(AppendOutcome.TooOld, buffer.Append(500, Data(1)));
        Assert.Equal(AppendOutcome.Duplicate, buffer.Append(2_000, Data(1)));
    }

    [Fact]
    public void Rows_DamagedInAnyWay_AreRefusedAndNothingElse()
    {
        var good = HistogramRows.Write(7, [.. Row(1_000, 61_000, 121_000)]);
        Assert.Equal([1_000L, 61_000, 121_000], HistogramRows.Read(good).Select(p => p.Time));
        var random = new Random(9);
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = (byte[])good.Clone();
            bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            if (i % 3 == 0) bytes = bytes[..random.Next(bytes.Length)];
            try
            {
                foreach (var point in HistogramRows.Read(bytes)) HistogramCodec.TryDecode(point.Data, out _);
            }
            catch (InvalidDataException e)
            {
                Assert.Contains("a saved row of histograms", e.Message);
            }
        }
    }

    private static List<HistogramPoint> Row(params long[] times) => [.. times.Select(t => new HistogramPoint(t, Data(1)))];

    private static byte[] Data(int count) => HistogramCodec.Encode(new FloatHistogram { Schema = 0, Count = count, Sum = count, Positive = HistogramBuckets.From([1], [count]) });

    private static IEnumerable<long> Times(HistogramBuffer buffer)
    {
        var read = new List<HistogramPoint>();
        buffer.Read(long.MinValue, long.MaxValue, read);
        return read.Select(p => p.Time);
    }
}

using Xunit;

namespace Vigil.Client.Tests;

public sealed class FrameQueueTests
{
    [Fact]
    public void Add_FrameFull_IsSealedWithTheNextNumber()
    {
        var queue = new FrameQueue(2);
        Assert.False(queue.Add(1, 100, 1));
        Assert.Null(queue.After(0));
        Assert.True(queue.Add(2, 90, 2));
        var frame = queue.After(0)!;
        Assert.Equal(1UL, frame.Sequence);
        Assert.Equal(100, frame.BaseTimeUnixMs);
        Assert.Equal([0L, -10L], frame.TimeOffsetsMs);
        Assert.Null(queue.After(1));
    }

    [Fact]
    public void Acknowledge_FreesOnlyWhatCameBefore()
    {
        var queue = Filled(5);
        queue.Acknowledge(3);
        Assert.Equal(2, queue.Samples);
        Assert.Equal(3UL, queue.AcknowledgedSequence);
        Assert.Equal(4UL, queue.After(0)!.Sequence);
        Assert.Equal(5UL, queue.After(4)!.Sequence);
        Assert.Null(queue.After(5));
        queue.Acknowledge(2);
        Assert.Equal(3UL, queue.AcknowledgedSequence);
    }

    [Fact]
    public void After_FromTheStart_GivesEveryUnacknowledgedFrameInOrder()
    {
        var queue = Filled(1000);
        queue.Acknowledge(600);
        ulong sent = 0;
        var sequences = new List<ulong>();
        while (queue.After(sent) is { } frame)
        {
            sequences.Add(sent = frame.Sequence);
            queue.Written(frame);
        }
        Assert.Equal(Enumerable.Range(601, 400).Select(i => (ulong)i), sequences);
    }

    [Fact]
    public void Acknowledge_FrameStillBeingWritten_IsNotUsedAgainBeforeItIsWritten()
    {
        var queue = Filled(1);
        var writing = queue.After(0)!;
        queue.Acknowledge(1);
        queue.Add(9, 50, 7);
        queue.Seal();
        Assert.Equal([1U], writing.SeriesIds);
        Assert.Equal(1UL, writing.Sequence);
        queue.Written(writing);
        queue.Add(8, 60, 6);
        queue.Seal();
        Assert.Same(writing, queue.After(2));
        Assert.Equal(3UL, writing.Sequence);
        Assert.Equal([8U], writing.SeriesIds);
    }

    private static FrameQueue Filled(int frames)
    {
        var queue = new FrameQueue(1);
        for (var i = 1; i <= frames; i++) queue.Add(1, i, i);
        return queue;
    }

    [Fact]
    public void FrameQueue_FramesAcknowledgedTogether_AreUsedAgain()
    {
        const int Frames = 32, Samples = 1_000;
        var queue = new FrameQueue(Samples);
        Round(queue);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10; i++) Round(queue);
        var perSample = (GC.GetAllocatedBytesForCurrentThread() - before) / (10.0 * Frames * Samples);
        Assert.InRange(perSample, 0, 0.1);

        static void Round(FrameQueue queue)
        {
            for (var i = 0; i < Frames * Samples; i++) queue.Add((uint)i % 100 + 1, 1_000_000 + i, i);
            queue.Acknowledge(queue.LastSequence);
            Assert.Equal(0, queue.Samples);
        }
    }
}

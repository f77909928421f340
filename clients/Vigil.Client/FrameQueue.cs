using Vigil.Metrics.V1;

namespace Vigil.Client;

/// <summary>
/// The frames of one stream that the server has not acknowledged, oldest first, the last one possibly still being filled. Not
/// thread-safe: its owner holds a lock.
/// </summary>
internal sealed class FrameQueue(int maxSamplesPerFrame)
{
    // As many as a server with its default settings lets be under way, and may acknowledge in one go.
    private const int MaxSpares = 32;

    // Sequence numbers are dense: frame n stands at index head + n - AcknowledgedSequence - 1.
    private readonly List<Frame> sealedFrames = [];
    private int head;
    private readonly Stack<Frame> spares = [];
    private Frame? filling;
    private Frame? writing;
    private bool writingWasAcknowledged;

    public ulong LastSequence { get; private set; }

    public ulong AcknowledgedSequence { get; private set; }

    /// <summary>Samples recorded and not acknowledged.</summary>
    public long Samples { get; private set; }

    /// <summary>Adds a sample; true when that made a frame ready to be sent.</summary>
    public bool Add(uint id, long milliseconds, double value)
    {
        filling ??= Take(milliseconds);
        filling.SeriesIds.Add(id);
        filling.TimeOffsetsMs.Add(milliseconds - filling.BaseTimeUnixMs);
        filling.Values.Add(value);
        Samples++;
        if (filling.Values.Count < maxSamplesPerFrame) return false;
        Seal();
        return true;
    }

    /// <summary>Gives the frame being filled, if any, its number: from now on it never changes.</summary>
    public void Seal()
    {
        if (filling is null) return;
        filling.Sequence = ++LastSequence;
        sealedFrames.Add(filling);
        filling = null;
    }

    /// <summary>The first unacknowledged frame after <paramref name="sent"/>; it may be written until <see cref="Written"/> is called.</summary>
    public Frame? After(ulong sent)
    {
        var offset = sent > AcknowledgedSequence ? sent - AcknowledgedSequence : 0;
        var index = head + (long)offset;
        return writing = index < sealedFrames.Count ? sealedFrames[(int)index] : null;
    }

    /// <summary>An unacknowledged frame by its number; null where it is none.</summary>
    public Frame? Find(ulong sequence)
    {
        if (sequence <= AcknowledgedSequence || sequence > LastSequence) return null;
        return sealedFrames[head + (int)(sequence - AcknowledgedSequence) - 1];
    }

    /// <summary>Adds the samples that a frame has of some series as a new one, ready to be sent; returns its number.</summary>
    public ulong Again(Frame frame, IReadOnlySet<uint> series)
    {
        var copy = Take(frame.BaseTimeUnixMs);
        for (var i = 0; i < frame.SeriesIds.Count; i++)
        {
            if (!series.Contains(frame.SeriesIds[i])) continue;
            copy.SeriesIds.Add(frame.SeriesIds[i]);
            copy.TimeOffsetsMs.Add(frame.TimeOffsetsMs[i]);
            copy.Values.Add(frame.Values[i]);
        }
        Samples += copy.Values.Count;
        copy.Sequence = ++LastSequence;
        sealedFrames.Add(copy);
        return copy.Sequence;
    }

    public void Written(Frame frame)
    {
        if (writing != frame) return;
        writing = null;
        if (writingWasAcknowledged) Keep(frame);
        writingWasAcknowledged = false;
    }

    /// <summary>Everything up to and including <paramref name="sequence"/> is durable.</summary>
    public void Acknowledge(ulong sequence)
    {
        while (head < sealedFrames.Count && sealedFrames[head].Sequence <= sequence)
        {
            var frame = sealedFrames[head++];
            Samples -= frame.Values.Count;
            AcknowledgedSequence = frame.Sequence;
            if (frame == writing) writingWasAcknowledged = true;
            else Keep(frame);
        }
        if (head > 256 && head * 2 > sealedFrames.Count)
        {
            sealedFrames.RemoveRange(0, head);
            head = 0;
        }
    }

    private Frame Take(long milliseconds)
    {
        if (!spares.TryPop(out var frame)) frame = new Frame();
        frame.BaseTimeUnixMs = milliseconds;
        return frame;
    }

    private void Keep(Frame frame)
    {
        if (spares.Count >= MaxSpares) return;
        // Clear keeps the columns' capacity.
        frame.SeriesIds.Clear();
        frame.TimeOffsetsMs.Clear();
        frame.Values.Clear();
        spares.Push(frame);
    }
}

namespace Vigil.Metrics.Series;

/// <summary>Samples in two columns that grow: the target of window reads, used again or taken over by who asked. Not safe for several threads.</summary>
internal sealed class SampleBuffer
{
    private long[] times = [];
    private double[] values = [];
    private SharedTimes? shared;

    /// <summary>Number of samples.</summary>
    public int Count { get; private set; }

    /// <summary>How far samples are likely to come, in milliseconds since 1970: makes room for them at first.</summary>
    public long Until { get; init; } = long.MinValue;

    /// <summary>Milliseconds since 1970, rising.</summary>
    public ReadOnlySpan<long> Times => times.AsSpan(0, Count);

    /// <summary>One per time.</summary>
    public ReadOnlySpan<double> Values => values.AsSpan(0, Count);

    /// <summary>Empties the buffer and keeps its memory.</summary>
    public void Clear()
    {
        if (shared is not null) (shared, times, values) = (null, [], []);
        Count = 0;
    }

    /// <summary>The times, in the buffer's own memory, which is not to be used again.</summary>
    public ReadOnlyMemory<long> TakeTimes() => times.AsMemory(0, Count);

    /// <inheritdoc cref="TakeTimes"/>
    public ReadOnlyMemory<double> TakeValues() => values.AsMemory(0, Count);

    /// <summary>Adds one sample.</summary>
    public void Add(long time, double value)
    {
        Detach();
        Reserve(1);
        times[Count] = time;
        values[Count++] = value;
    }

    /// <summary>Adds samples at the end.</summary>
    public void Add(ReadOnlySpan<long> moreTimes, ReadOnlySpan<double> moreValues)
    {
        Detach();
        Reserve(moreTimes.Length);
        moreTimes.CopyTo(times.AsSpan(Count));
        moreValues.CopyTo(values.AsSpan(Count));
        Count += moreTimes.Length;
    }

    /// <summary>Begins with times that other buffers begin with, too, and share; returns the room for their values.</summary>
    public Memory<double> Begin(SharedTimes sharedTimes, int count)
    {
        if (Count > 0) throw new InvalidOperationException("there are samples already");
        (shared, times, values, Count) = (sharedTimes, sharedTimes.Times, new double[sharedTimes.Times.Length], count);
        return values.AsMemory(0, count);
    }

    /// <summary>Adds those samples of a block that lie in [from, to].</summary>
    public void Add(SampleBlock block, long from, long to)
    {
        var (blockTimes, blockValues) = Room(block.Count);
        block.Decode(blockTimes, blockValues);
        Keep(block.Count, from, to);
    }

    /// <summary>Adds those samples of an open block that lie in [from, to].</summary>
    public void Add(in OpenBlock block, ReadOnlySpan<byte> data, long from, long to)
    {
        var (blockTimes, blockValues) = Room(block.Count);
        block.Decode(data, blockTimes, blockValues);
        Keep(block.Count, from, to);
    }

    /// <summary>Room for samples behind those that are there: to be filled, and then taken by <see cref="Keep"/>.</summary>
    public RoomForSamples Room(int count)
    {
        Reserve(count);
        return new RoomForSamples(shared is null ? times.AsSpan(Count, count) : shared.Spare(count), values.AsSpan(Count, count));
    }

    /// <summary>Takes those of the samples in <see cref="Room"/> that lie in [from, to] and are newer than all before.</summary>
    public void Keep(int count, long from, long to)
    {
        var blockTimes = shared is null ? times.AsSpan(Count, count) : shared.Spare(count);
        var blockValues = values.AsSpan(Count, count);
        if (Count > 0 && times[Count - 1] >= from) from = times[Count - 1] + 1;
        var (start, end) = Range(blockTimes, from, to);
        if (shared is not null && !shared.TryAdd(Count, blockTimes[start..end]))
        {
            Detach();
            blockTimes[start..end].CopyTo(times.AsSpan(Count));
        }
        else if (start > 0 && shared is null)
        {
            blockTimes[start..end].CopyTo(blockTimes);
        }
        if (start > 0) blockValues[start..end].CopyTo(blockValues);
        Count += end - start;
    }

    /// <summary>Copies what is there into arrays of their own.</summary>
    public SeriesSamples ToSamples(LabelSet labels) => new(labels, Times.ToArray(), Values.ToArray());

    /// <summary>The index range [start, end) of the times in [from, to].</summary>
    internal static (int Start, int End) Range(ReadOnlySpan<long> times, long from, long to)
    {
        var start = LowerBound(times, from);
        var end = to == long.MaxValue ? times.Length : LowerBound(times, to + 1);
        return (start, Math.Max(start, end));
    }

    /// <summary>Index of the first time that is not before <paramref name="time"/>.</summary>
    internal static int LowerBound(ReadOnlySpan<long> times, long time)
    {
        int low = 0, high = times.Length;
        while (low < high)
        {
            var middle = (int)((uint)(low + high) >> 1);
            if (times[middle] < time) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    private void Reserve(int more)
    {
        if (Count + more <= times.Length) return;
        Detach();
        var size = Math.Max(Count + more, Math.Max(64, times.Length * 2));
        Array.Resize(ref times, size);
        Array.Resize(ref values, size);
    }

    // From here on its times are its own.
    private void Detach()
    {
        if (shared is null) return;
        var own = new long[times.Length];
        Times.CopyTo(own);
        (times, shared) = (own, null);
    }
}

/// <summary>The times of series that were sampled together, which their buffers share as long as what comes goes on to be the same.</summary>
/// <param name="times">With room behind.</param>
/// <param name="count">How many there are.</param>
internal sealed class SharedTimes(long[] times, int count)
{
    private long[] spare = [];

    public long[] Times => times;

    /// <summary>Where times are put that may be those that come next.</summary>
    public Span<long> Spare(int length)
    {
        if (spare.Length < length) spare = new long[Math.Max(length, SampleBlock.MaxCount)];
        return spare.AsSpan(0, length);
    }

    /// <summary>Adds times behind the first <paramref name="at"/>; false where others stand there already, or there is no room.</summary>
    public bool TryAdd(int at, ReadOnlySpan<long> more)
    {
        if (more.Length > times.Length - at) return false;
        if (at + more.Length <= count) return times.AsSpan(at, more.Length).SequenceEqual(more);
        if (at != count) return false;
        more.CopyTo(times.AsSpan(at));
        count += more.Length;
        return true;
    }
}

/// <summary>Memory for samples.</summary>
internal readonly ref struct RoomForSamples(Span<long> times, Span<double> values)
{
    private readonly Span<long> times = times;
    private readonly Span<double> values = values;

    public void Deconstruct(out Span<long> forTimes, out Span<double> forValues)
    {
        forTimes = times;
        forValues = values;
    }
}

namespace Vigil.Metrics.Series;

/// <summary>Samples in two columns that grow and are used again: the target of window reads. Not safe for several threads.</summary>
/// <param name="capacity">Samples that there is room for at first.</param>
internal sealed class SampleBuffer(int capacity = 0)
{
    private long[] times = capacity == 0 ? [] : new long[capacity];
    private double[] values = capacity == 0 ? [] : new double[capacity];

    /// <summary>Number of samples.</summary>
    public int Count { get; private set; }

    /// <summary>Milliseconds since 1970, rising.</summary>
    public ReadOnlySpan<long> Times => times.AsSpan(0, Count);

    /// <summary>One per time.</summary>
    public ReadOnlySpan<double> Values => values.AsSpan(0, Count);

    /// <summary>Empties the buffer and keeps its memory.</summary>
    public void Clear() => Count = 0;

    /// <summary>Adds one sample.</summary>
    public void Add(long time, double value)
    {
        Reserve(1);
        times[Count] = time;
        values[Count++] = value;
    }

    /// <summary>Adds samples at the end.</summary>
    public void Add(ReadOnlySpan<long> moreTimes, ReadOnlySpan<double> moreValues)
    {
        Reserve(moreTimes.Length);
        moreTimes.CopyTo(times.AsSpan(Count));
        moreValues.CopyTo(values.AsSpan(Count));
        Count += moreTimes.Length;
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
        return new RoomForSamples(times.AsSpan(Count, count), values.AsSpan(Count, count));
    }

    /// <summary>Takes those of the samples in <see cref="Room"/> that lie in [from, to] and are newer than all before.</summary>
    public void Keep(int count, long from, long to)
    {
        var (blockTimes, blockValues) = Room(count);
        if (Count > 0 && times[Count - 1] >= from) from = times[Count - 1] + 1;
        var (start, end) = Range(blockTimes, from, to);
        if (start > 0)
        {
            blockTimes[start..end].CopyTo(blockTimes);
            blockValues[start..end].CopyTo(blockValues);
        }
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
        var size = Math.Max(Count + more, Math.Max(64, times.Length * 2));
        Array.Resize(ref times, size);
        Array.Resize(ref values, size);
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

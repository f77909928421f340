using System.Runtime.CompilerServices;

namespace Vigil.Metrics.Series;

/// <summary>What became of a sample.</summary>
internal enum AppendOutcome
{
    /// <summary>It is kept.</summary>
    Stored,

    /// <summary>The same value was there for this moment; nothing changed.</summary>
    Duplicate,

    /// <summary>Another value is there for this moment and stays.</summary>
    Conflict,

    /// <summary>It is older than the head, which alone takes late samples.</summary>
    TooOld,
}

/// <summary>
/// The recent samples of one series, compressed as they arrive, in one array: sealed blocks, then the head, which is a full block or none and an open one. Late
/// samples find their place in the head, which is written anew for each: they are few. Deterministic: the same appends in the same order give the same
/// samples and the same seals, which is what lets a journal restore it. Not safe for several threads, and not to be copied: it lies among its like in a <see cref="SeriesBucket"/>.
/// </summary>
internal struct SeriesBuffer
{
    /// <summary>Samples in the head when its older part is sealed.</summary>
    public const int HeadCapacity = 160;

    /// <summary>Samples sealed at once; the other 40 stay open to late samples (40 s at one sample a second).</summary>
    public const int BlockSize = 120;

    private byte[] data = [];
    private OpenBlock open = new();

    // Where the part begins that is not in the database yet; then the head; in it, the open block.
    private int unsavedFrom;
    private int headFrom;
    private int openFrom;

    /// <summary>Nothing was ever added.</summary>
    public SeriesBuffer()
    {
    }

    /// <summary>Number of samples in memory.</summary>
    public int Count { readonly get; private set; }

    /// <summary>Time of the newest sample; <see cref="long.MinValue"/> where there never was one.</summary>
    public readonly long LastTime => open.Last;

    /// <summary>Value of the newest sample; meaningless where there never was one.</summary>
    public readonly double LastValue => open.LastValue;

    /// <summary>Samples up to this moment are sealed: what is not newer is refused as too old.</summary>
    public long SealedThrough { readonly get; private set; } = long.MinValue;

    /// <summary>Samples up to this moment may have left memory and are to be looked for in the database.</summary>
    public long EvictedThrough { readonly get; private set; } = long.MinValue;

    /// <summary>Changed since <see cref="MarkSaved"/>.</summary>
    public bool Unsaved { readonly get; private set; } = true;

    /// <summary>The blocks that are sealed and not in the database yet, oldest first, one after the other; see <see cref="SampleBlock.Read"/>.</summary>
    public readonly ReadOnlySpan<byte> UnsavedBlocks => data.AsSpan(unsavedFrom, headFrom - unsavedFrom);

    /// <summary>The most bytes that <see cref="CopyHead"/> writes.</summary>
    public readonly int MaxHeadBytes => openFrom - headFrom + open.Bytes + SampleBlock.MaxHeaderBytes;

    /// <summary>Bytes of memory that the samples take.</summary>
    public readonly int MemoryBytes => data.Length;

    /// <summary>Adds a sample.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public AppendOutcome Append(long time, double value)
    {
        if (time <= open.Last)
        {
            if (time <= SealedThrough) return AppendOutcome.TooOld;
            if (time < open.Last) return Insert(time, value);
            return SameBits(value, open.LastValue) ? AppendOutcome.Duplicate : AppendOutcome.Conflict;
        }
        Push(time, value);
        Count++;
        Unsaved = true;
        return AppendOutcome.Stored;
    }

    /// <summary>
    /// Adds an increase to the newest value (zero where there is none) as a new sample. Only moves forward: an increase for a
    /// moment that is there has been counted.
    /// </summary>
    public AppendOutcome AppendIncrease(long time, double increase)
    {
        if (time == LastTime) return AppendOutcome.Duplicate;
        if (time < LastTime) return AppendOutcome.TooOld;
        return Append(time, LastTime == long.MinValue ? increase : LastValue + increase);
    }

    /// <summary>Adds the samples in [from, to] to <paramref name="target"/>, oldest first.</summary>
    public readonly void Read(long from, long to, SampleBuffer target)
    {
        if (from > LastTime) return;
        var position = 0;
        while (position < openFrom)
        {
            var block = SampleBlock.Read(data.AsSpan(0, openFrom), ref position);
            if (block.Last >= from && block.First <= to) target.Add(block, from, to);
        }
        if (open.Count > 0 && open.First <= to) target.Add(open, data.AsSpan(openFrom), from, to);
    }

    /// <summary>The newest sample in [from, to].</summary>
    public readonly bool TryReadLast(long from, long to, SampleBuffer scratch, out long time, out double value)
    {
        (time, value) = (LastTime, LastValue);
        if (Count == 0 || time < from) return false;
        if (time <= to) return true;
        scratch.Clear();
        Read(from, to, scratch);
        if (scratch.Count == 0) return false;
        (time, value) = (scratch.Times[^1], scratch.Values[^1]);
        return true;
    }

    /// <summary>Copies the head, as blocks one after the other; returns the length.</summary>
    public readonly int CopyHead(Span<byte> target)
    {
        data.AsSpan(headFrom, openFrom - headFrom).CopyTo(target);
        return openFrom - headFrom + open.CopyTo(target[(openFrom - headFrom)..], data.AsSpan(openFrom));
    }

    /// <summary>
    /// Takes the present state for saved: what <see cref="UnsavedBlocks"/> and <see cref="CopyHead"/> gave is on its way to
    /// the database. <see cref="RestoreUnsaved"/> takes it back when the write fails.
    /// </summary>
    /// <returns>What to give to <see cref="RestoreUnsaved"/>.</returns>
    public int MarkSaved()
    {
        var before = unsavedFrom;
        unsavedFrom = headFrom;
        Unsaved = false;
        return before;
    }

    /// <summary>The save did not happen.</summary>
    public void RestoreUnsaved(int mark)
    {
        unsavedFrom = Math.Min(mark, unsavedFrom);
        Unsaved = true;
    }

    /// <summary>
    /// Lets saved blocks go that end before <paramref name="cutoff"/>, or that lie beyond the newest <paramref name="maxSamples"/>.
    /// Blocks that are not saved stay. Not while a save is under way.
    /// </summary>
    public void Evict(long cutoff, int maxSamples)
    {
        var drop = 0;
        while (drop < unsavedFrom)
        {
            var next = drop;
            var block = SampleBlock.Read(data.AsSpan(0, unsavedFrom), ref next);
            if (block.Last >= cutoff && Count <= maxSamples) break;
            EvictedThrough = block.Last;
            Count -= block.Count;
            drop = next;
        }
        if (drop == 0) return;
        var used = openFrom + open.Bytes - drop;
        data.AsSpan(drop, used).CopyTo(data);
        unsavedFrom -= drop;
        headFrom -= drop;
        openFrom -= drop;
        SampleMemory.Shrink(ref data, used);
    }

    /// <summary>Puts a saved, sealed block into a buffer without a head: to be called oldest first, before <see cref="Restore"/>. Nothing happens where it is there.</summary>
    public void RestoreBlock(ReadOnlySpan<byte> block)
    {
        var position = 0;
        var read = SampleBlock.Read(block, ref position);
        if (read.First <= SealedThrough) return;
        SealedThrough = read.Last;
        Count += read.Count;
        openFrom += CopyIn(block);
        headFrom = unsavedFrom = openFrom;
    }

    /// <summary>Puts a saved head into a buffer, after its sealed blocks: all at once, or block by block.</summary>
    /// <param name="head">Blocks one after the other, as <see cref="CopyHead"/> gave them.</param>
    /// <param name="sealedThrough">End of the newest block ever sealed.</param>
    public void Restore(ReadOnlySpan<byte> head, long sealedThrough)
    {
        SealedThrough = sealedThrough;
        EvictedThrough = sealedThrough;
        if (headFrom > 0)
        {
            var oldest = 0;
            // Whatever is older, if anything, is in the database.
            EvictedThrough = SampleBlock.Read(data, ref oldest).First - 1;
        }
        Span<long> times = stackalloc long[SampleBlock.MaxCount];
        Span<double> values = stackalloc double[SampleBlock.MaxCount];
        var position = 0;
        while (position < head.Length)
        {
            var start = position;
            var block = SampleBlock.Read(head, ref position);
            if (block.Count > BlockSize || (open.Count > 0 && headFrom < openFrom)) throw new InvalidDataException("a stored head is longer than a head can be");
            block.Decode(times, values);
            Count += block.Count;
            if (block.Count == BlockSize && openFrom == headFrom)
            {
                // The full block of the head stays as it is.
                openFrom += CopyIn(head[start..position]);
                open.Resume(times[BlockSize - 1], values[BlockSize - 1]);
                continue;
            }
            for (var i = 0; i < block.Count; i++) Push(times[i], values[i]);
        }
        Unsaved = false;
    }

    private int CopyIn(ReadOnlySpan<byte> block)
    {
        SampleMemory.Grow(ref data, openFrom, openFrom + block.Length);
        block.CopyTo(data.AsSpan(openFrom));
        return block.Length;
    }

    private AppendOutcome Insert(long time, double value)
    {
        Span<long> times = stackalloc long[HeadCapacity];
        Span<double> values = stackalloc double[HeadCapacity];
        var count = 0;
        if (headFrom < openFrom)
        {
            var position = headFrom;
            var block = SampleBlock.Read(data.AsSpan(0, openFrom), ref position);
            block.Decode(times, values);
            count = block.Count;
        }
        open.Decode(data.AsSpan(openFrom), times[count..], values[count..]);
        count += open.Count;
        var at = SampleBuffer.LowerBound(times[..count], time);
        if (times[at] == time) return SameBits(values[at], value) ? AppendOutcome.Duplicate : AppendOutcome.Conflict;
        times[at..count].CopyTo(times[(at + 1)..]);
        values[at..count].CopyTo(values[(at + 1)..]);
        (times[at], values[at]) = (time, value);
        openFrom = headFrom;
        open.Clear();
        for (var i = 0; i <= count; i++) Push(times[i], values[i]);
        Count++;
        Unsaved = true;
        return AppendOutcome.Stored;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Push(long time, double value)
    {
        open.Append(time, value, ref data, openFrom);
        if (headFrom < openFrom)
        {
            if (open.Count < HeadCapacity - BlockSize) return;
            var position = headFrom;
            SealedThrough = SampleBlock.Read(data.AsSpan(0, openFrom), ref position).Last;
            headFrom = openFrom;
        }
        else if (open.Count == BlockSize)
        {
            openFrom += open.Close(ref data, openFrom);
        }
    }

    private static bool SameBits(double a, double b) => BitConverter.DoubleToInt64Bits(a) == BitConverter.DoubleToInt64Bits(b);
}

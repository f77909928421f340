using System.Buffers;
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
/// The newest samples of one series, compressed as they arrive: sealed blocks that are not in the database yet, and the head, which is a full block or none and an open one. Late
/// samples find their place in the head, which is written anew for each: they are few. Deterministic: the same appends in the same order give the same
/// samples and the same seals, which is what lets a journal restore it. Not safe for several threads, and not to be copied: it lies among its like in a <see cref="SeriesBucket"/>,
/// and its bytes in the memory that each method is given, always the same.
/// </summary>
internal struct SeriesBuffer
{
    /// <summary>Samples in the head when its older part is sealed.</summary>
    public const int HeadCapacity = 160;

    /// <summary>Samples sealed at once; the other 40 stay open to late samples (40 s at one sample a second).</summary>
    public const int BlockSize = 120;

    private CellChain complete;
    private CellChain head;
    private OpenBlock open = new();

    /// <summary>Nothing was ever added.</summary>
    public SeriesBuffer()
    {
    }

    /// <summary>Time of the newest sample; <see cref="long.MinValue"/> where there never was one.</summary>
    public readonly long LastTime => open.Last;

    /// <summary>Value of the newest sample; meaningless where there never was one.</summary>
    public readonly double LastValue => open.LastValue;

    /// <summary>Samples up to this moment are sealed: what is not newer is refused as too old.</summary>
    public long SealedThrough { readonly get; private set; } = long.MinValue;

    /// <summary>Changed since <see cref="MarkSaved"/>.</summary>
    public bool Unsaved { readonly get; private set; } = true;

    // The open block is the end of the head; before it lies a full one or nothing.
    private readonly int OpenFrom => head.Length - open.Bytes;

    /// <summary>Bytes of the blocks that are sealed and not in the database yet.</summary>
    public readonly int SealedBytes => complete.Length;

    /// <summary>The most bytes that <see cref="CopyHead"/> writes.</summary>
    public readonly int MaxHeadBytes => head.Length + SampleBlock.MaxHeaderBytes;

    /// <summary>Adds a sample.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public AppendOutcome Append(CellMemory memory, long time, double value)
    {
        if (time <= open.Last)
        {
            if (time <= SealedThrough) return AppendOutcome.TooOld;
            if (time < open.Last) return Insert(memory, time, value);
            return SameBits(value, open.LastValue) ? AppendOutcome.Duplicate : AppendOutcome.Conflict;
        }
        Push(memory, time, value);
        Unsaved = true;
        return AppendOutcome.Stored;
    }

    /// <summary>
    /// Adds an increase to the newest value (zero where there is none) as a new sample. Only moves forward: an increase for a
    /// moment that is there has been counted.
    /// </summary>
    public AppendOutcome AppendIncrease(CellMemory memory, long time, double increase)
    {
        if (time == LastTime) return AppendOutcome.Duplicate;
        if (time < LastTime) return AppendOutcome.TooOld;
        return Append(memory, time, LastTime == long.MinValue ? increase : LastValue + increase);
    }

    /// <summary>Number of samples here.</summary>
    public readonly int Count(CellMemory memory)
    {
        var blocks = new Blocks(this, memory);
        var count = open.Count;
        for (var position = 0; position < blocks.Closed.Length;) count += SampleBlock.Read(blocks.Closed, ref position).Count;
        blocks.Return();
        return count;
    }

    /// <summary>Adds the samples in [from, to] to <paramref name="target"/>, oldest first.</summary>
    public readonly void Read(CellMemory memory, long from, long to, SampleBuffer target)
    {
        if (from > LastTime) return;
        var blocks = new Blocks(this, memory);
        for (var position = 0; position < blocks.Closed.Length;)
        {
            var block = SampleBlock.Read(blocks.Closed, ref position);
            if (block.Last >= from && block.First <= to) target.Add(block, from, to);
        }
        if (open.Count > 0 && open.First <= to) target.Add(open, blocks.Open, from, to);
        blocks.Return();
    }

    /// <summary>Copies the head, as blocks one after the other; returns the length.</summary>
    public readonly int CopyHead(CellMemory memory, Span<byte> target)
    {
        head.CopyTo(memory, 0, target[..OpenFrom]);
        return OpenFrom + open.CopyTo(target[OpenFrom..], head, memory);
    }

    /// <summary>Copies the blocks that are sealed and not in the database yet, oldest first, one after the other: <see cref="SealedBytes"/>, or as many as fit.</summary>
    public readonly void CopySealed(CellMemory memory, Span<byte> target) => complete.CopyTo(memory, 0, target);

    /// <summary>Takes the present state for saved: what <see cref="CopySealed"/> and <see cref="CopyHead"/> gave is on its way to the database.</summary>
    public void MarkSaved() => Unsaved = false;

    /// <summary>The save did not happen.</summary>
    public void RestoreUnsaved() => Unsaved = true;

    /// <summary>Lets blocks go that are sealed and saved: the oldest, of so many bytes.</summary>
    public void DropSealed(CellMemory memory, int bytes)
    {
        var left = complete.Length - bytes;
        if (bytes == 0) return;
        if (left == 0)
        {
            complete.Clear(memory);
            return;
        }
        var rest = ArrayPool<byte>.Shared.Rent(left);
        complete.CopyTo(memory, bytes, rest.AsSpan(0, left));
        complete.Set(memory, rest.AsSpan(0, left));
        ArrayPool<byte>.Shared.Return(rest);
    }

    /// <summary>Puts a saved head into a buffer that is empty: all at once, or block by block.</summary>
    /// <param name="memory">For its bytes.</param>
    /// <param name="saved">Blocks one after the other, as <see cref="CopyHead"/> gave them.</param>
    /// <param name="sealedThrough">End of the newest block ever sealed.</param>
    public void Restore(CellMemory memory, ReadOnlySpan<byte> saved, long sealedThrough)
    {
        SealedThrough = sealedThrough;
        Span<long> times = stackalloc long[SampleBlock.MaxCount];
        Span<double> values = stackalloc double[SampleBlock.MaxCount];
        var position = 0;
        while (position < saved.Length)
        {
            var start = position;
            var block = SampleBlock.Read(saved, ref position);
            if (block.Count > BlockSize || (open.Count > 0 && OpenFrom > 0)) throw new InvalidDataException("a stored head is longer than a head can be");
            block.Decode(times, values);
            if (block.Count == BlockSize && OpenFrom == 0)
            {
                // The full block of the head stays as it is.
                head.Append(memory, saved[start..position]);
                open.Resume(times[BlockSize - 1], values[BlockSize - 1]);
                continue;
            }
            for (var i = 0; i < block.Count; i++) Push(memory, times[i], values[i]);
        }
        Unsaved = false;
    }

    /// <summary>Forgets all.</summary>
    public void Clear(CellMemory memory)
    {
        complete.Clear(memory);
        head.Clear(memory);
        this = new SeriesBuffer();
    }

    /// <summary>Moves to other memory. What it leaves is not given back.</summary>
    public void Move(CellMemory from, CellMemory to)
    {
        complete.Move(from, to);
        head.Move(from, to);
    }

    private AppendOutcome Insert(CellMemory memory, long time, double value)
    {
        Span<long> times = stackalloc long[HeadCapacity];
        Span<double> values = stackalloc double[HeadCapacity];
        Span<byte> data = stackalloc byte[OpenBlock.MaxChainBytes];
        head.CopyTo(memory, 0, data[..head.Length]);
        var count = 0;
        if (OpenFrom > 0)
        {
            var position = 0;
            var block = SampleBlock.Read(data[..OpenFrom], ref position);
            block.Decode(times, values);
            count = block.Count;
        }
        open.Decode(data[OpenFrom..], times[count..], values[count..]);
        count += open.Count;
        var at = SampleBuffer.LowerBound(times[..count], time);
        if (times[at] == time) return SameBits(values[at], value) ? AppendOutcome.Duplicate : AppendOutcome.Conflict;
        times[at..count].CopyTo(times[(at + 1)..]);
        values[at..count].CopyTo(values[(at + 1)..]);
        (times[at], values[at]) = (time, value);
        head.Clear(memory);
        open.Clear();
        for (var i = 0; i <= count; i++) Push(memory, times[i], values[i]);
        Unsaved = true;
        return AppendOutcome.Stored;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Push(CellMemory memory, long time, double value)
    {
        open.Append(time, value, ref head, memory);
        if (OpenFrom > 0)
        {
            if (open.Count == HeadCapacity - BlockSize) Seal(memory);
        }
        else if (open.Count == BlockSize)
        {
            open.Close(ref head, memory);
        }
    }

    private void Seal(CellMemory memory)
    {
        Span<byte> data = stackalloc byte[OpenBlock.MaxChainBytes];
        data = data[..head.Length];
        head.CopyTo(memory, 0, data);
        var position = 0;
        SealedThrough = SampleBlock.Read(data, ref position).Last;
        complete.Append(memory, data[..OpenFrom]);
        head.Set(memory, data[OpenFrom..]);
    }

    private static bool SameBits(double a, double b) => BitConverter.DoubleToInt64Bits(a) == BitConverter.DoubleToInt64Bits(b);

    /// <summary>All bytes of a buffer, one after the other.</summary>
    private readonly ref struct Blocks
    {
        private readonly byte[] rented;

        public Blocks(in SeriesBuffer buffer, CellMemory memory)
        {
            var before = buffer.complete.Length;
            rented = ArrayPool<byte>.Shared.Rent(before + buffer.head.Length);
            buffer.complete.CopyTo(memory, 0, rented.AsSpan(0, before));
            buffer.head.CopyTo(memory, 0, rented.AsSpan(before, buffer.head.Length));
            Closed = rented.AsSpan(0, before + buffer.OpenFrom);
            Open = rented.AsSpan(before + buffer.OpenFrom, buffer.head.Length - buffer.OpenFrom);
        }

        /// <summary>Blocks, oldest first.</summary>
        public ReadOnlySpan<byte> Closed { get; }

        /// <summary>The bits of the open block.</summary>
        public ReadOnlySpan<byte> Open { get; }

        public void Return() => ArrayPool<byte>.Shared.Return(rented);
    }
}

using System.Runtime.CompilerServices;

namespace Vigil.Metrics.Series;

/// <summary>
/// A block that samples are added to at its end, and the state of its coders. The bits are the end of a chain that its owner has. It begins in the smallest shape, one value at regular
/// steps, which takes no bits at all, and is written anew in a wider one when a sample does not fit: that happens a few times at a block's start.
/// </summary>
/// <remarks>Here and in the coders some methods are compiled well at once, since a service that starts replays millions of samples within its first second.</remarks>
internal struct OpenBlock
{
    // Longer ones are not taken for regular, so that nothing here overflows.
    private const long MaxStep = 1L << 40;

    // Time and value at their longest, and the room that the sink wants.
    private const int MaxSampleBytes = 40;

    /// <summary>The most bytes of a chain: a full block, and one with as many samples.</summary>
    public const int MaxChainBytes = (2 * SampleBlock.MaxHeaderBytes) + (2 * SeriesBuffer.BlockSize * 24) + 16;

    // Until then a value that does not fit changes the shape.
    private const int Settled = 8;

    private RiceModel times;
    private ValueCoder values;
    private int bits;
    private byte count;
    private byte escapes;
    private BlockShape shape;

    /// <summary>Nothing was ever added.</summary>
    public OpenBlock() => Last = long.MinValue;

    /// <summary>Number of samples.</summary>
    public readonly int Count => count;

    /// <summary>Time of the oldest sample.</summary>
    public long First { readonly get; private set; }

    /// <summary>Time of the newest sample, also of those before <see cref="Clear"/>; <see cref="long.MinValue"/> where there never was one.</summary>
    public long Last { readonly get; private set; }

    /// <summary>Value of the newest sample, also of those before <see cref="Clear"/>.</summary>
    public double LastValue { readonly get; private set; }

    /// <summary>Bytes of memory in use.</summary>
    public readonly int Bytes => (bits + 7) >> 3;

    /// <summary>Starts again, behind what there was.</summary>
    public void Clear() => this = new OpenBlock { Last = Last, LastValue = LastValue };

    /// <summary>Goes on, empty, behind this sample.</summary>
    public void Resume(long time, double value) => this = new OpenBlock { Last = time, LastValue = value };

    /// <summary>Adds a sample that is newer than all others.</summary>
    /// <param name="time">Milliseconds since 1970.</param>
    /// <param name="value">Its value.</param>
    /// <param name="chain">Ends with the block's bits.</param>
    /// <param name="memory">Where the chain is.</param>
    public void Append(long time, double value, ref CellChain chain, CellMemory memory)
    {
        if (!TryWrite(time, value, force: false, ref chain, memory)) Reshape(time, value, ref chain, memory);
    }

    /// <summary>Unpacks all samples to the front of the two spans.</summary>
    /// <param name="data">The block's bits.</param>
    /// <param name="times">Must hold <see cref="Count"/>.</param>
    /// <param name="values">Must hold <see cref="Count"/>.</param>
    public readonly void Decode(ReadOnlySpan<byte> data, Span<long> times, Span<double> values)
    {
        if (count > 0) SampleBlock.Decode(shape, count, First, Last, LastValue, data[..Bytes], times, values);
    }

    /// <summary>Makes it a <see cref="SampleBlock"/> in place and starts again.</summary>
    public void Close(ref CellChain chain, CellMemory memory)
    {
        Span<byte> all = stackalloc byte[MaxChainBytes];
        var before = chain.Length - Bytes;
        chain.CopyTo(memory, 0, all[..before]);
        var length = WriteHeader(all[before..]);
        chain.CopyTo(memory, before, all.Slice(before + length, Bytes));
        chain.Set(memory, all[..(before + length + Bytes)]);
        Clear();
    }

    /// <summary>Copies it as a <see cref="SampleBlock"/>; returns its length.</summary>
    /// <param name="target">Must hold <see cref="Bytes"/> and a header.</param>
    /// <param name="chain">Ends with the block's bits.</param>
    /// <param name="memory">Where the chain is.</param>
    public readonly int CopyTo(Span<byte> target, in CellChain chain, CellMemory memory)
    {
        if (count == 0) return 0;
        var length = WriteHeader(target);
        chain.CopyTo(memory, chain.Length - Bytes, target.Slice(length, Bytes));
        return length + Bytes;
    }

    private readonly int WriteHeader(Span<byte> target)
    {
        var final = shape;
        if (shape.IsSame && DecimalScale.Decimals(LastValue, 0) is >= 0 and var decimals) final = new BlockShape(shape.Irregular, ValueCoding.SameDecimal, decimals);
        return SampleBlock.WriteHeader(target, final, count, First, Last, LastValue, Bytes);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool TryWrite(long time, double value, bool force, ref CellChain chain, CellMemory memory)
    {
        if (!TimeFits(time)) return false;
        long? scaled = null;
        if (shape.Values == ValueCoding.Same)
        {
            if (count > 0 && !SameBits(value, LastValue)) return false;
        }
        else if (shape.Values == ValueCoding.Decimal)
        {
            if (DecimalScale.TryScale(value, shape.Decimals, out var number)) scaled = number;
            else if (force || MayEscape) escapes++;
            else return false;
        }
        if (shape.HasBody) WriteBits(time, scaled, value, ref chain, memory);
        if (count == 0) First = time;
        (Last, LastValue) = (time, value);
        count++;
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void WriteBits(long time, long? scaled, double value, ref CellChain chain, CellMemory memory)
    {
        Span<byte> sample = stackalloc byte[MaxSampleBytes];
        var used = bits & 7;
        if (used > 0) sample[0] = chain.LastByte(memory);
        var sink = new BitSink(sample, used);
        if (shape.Irregular && count > 0) times.Write(ref sink, Last, time, count);
        if (shape.Values == ValueCoding.Decimal) values.WriteDecimal(ref sink, scaled, value, count);
        else if (shape.Values == ValueCoding.Xor) values.WriteXor(ref sink, value, count);
        sample = sample[..((sink.Position + 7) >> 3)];
        if (used > 0)
        {
            chain.SetLastByte(memory, sample[0]);
            sample = sample[1..];
        }
        chain.Append(memory, sample);
        bits += sink.Position - used;
    }

    private void Reshape(long time, double value, ref CellChain chain, CellMemory memory)
    {
        Span<long> allTimes = stackalloc long[count + 1];
        Span<double> allValues = stackalloc double[count + 1];
        Span<byte> all = stackalloc byte[MaxChainBytes];
        var before = all[..(chain.Length - Bytes)];
        chain.CopyTo(memory, 0, all[..chain.Length]);
        Decode(all[before.Length..], allTimes, allValues);
        allTimes[^1] = time;
        allValues[^1] = value;
        var next = WiderFor(time, value);
        Fill(next, allTimes, allValues, before, ref chain, memory);
        if (escapes * 4 > count) Fill(new BlockShape(next.Irregular, ValueCoding.Xor), allTimes, allValues, before, ref chain, memory);
    }

    private void Fill(BlockShape filled, ReadOnlySpan<long> allTimes, ReadOnlySpan<double> allValues, ReadOnlySpan<byte> before, ref CellChain chain, CellMemory memory)
    {
        Clear();
        chain.Set(memory, before);
        shape = filled;
        for (var i = 0; i < allTimes.Length; i++) TryWrite(allTimes[i], allValues[i], force: true, ref chain, memory);
    }

    private readonly BlockShape WiderFor(long time, double value)
    {
        var irregular = shape.Irregular || !TimeFits(time);
        switch (shape.Values)
        {
            case ValueCoding.Same when !SameBits(value, LastValue):
                var before = DecimalsOf(LastValue, 0);
                var decimals = before < 0 ? before : DecimalsOf(value, before);
                return decimals < 0 ? new BlockShape(irregular, ValueCoding.Xor) : new BlockShape(irregular, ValueCoding.Decimal, decimals);
            case ValueCoding.Decimal when !DecimalScale.TryScale(value, shape.Decimals, out _) && !MayEscape:
                var more = DecimalsOf(value, shape.Decimals);
                return more < 0 ? new BlockShape(irregular, ValueCoding.Xor) : new BlockShape(irregular, ValueCoding.Decimal, more);
            default:
                return new BlockShape(irregular, shape.Values, shape.Decimals);
        }
    }

    // What is no number at all, as the mark of a series that ended, stands as a double among the others.
    private static int DecimalsOf(double value, int from) => value == 0 || !double.IsFinite(value) ? from : DecimalScale.Decimals(value, from);

    private readonly bool MayEscape => count >= Settled && (escapes + 1) * 8 <= count;

    private readonly bool TimeFits(long time)
    {
        if (shape.Irregular || count == 0) return true;
        var step = unchecked(time - Last);
        return step is > 0 and <= MaxStep && (count == 1 || step * (count - 1) == Last - First);
    }

    private static bool SameBits(double a, double b) => BitConverter.DoubleToInt64Bits(a) == BitConverter.DoubleToInt64Bits(b);
}

using System.Runtime.CompilerServices;

namespace Vigil.Metrics.Series;

/// <summary>
/// Samples of one series, compressed and never changed again. The bytes: shape, count, time of the first sample, time from there to the last, then the value where
/// all are the same, then, where there is something for each sample, its length and the bits.
/// </summary>
internal readonly ref struct SampleBlock
{
    /// <summary>The most samples in one.</summary>
    public const int MaxCount = 255;

    /// <summary>The most bytes before the bits.</summary>
    public const int MaxHeaderBytes = 1 + 2 + (2 * Varint.MaxBytes) + Varint.MaxBytes + 3;

    /// <summary>How it is stored.</summary>
    public BlockShape Shape { get; private init; }

    /// <summary>Number of samples, at least 1.</summary>
    public int Count { get; private init; }

    /// <summary>Time of the oldest sample, milliseconds since 1970.</summary>
    public long First { get; private init; }

    /// <summary>Time of the newest sample.</summary>
    public long Last { get; private init; }

    /// <summary>The value, where all are the same.</summary>
    public double Same { get; private init; }

    /// <summary>The bits; those of times and values alternate where the block is irregular.</summary>
    public ReadOnlySpan<byte> Body { get; private init; }

    /// <summary>Reads the block at <paramref name="position"/>, which is moved behind it.</summary>
    /// <exception cref="InvalidDataException">There is none.</exception>
    public static SampleBlock Read(ReadOnlySpan<byte> data, scoped ref int position)
    {
        var shape = ReadShape(data, ref position);
        var count = Varint.ReadCount(data, ref position, MaxCount);
        if (count == 0) throw new InvalidDataException("a compressed block is empty");
        var first = Varint.ReadSigned(data, ref position);
        var last = unchecked(first + (long)Varint.Read(data, ref position));
        if (last < first || (count == 1 && last != first)) throw new InvalidDataException("a compressed block ends before it begins");
        var same = ReadSame(shape, data, ref position);
        return new SampleBlock { Shape = shape, Count = count, First = first, Last = last, Same = same, Body = shape.HasBody ? ReadBody(data, ref position) : default };
    }

    /// <summary>Writes what stands before the bits; returns its length.</summary>
    public static int WriteHeader(Span<byte> target, BlockShape shape, int count, long first, long last, double same, int bodyLength)
    {
        target[0] = shape.Flags;
        var position = Varint.Write(target, 1, (ulong)count);
        position = Varint.WriteSigned(target, position, first);
        position = Varint.Write(target, position, unchecked((ulong)(last - first)));
        position = WriteSame(target, position, shape, same);
        return shape.HasBody ? Varint.Write(target, position, (ulong)bodyLength) : position;
    }

    /// <summary>Compresses samples whose times rise strictly, in blocks one after the other.</summary>
    public static byte[] Encode(ReadOnlySpan<long> times, ReadOnlySpan<double> values)
    {
        var (open, chain, memory, blocks) = (new OpenBlock(), new CellChain(), new CellMemory(), new List<byte>());
        Span<byte> block = stackalloc byte[OpenBlock.MaxChainBytes];
        for (var i = 0; i < times.Length; i++)
        {
            open.Append(times[i], values[i], ref chain, memory);
            if (open.Count < SeriesBuffer.BlockSize && i < times.Length - 1) continue;
            blocks.AddRange(block[..open.CopyTo(block, chain, memory)]);
            open.Clear();
            chain.Clear(memory);
        }
        return [.. blocks];
    }

    /// <summary>Unpacks all samples to the front of the two spans, which must hold <see cref="Count"/>.</summary>
    /// <exception cref="InvalidDataException">The data is cut short or was never such a block.</exception>
    public void Decode(Span<long> times, Span<double> values) => Decode(Shape, Count, First, Last, Same, Body, times, values);

    /// <summary>As <see cref="Decode(Span{long}, Span{double})"/> for a block that lies in parts.</summary>
    public static void Decode(BlockShape shape, int count, long first, long last, double same, ReadOnlySpan<byte> body, Span<long> times, Span<double> values)
    {
        var bits = new BitSource(body);
        if (!shape.Irregular)
        {
            FillTimes(first, last, times[..count]);
            DecodeValues(shape, same, ref bits, values[..count]);
            return;
        }
        var (timeModel, coder) = (new RiceModel(), new ValueCoder());
        var time = first;
        for (var i = 0; i < count; i++)
        {
            if (i > 0) time = ReadTime(ref timeModel, ref bits, time, i);
            times[i] = time;
            values[i] = shape.Values switch
            {
                ValueCoding.Decimal => coder.ReadDecimal(ref bits, shape.Decimals, i),
                ValueCoding.Xor => coder.ReadXor(ref bits, i),
                _ => same,
            };
        }
        if (time != last) throw WrongEnd();
    }

    /// <summary>Times of the same step from <paramref name="first"/> to <paramref name="last"/>.</summary>
    public static void FillTimes(long first, long last, Span<long> times)
    {
        var step = times.Length > 1 ? (last - first) / (times.Length - 1) : 0;
        if (times.Length > 1 && (step <= 0 || step * (times.Length - 1) != last - first)) throw WrongEnd();
        for (var i = 0; i < times.Length; i++) times[i] = first + i * step;
    }

    /// <summary>Values without times in between.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void DecodeValues(BlockShape shape, double same, ref BitSource bits, Span<double> values)
    {
        var coder = new ValueCoder();
        switch (shape.Values)
        {
            case ValueCoding.Decimal:
                coder.ReadDecimals(ref bits, shape.Decimals, values);
                break;
            case ValueCoding.Xor:
                for (var i = 0; i < values.Length; i++) values[i] = coder.ReadXor(ref bits, i);
                break;
            default:
                values.Fill(same);
                break;
        }
    }

    /// <summary>A shape that means something.</summary>
    public static BlockShape ReadShape(ReadOnlySpan<byte> data, ref int position)
    {
        if ((uint)position >= (uint)data.Length) throw new InvalidDataException("stored data ends before a block");
        var shape = new BlockShape(data[position++]);
        return shape.IsValid ? shape : throw new InvalidDataException($"a compressed block has the unknown shape {shape.Flags}");
    }

    /// <summary>The value of a block whose values are all the same; 0 for others.</summary>
    public static double ReadSame(BlockShape shape, ReadOnlySpan<byte> data, ref int position)
    {
        if (shape.Values == ValueCoding.SameDecimal) return DecimalScale.ToValue(Varint.ReadSigned(data, ref position), shape.Decimals);
        if (shape.Values != ValueCoding.Same) return 0;
        if (data.Length - position < sizeof(double)) throw new InvalidDataException("a compressed block ends before its value");
        position += sizeof(double);
        return System.Buffers.Binary.BinaryPrimitives.ReadDoubleLittleEndian(data[(position - sizeof(double))..]);
    }

    /// <summary>Writes what <see cref="ReadSame"/> reads; returns the position after it.</summary>
    public static int WriteSame(Span<byte> target, int position, BlockShape shape, double same)
    {
        if (shape.Values == ValueCoding.SameDecimal)
        {
            DecimalScale.TryScale(same, shape.Decimals, out var scaled);
            return Varint.WriteSigned(target, position, scaled);
        }
        if (shape.Values != ValueCoding.Same) return position;
        System.Buffers.Binary.BinaryPrimitives.WriteDoubleLittleEndian(target[position..], same);
        return position + sizeof(double);
    }

    /// <summary>Bits with their length before them.</summary>
    public static ReadOnlySpan<byte> ReadBody(ReadOnlySpan<byte> data, scoped ref int position)
    {
        var length = Varint.ReadCount(data, ref position, int.MaxValue);
        if (length > data.Length - position) throw new InvalidDataException("a compressed block is cut short");
        position += length;
        return data.Slice(position - length, length);
    }

    /// <summary>The time after <paramref name="time"/>.</summary>
    public static long ReadTime(ref RiceModel model, ref BitSource bits, long time, int seen) =>
        model.TryRead(ref bits, time, seen, out var next) && next > time ? next : throw new InvalidDataException("a compressed block's times do not rise");

    /// <summary>Its samples do not end where it says.</summary>
    public static InvalidDataException WrongEnd() => new("a compressed block does not hold the times it names");
}

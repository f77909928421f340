using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Vigil.Metrics.Series;

/// <summary>Codes the values of a block one after the other; writing and reading go through the same states.</summary>
/// <remarks>A block uses either the model or the two bytes that lie over it: there is one of these for each series.</remarks>
[StructLayout(LayoutKind.Explicit, Size = 24)]
internal struct ValueCoder
{
    // The whole number before, or the bits of the value before.
    [FieldOffset(0)] private long previous;
    [FieldOffset(8)] private RiceModel model;

    // Of the XOR before; 255 leading ones where there is no window to use again yet.
    [FieldOffset(8)] private byte leading;
    [FieldOffset(9)] private byte trailing;

    /// <summary>Writes the next value of a block of <see cref="ValueCoding.Decimal"/>.</summary>
    /// <param name="bits">Where to.</param>
    /// <param name="scaled">The whole number, or null where the value is none.</param>
    /// <param name="value">The value.</param>
    /// <param name="seen">Values before.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void WriteDecimal(ref BitSink bits, long? scaled, double value, int seen)
    {
        if (scaled is { } number)
        {
            if (seen == 0)
            {
                bits.Put(0, 1);
                RiceModel.WriteLong(ref bits, Varint.ZigZag(number));
            }
            else
            {
                model.Write(ref bits, previous, number, seen);
            }
            previous = number;
            return;
        }
        if (seen == 0) bits.Put(1, 1);
        else RiceModel.WriteEscape(ref bits);
        bits.Put(BitConverter.DoubleToUInt64Bits(value), 64);
    }

    /// <summary>Reads what <see cref="WriteDecimal"/> wrote.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public double ReadDecimal(ref BitSource bits, int decimals, int seen)
    {
        if (seen == 0)
        {
            if (bits.Take(1) != 0) return BitConverter.UInt64BitsToDouble(bits.Take(64));
            previous = Varint.UnZigZag(RiceModel.ReadLong(ref bits));
        }
        else
        {
            if (!model.TryRead(ref bits, previous, seen, out var number)) return BitConverter.UInt64BitsToDouble(bits.Take(64));
            previous = number;
        }
        return DecimalScale.ToValue(previous, decimals);
    }

    /// <summary>Reads all values of a block: what <see cref="ReadDecimal"/> reads one by one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void ReadDecimals(ref BitSource bits, int decimals, Span<double> values)
    {
        // Whole numbers first, in the place of the values: both have eight bytes.
        var numbers = MemoryMarshal.Cast<double, long>(values);
        var done = 0;
        while (done < values.Length)
        {
            if (done >= RiceModel.Settled)
            {
                var usual = model.ReadUsual(ref bits, ref previous, numbers[done..]);
                DecimalScale.ToValues(numbers.Slice(done, usual), decimals, values.Slice(done, usual));
                done += usual;
                if (done == values.Length) return;
            }
            values[done] = ReadDecimal(ref bits, decimals, done);
            done++;
        }
    }

    /// <summary>Writes the next value of a block of <see cref="ValueCoding.Xor"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void WriteXor(ref BitSink bits, double value, int seen)
    {
        var number = BitConverter.DoubleToUInt64Bits(value);
        var xor = number ^ (ulong)previous;
        previous = (long)number;
        if (seen == 0)
        {
            bits.Put(number, 64);
            leading = 255;
            return;
        }
        if (xor == 0)
        {
            bits.Put(0, 1);
            return;
        }
        // Five bits hold at most 31.
        var newLeading = Math.Min(BitOperations.LeadingZeroCount(xor), 31);
        var newTrailing = BitOperations.TrailingZeroCount(xor);
        if (leading != 255 && newLeading >= leading && newTrailing >= trailing)
        {
            bits.Put(0b10, 2);
            bits.Put(xor >> trailing, 64 - leading - trailing);
            return;
        }
        (leading, trailing) = ((byte)newLeading, (byte)newTrailing);
        var significant = 64 - leading - trailing;
        // 64 does not fit six bits and zero never occurs: 64 is written as 0.
        bits.Put((0b11UL << 11) | ((ulong)leading << 6) | ((ulong)significant & 63), 13);
        bits.Put(xor >> trailing, significant);
    }

    /// <summary>Reads what <see cref="WriteXor"/> wrote.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public double ReadXor(ref BitSource bits, int seen)
    {
        if (seen == 0)
        {
            previous = (long)bits.Take(64);
        }
        else if (bits.Take(1) != 0)
        {
            if (bits.Take(1) != 0)
            {
                leading = (byte)bits.Take(5);
                var width = (int)bits.Take(6);
                var gap = 64 - leading - (width == 0 ? 64 : width);
                if (gap < 0) throw new InvalidDataException("a compressed block holds an impossible bit width");
                trailing = (byte)gap;
            }
            previous ^= (long)(bits.Take(64 - leading - trailing) << trailing);
        }
        return BitConverter.Int64BitsToDouble(previous);
    }
}

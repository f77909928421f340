using System.Numerics;

namespace Vigil.Metrics.Series;

/// <summary>
/// Samples of one series, compressed and never changed again: times as delta of deltas, values as XOR with the one before
/// (Pelkonen et al., "Gorilla", VLDB 2015), with Prometheus' bit widths for times in milliseconds. Regular times and constant
/// values cost two bits a sample.
/// </summary>
/// <param name="Data">The bits.</param>
/// <param name="Count">Number of samples; none in <c>default</c>, and one at least in any other.</param>
/// <param name="First">Time of the oldest sample, milliseconds since 1970.</param>
/// <param name="Last">Time of the newest sample.</param>
internal readonly record struct SampleBlock(ReadOnlyMemory<byte> Data, int Count, long First, long Last)
{
    /// <summary>Compresses samples whose times rise strictly.</summary>
    /// <param name="times">Milliseconds since 1970.</param>
    /// <param name="values">One per time.</param>
    /// <param name="pool">Where the block's memory is from.</param>
    public static SampleBlock Encode(ReadOnlySpan<long> times, ReadOnlySpan<double> values, BlockPool pool)
    {
        ArgumentOutOfRangeException.ThrowIfZero(times.Length);
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length, times.Length);
        var bits = new BitWriter(16 + times.Length * 4);
        try
        {
            bits.Bits((ulong)times[0], 64);
            var previousValue = BitConverter.DoubleToUInt64Bits(values[0]);
            bits.Bits(previousValue, 64);
            long delta = 0;
            // 255 significant bits: no window to reuse yet.
            int leading = 255, trailing = 0;
            for (var i = 1; i < times.Length; i++)
            {
                // Unchecked on purpose: differences wrap for times at both ends of the range, and wrap back on reading.
                var newDelta = unchecked(times[i] - times[i - 1]);
                WriteTime(ref bits, unchecked(newDelta - delta));
                delta = newDelta;
                var value = BitConverter.DoubleToUInt64Bits(values[i]);
                WriteValue(ref bits, value ^ previousValue, ref leading, ref trailing);
                previousValue = value;
            }
            var written = bits.Finish();
            var data = pool.Rent(written.Length);
            written.CopyTo(data.Span);
            return new SampleBlock(data, times.Length, times[0], times[^1]);
        }
        finally
        {
            bits.Dispose();
        }
    }

    /// <summary>Unpacks all samples to the front of the two spans, which must hold <see cref="Count"/>.</summary>
    /// <exception cref="InvalidDataException">The data is cut short or was never such a block.</exception>
    public void Decode(Span<long> times, Span<double> values)
    {
        var bits = new BitReader(Data.Span);
        var time = (long)bits.Bits(64);
        var value = bits.Bits(64);
        times[0] = time;
        values[0] = BitConverter.UInt64BitsToDouble(value);
        long delta = 0;
        int leading = 0, significant = 64;
        for (var i = 1; i < Count; i++)
        {
            delta = unchecked(delta + ReadTime(ref bits));
            time = unchecked(time + delta);
            if (bits.Bit())
            {
                if (bits.Bit())
                {
                    leading = (int)bits.Bits(5);
                    significant = (int)bits.Bits(6);
                    if (significant == 0) significant = 64;
                }
                var shift = 64 - leading - significant;
                if (shift < 0) throw new InvalidDataException("a compressed block holds an impossible bit width");
                value ^= bits.Bits(significant) << shift;
            }
            times[i] = time;
            values[i] = BitConverter.UInt64BitsToDouble(value);
        }
        if (times[Count - 1] != Last || times[0] != First) throw new InvalidDataException("a compressed block does not hold the times it names");
    }

    private static void WriteTime(ref BitWriter bits, long deltaOfDelta)
    {
        switch (deltaOfDelta)
        {
            case 0:
                bits.Bit(false);
                break;
            case >= -(1 << 13) and < 1 << 13:
                bits.Bits(0b10, 2);
                bits.Bits((ulong)deltaOfDelta, 14);
                break;
            case >= -(1 << 16) and < 1 << 16:
                bits.Bits(0b110, 3);
                bits.Bits((ulong)deltaOfDelta, 17);
                break;
            case >= -(1 << 19) and < 1 << 19:
                bits.Bits(0b1110, 4);
                bits.Bits((ulong)deltaOfDelta, 20);
                break;
            default:
                bits.Bits(0b1111, 4);
                bits.Bits((ulong)deltaOfDelta, 64);
                break;
        }
    }

    private static long ReadTime(ref BitReader bits)
    {
        if (!bits.Bit()) return 0;
        if (!bits.Bit()) return Signed(bits.Bits(14), 14);
        if (!bits.Bit()) return Signed(bits.Bits(17), 17);
        return bits.Bit() ? (long)bits.Bits(64) : Signed(bits.Bits(20), 20);
    }

    private static long Signed(ulong value, int width) => (long)(value << (64 - width)) >> (64 - width);

    private static void WriteValue(ref BitWriter bits, ulong xor, ref int leading, ref int trailing)
    {
        if (xor == 0)
        {
            bits.Bit(false);
            return;
        }
        bits.Bit(true);
        // Five bits hold at most 31.
        var newLeading = Math.Min(BitOperations.LeadingZeroCount(xor), 31);
        var newTrailing = BitOperations.TrailingZeroCount(xor);
        if (leading != 255 && newLeading >= leading && newTrailing >= trailing)
        {
            bits.Bit(false);
            bits.Bits(xor >> trailing, 64 - leading - trailing);
            return;
        }
        leading = newLeading;
        trailing = newTrailing;
        var significant = 64 - leading - trailing;
        bits.Bit(true);
        bits.Bits((ulong)leading, 5);
        // 64 does not fit six bits and zero never occurs: 64 is written as 0.
        bits.Bits((ulong)significant & 63, 6);
        bits.Bits(xor >> trailing, significant);
    }
}

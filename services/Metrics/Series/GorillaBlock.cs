namespace Vigil.Metrics.Series;

/// <summary>
/// How schema version 1 stored the samples of one series: times as delta of deltas, values as XOR with the one before
/// (Pelkonen et al., "Gorilla", VLDB 2015), with Prometheus' bit widths for times in milliseconds. Only read, to be converted.
/// </summary>
/// <param name="Data">The bits.</param>
/// <param name="Count">Number of samples; none in <c>default</c>, and one at least in any other.</param>
/// <param name="First">Time of the oldest sample, milliseconds since 1970.</param>
/// <param name="Last">Time of the newest sample.</param>
internal readonly record struct GorillaBlock(ReadOnlyMemory<byte> Data, int Count, long First, long Last)
{
    /// <summary>Unpacks all samples to the front of the two spans, which must hold <see cref="Count"/>.</summary>
    /// <exception cref="InvalidDataException">The data is cut short or was never such a block.</exception>
    public void Decode(Span<long> times, Span<double> values)
    {
        var bits = new BitSource(Data.Span);
        var time = (long)bits.Take(64);
        var value = bits.Take(64);
        times[0] = time;
        values[0] = BitConverter.UInt64BitsToDouble(value);
        long delta = 0;
        int leading = 0, significant = 64;
        for (var i = 1; i < Count; i++)
        {
            delta = unchecked(delta + ReadTime(ref bits));
            time = unchecked(time + delta);
            if (bits.Take(1) != 0)
            {
                if (bits.Take(1) != 0)
                {
                    leading = (int)bits.Take(5);
                    significant = (int)bits.Take(6);
                    if (significant == 0) significant = 64;
                }
                var shift = 64 - leading - significant;
                if (shift < 0) throw new InvalidDataException("a compressed block holds an impossible bit width");
                value ^= bits.Take(significant) << shift;
            }
            times[i] = time;
            values[i] = BitConverter.UInt64BitsToDouble(value);
        }
        if (times[Count - 1] != Last || times[0] != First) throw new InvalidDataException("a compressed block does not hold the times it names");
    }

    private static long ReadTime(ref BitSource bits)
    {
        if (bits.Take(1) == 0) return 0;
        if (bits.Take(1) == 0) return Signed(bits.Take(14), 14);
        if (bits.Take(1) == 0) return Signed(bits.Take(17), 17);
        return bits.Take(1) != 0 ? (long)bits.Take(64) : Signed(bits.Take(20), 20);
    }

    private static long Signed(ulong value, int width) => (long)(value << (64 - width)) >> (64 - width);
}

namespace Vigil.Metrics.Series;

/// <summary>The bits of samples that are all there already: what <see cref="OpenBlock"/> writes one by one.</summary>
internal static class BlockBits
{
    /// <summary>Enough for any block.</summary>
    public const int MaxBytes = (SampleBlock.MaxCount * 24) + 16;

    /// <summary>Writes times, or values, or for each sample both; returns how many bytes.</summary>
    /// <param name="shape">How; one that fits the values.</param>
    /// <param name="times">Empty where they are stored elsewhere.</param>
    /// <param name="values">Empty where they are stored elsewhere.</param>
    /// <param name="target">At least <see cref="MaxBytes"/>.</param>
    public static int Write(BlockShape shape, ReadOnlySpan<long> times, ReadOnlySpan<double> values, Span<byte> target)
    {
        var bits = new BitSink(target, 0);
        var (model, coder) = (new RiceModel(), new ValueCoder());
        for (var i = 0; i < Math.Max(times.Length, values.Length); i++)
        {
            if (i > 0 && !times.IsEmpty) model.Write(ref bits, times[i - 1], times[i], i);
            if (values.IsEmpty) continue;
            if (shape.Values == ValueCoding.Decimal)
                coder.WriteDecimal(ref bits, DecimalScale.TryScale(values[i], shape.Decimals, out var scaled) ? scaled : null, values[i], i);
            else if (shape.Values == ValueCoding.Xor)
                coder.WriteXor(ref bits, values[i], i);
        }
        return (bits.Position + 7) >> 3;
    }
}

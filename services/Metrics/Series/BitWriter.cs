using System.Buffers;

namespace Vigil.Metrics.Series;

/// <summary>Writes bit by bit, most significant first, into a rented array that <see cref="Dispose"/> gives back.</summary>
internal ref struct BitWriter(int capacity)
{
    private byte[] buffer = ArrayPool<byte>.Shared.Rent(Math.Max(capacity, 16));
    private int length;
    private int freeBits;

    public void Bit(bool one) => Bits(one ? 1UL : 0UL, 1);

    /// <summary>Writes the lowest <paramref name="count"/> bits (1 to 64) of <paramref name="value"/>.</summary>
    public void Bits(ulong value, int count)
    {
        while (count > 0)
        {
            if (freeBits == 0)
            {
                if (length == buffer.Length) Grow();
                buffer[length++] = 0;
                freeBits = 8;
            }
            var take = Math.Min(count, freeBits);
            var part = (byte)((value >> (count - take)) & ((1UL << take) - 1));
            buffer[length - 1] |= (byte)(part << (freeBits - take));
            freeBits -= take;
            count -= take;
        }
    }

    public readonly byte[] ToArray() => buffer.AsSpan(0, length).ToArray();

    public readonly void Dispose() => ArrayPool<byte>.Shared.Return(buffer);

    private void Grow()
    {
        var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
        buffer.AsSpan(0, length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }
}

/// <summary>Reads what <see cref="BitWriter"/> wrote.</summary>
internal ref struct BitReader(ReadOnlySpan<byte> data)
{
    private readonly ReadOnlySpan<byte> data = data;
    private int position;
    private int usedBits;

    public bool Bit() => Bits(1) != 0;

    /// <summary>Reads 1 to 64 bits.</summary>
    /// <exception cref="InvalidDataException">The data ends before.</exception>
    public ulong Bits(int count)
    {
        ulong value = 0;
        while (count > 0)
        {
            if (position >= data.Length) throw new InvalidDataException("a compressed block ends in the middle of a sample");
            var take = Math.Min(count, 8 - usedBits);
            var part = (data[position] >> (8 - usedBits - take)) & ((1 << take) - 1);
            value = (value << take) | (uint)part;
            usedBits += take;
            count -= take;
            if (usedBits == 8)
            {
                usedBits = 0;
                position++;
            }
        }
        return value;
    }
}

using System.Buffers;
using System.Buffers.Binary;

namespace Vigil.Metrics.Series;

/// <summary>Writes bit by bit, most significant first, into a rented array that <see cref="Dispose"/> gives back.</summary>
internal ref struct BitWriter(int capacity)
{
    private byte[] buffer = ArrayPool<byte>.Shared.Rent(Math.Max(capacity, 16));
    private int length;

    // Bits that are not in the buffer yet, at the top.
    private ulong pending;
    private int pendingBits;

    public void Bit(bool one) => Bits(one ? 1UL : 0UL, 1);

    /// <summary>Writes the lowest <paramref name="count"/> bits (1 to 64) of <paramref name="value"/>.</summary>
    public void Bits(ulong value, int count)
    {
        value <<= 64 - count;
        pending |= value >> pendingBits;
        pendingBits += count;
        if (pendingBits < 64) return;
        if (length + sizeof(ulong) > buffer.Length) Grow();
        BinaryPrimitives.WriteUInt64BigEndian(buffer.AsSpan(length), pending);
        length += sizeof(ulong);
        pendingBits -= 64;
        // Shifting by 64 would shift by 0.
        pending = pendingBits == 0 ? 0 : value << (count - pendingBits);
    }

    /// <summary>Ends the last byte with zeroes. Nothing can be written after that.</summary>
    /// <returns>All that was written, until <see cref="Dispose"/>.</returns>
    public ReadOnlySpan<byte> Finish()
    {
        var rest = (pendingBits + 7) / 8;
        if (length + sizeof(ulong) > buffer.Length) Grow();
        BinaryPrimitives.WriteUInt64BigEndian(buffer.AsSpan(length), pending);
        length += rest;
        return buffer.AsSpan(0, length);
    }

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

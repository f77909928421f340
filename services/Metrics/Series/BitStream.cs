using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Vigil.Metrics.Series;

/// <summary>Writes bits, most significant first, into memory whose end leaves eight bytes of room.</summary>
/// <param name="target">Where to; what it held beyond the position is overwritten.</param>
/// <param name="position">The bit to begin at.</param>
internal ref struct BitSink(Span<byte> target, int position)
{
    private readonly Span<byte> target = target;

    /// <summary>Bits up to here are written.</summary>
    public int Position { get; private set; } = position;

    /// <summary>Writes the lowest <paramref name="count"/> bits (0 to 64) of <paramref name="value"/>.</summary>
    public void Put(ulong value, int count)
    {
        if (count > 32)
        {
            PutFew(value >> 32, count - 32);
            PutFew(value & 0xffff_ffff, 32);
        }
        else if (count > 0)
        {
            PutFew(value, count);
        }
    }

    private void PutFew(ulong value, int count)
    {
        var window = target[(Position >> 3)..];
        var used = Position & 7;
        // Keeps the bits before, and ends in zeroes.
        var kept = BinaryPrimitives.ReadUInt64BigEndian(window) & ~(ulong.MaxValue >> used);
        BinaryPrimitives.WriteUInt64BigEndian(window, kept | (value << (64 - used - count)));
        Position += count;
    }
}

/// <summary>Reads what <see cref="BitSink"/> wrote.</summary>
internal ref struct BitSource(ReadOnlySpan<byte> data)
{
    private readonly ReadOnlySpan<byte> data = data;
    private int position;

    /// <summary>Reads 0 to 64 bits.</summary>
    /// <exception cref="InvalidDataException">The data ends before.</exception>
    public ulong Take(int count)
    {
        if (count > 32)
        {
            var high = TakeFew(count - 32);
            return (high << 32) | TakeFew(32);
        }
        return count == 0 ? 0 : TakeFew(count);
    }

    /// <summary>Counts ones up to the next zero, which is passed, or up to <paramref name="most"/> of them.</summary>
    public int TakeOnes(int most)
    {
        var ones = Math.Min(BitOperations.LeadingZeroCount(~Peek()), most);
        Skip(ones < most ? ones + 1 : ones);
        return ones;
    }

    /// <summary>The bits from the position on, the first one highest: 57 of them at least, zeroes beyond the end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly ulong Peek()
    {
        var at = position >> 3;
        return at + sizeof(ulong) <= data.Length ? BinaryPrimitives.ReadUInt64BigEndian(data[at..]) << (position & 7) : PeekAtEnd(at);
    }

    /// <summary>Passes over bits that <see cref="Peek"/> gave.</summary>
    /// <exception cref="InvalidDataException">The data ends before.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Skip(int count)
    {
        position += count;
        if (position > data.Length * 8) ThrowEnded();
    }

    private ulong TakeFew(int count)
    {
        var value = Peek() >> (64 - count);
        Skip(count);
        return value;
    }

    private readonly ulong PeekAtEnd(int at)
    {
        ulong window = 0;
        for (var i = 0; i < sizeof(ulong); i++) window = (window << 8) | (at + i < data.Length ? data[at + i] : 0u);
        return window << (position & 7);
    }

    private static void ThrowEnded() => throw new InvalidDataException("a compressed block ends in the middle of a sample");
}

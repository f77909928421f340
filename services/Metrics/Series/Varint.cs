namespace Vigil.Metrics.Series;

/// <summary>Whole numbers in as few bytes as they need: seven bits each, the lowest first, the top bit set where more follow; signed ones in zigzag.</summary>
internal static class Varint
{
    /// <summary>The most bytes that a number takes.</summary>
    public const int MaxBytes = 10;

    public static ulong ZigZag(long value) => (ulong)((value << 1) ^ (value >> 63));

    public static long UnZigZag(ulong value) => (long)(value >> 1) ^ -(long)(value & 1);

    /// <summary>Writes at <paramref name="position"/>; returns the position after it.</summary>
    public static int Write(Span<byte> target, int position, ulong value)
    {
        while (value >= 0x80)
        {
            target[position++] = (byte)(value | 0x80);
            value >>= 7;
        }
        target[position++] = (byte)value;
        return position;
    }

    /// <summary>As <see cref="Write(Span{byte}, int, ulong)"/>, in zigzag.</summary>
    public static int WriteSigned(Span<byte> target, int position, long value) => Write(target, position, ZigZag(value));

    /// <summary>Reads at <paramref name="position"/> and moves it on.</summary>
    /// <exception cref="InvalidDataException">The data ends before the number, or it has more than 64 bits.</exception>
    public static ulong Read(ReadOnlySpan<byte> data, ref int position)
    {
        ulong value = 0;
        for (var shift = 0; shift < 70; shift += 7)
        {
            if ((uint)position >= (uint)data.Length) throw new InvalidDataException("stored data ends in the middle of a number");
            var b = data[position++];
            value |= (ulong)(b & 0x7f) << shift;
            if (b < 0x80) return value;
        }
        throw new InvalidDataException("stored data holds an impossible number");
    }

    /// <summary>As <see cref="Read"/>, from zigzag.</summary>
    public static long ReadSigned(ReadOnlySpan<byte> data, ref int position) => UnZigZag(Read(data, ref position));

    /// <summary>As <see cref="Read"/>, for a count or length.</summary>
    /// <param name="data">Where from.</param>
    /// <param name="position">Is moved on.</param>
    /// <param name="most">The highest number that makes sense there.</param>
    /// <exception cref="InvalidDataException">It is higher.</exception>
    public static int ReadCount(ReadOnlySpan<byte> data, ref int position, int most)
    {
        var value = Read(data, ref position);
        return most >= 0 && value <= (ulong)most ? (int)value : throw new InvalidDataException("stored data names an impossible length");
    }
}

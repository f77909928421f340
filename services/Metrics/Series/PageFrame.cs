using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Vigil.Metrics.Series;

/// <summary>What every page begins with: the format's version, and a checksum (CRC-32C) over what follows.</summary>
internal static class PageFrame
{
    /// <summary>Bytes before the content.</summary>
    public const int Length = 1 + sizeof(uint);

    /// <summary>Fills in the first <see cref="Length"/> bytes.</summary>
    public static void Seal(Span<byte> page, byte version)
    {
        page[0] = version;
        BinaryPrimitives.WriteUInt32LittleEndian(page[1..], Checksum(page[Length..]));
    }

    /// <summary>The content, which is as it was written.</summary>
    /// <exception cref="InvalidDataException">It is not, or is of another version.</exception>
    public static ReadOnlySpan<byte> Open(ReadOnlySpan<byte> page, byte version)
    {
        if (page.Length < Length) throw new InvalidDataException("a stored page is cut short");
        if (page[0] != version) throw new InvalidDataException($"a stored page has format {page[0]}; this program reads {version}");
        var content = page[Length..];
        return BinaryPrimitives.ReadUInt32LittleEndian(page[1..]) == Checksum(content)
            ? content
            : throw new InvalidDataException("a stored page is damaged: its checksum is wrong");
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static uint Checksum(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        for (; data.Length >= sizeof(ulong); data = data[sizeof(ulong)..]) crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data));
        foreach (var b in data) crc = BitOperations.Crc32C(crc, b);
        return ~crc;
    }
}

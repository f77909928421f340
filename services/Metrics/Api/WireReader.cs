using System.Buffers.Binary;

namespace Vigil.Metrics.Api;

/// <summary>Reads Protocol Buffers' wire format from bytes that lie in one piece. What cannot be read leaves the reader in no defined place.</summary>
/// <remarks>Format: <see href="https://protobuf.dev/programming-guides/encoding/"/>.</remarks>
internal ref struct WireReader(ReadOnlySpan<byte> data)
{
    private const int MaxVarintBits = 70;

    private readonly ReadOnlySpan<byte> data = data;
    private int position;

    public readonly bool IsAtEnd => position == data.Length;

    /// <summary>Bytes read so far.</summary>
    public readonly int Position => position;

    /// <summary>How many numbers end in these bytes.</summary>
    public static int CountVarints(ReadOnlySpan<byte> packed)
    {
        var count = 0;
        foreach (var b in packed) count += 1 - (b >> 7);
        return count;
    }

    public static long UnZigZag(ulong number) => (long)(number >> 1) ^ -(long)(number & 1);

    /// <summary>Reads up to ten bytes; what does not fit into 64 bits is dropped, as parsers do.</summary>
    public bool TryVarint(out ulong number)
    {
        number = 0;
        for (var shift = 0; shift < MaxVarintBits && position < data.Length; shift += 7)
        {
            var b = data[position++];
            number |= (ulong)(b & 0x7f) << shift;
            if (b < 0x80) return true;
        }
        return false;
    }

    public bool TryDouble(out double value)
    {
        if (!BinaryPrimitives.TryReadDoubleLittleEndian(data[position..], out value)) return false;
        position += sizeof(double);
        return true;
    }

    /// <summary>Reads a length and as many bytes.</summary>
    public bool TryBytes(out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        if (!TryVarint(out var length) || length > (ulong)(data.Length - position)) return false;
        bytes = data.Slice(position, (int)length);
        position += (int)length;
        return true;
    }

    /// <summary>Passes over a value; false also for groups.</summary>
    public bool TrySkip(int wireType) => wireType switch
    {
        0 => TryVarint(out _),
        1 => TryAdvance(sizeof(ulong)),
        2 => TryBytes(out _),
        5 => TryAdvance(sizeof(uint)),
        _ => false,
    };

    private bool TryAdvance(int bytes)
    {
        if (data.Length - position < bytes) return false;
        position += bytes;
        return true;
    }
}

using System.Buffers;
using System.Buffers.Binary;

namespace Grpc.Core.Internal;

/// <summary>What the front of a buffer holds.</summary>
internal enum FrameResult
{
    /// <summary>Less than a frame: read more.</summary>
    Incomplete,

    /// <summary>A whole frame.</summary>
    Message,

    /// <summary>The flag is neither 0 nor 1.</summary>
    BadFlag,

    /// <summary>The length is over the limit; known before the payload is here.</summary>
    TooLarge,
}

/// <summary>The length-prefixed message of gRPC: one byte of flag (1 = compressed), four of big-endian length, the payload.</summary>
internal static class MessageFrame
{
    public const int HeaderSize = 5;

    /// <summary>
    /// Takes a frame off the front of the buffer. The buffer moves only on <see cref="FrameResult.Message"/>, and the payload
    /// points into it: nothing is copied.
    /// </summary>
    public static FrameResult TryRead(ref ReadOnlySequence<byte> buffer, int? maxSize, out bool compressed, out ReadOnlySequence<byte> payload)
    {
        compressed = false;
        payload = default;
        if (buffer.IsEmpty) return FrameResult.Incomplete;
        var first = buffer.FirstSpan;
        if (first.Length < HeaderSize)
        {
            // The flag is judged as soon as it is here: a peer that sends rubbish need not send five bytes of it.
            if (FirstByte(buffer) > 1) return FrameResult.BadFlag;
            if (buffer.Length < HeaderSize) return FrameResult.Incomplete;
            Span<byte> header = stackalloc byte[HeaderSize];
            buffer.Slice(0, HeaderSize).CopyTo(header);
            return Read(ref buffer, header, maxSize, out compressed, out payload);
        }
        return Read(ref buffer, first[..HeaderSize], maxSize, out compressed, out payload);
    }

    public static void WriteHeader(Span<byte> destination, bool compressed, int length)
    {
        destination[0] = compressed ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt32BigEndian(destination[1..], (uint)length);
    }

    private static byte FirstByte(in ReadOnlySequence<byte> buffer)
    {
        Span<byte> flag = stackalloc byte[1];
        buffer.Slice(0, 1).CopyTo(flag);
        return flag[0];
    }

    private static FrameResult Read(ref ReadOnlySequence<byte> buffer, ReadOnlySpan<byte> header, int? maxSize, out bool compressed, out ReadOnlySequence<byte> payload)
    {
        payload = default;
        compressed = header[0] == 1;
        if (header[0] > 1) return FrameResult.BadFlag;
        var length = BinaryPrimitives.ReadUInt32BigEndian(header[1..]);
        if (length > (uint)(maxSize ?? int.MaxValue)) return FrameResult.TooLarge;
        if (buffer.Length < HeaderSize + (long)length) return FrameResult.Incomplete;
        payload = buffer.Slice(HeaderSize, length);
        buffer = buffer.Slice(payload.End);
        return FrameResult.Message;
    }
}

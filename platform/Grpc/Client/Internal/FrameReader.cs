using System.Buffers;
using System.Buffers.Binary;
using Grpc.Core;

namespace Grpc.Net.Client.Internal;

/// <summary>
/// Cuts a response body into messages: a flag byte, a length of four bytes (big-endian), the payload (gRPC: PROTOCOL-HTTP2.md).
/// Many small messages come from one read of the body; the buffer grows only as bytes really arrive.
/// </summary>
internal sealed class FrameReader : DeserializationContext, IDisposable
{
    public static readonly Status TooLarge = new(StatusCode.ResourceExhausted, "Received message exceeds the maximum configured message size.");

    private const int HeaderSize = 5;
    private readonly Stream body;
    private readonly int limit;
    private readonly string? encoding;
    private byte[] buffer;
    private int start;
    private int end;
    private ReadOnlyMemory<byte> payload;

    /// <param name="body">The response body.</param>
    /// <param name="limit">The longest message accepted, in bytes, packed or unpacked.</param>
    /// <param name="encoding">grpc-encoding of the response; null for identity.</param>
    /// <param name="bufferSize">Bytes of the first buffer.</param>
    public FrameReader(Stream body, int limit, string? encoding, int bufferSize)
    {
        this.body = body;
        this.limit = limit;
        this.encoding = encoding;
        buffer = ArrayPool<byte>.Shared.Rent(bufferSize);
    }

    public override int PayloadLength => payload.Length;

    /// <summary>The next message is there to be deserialized (until the next read); false at the end of the body.</summary>
    /// <exception cref="RpcException">The body is not a sequence of messages, or a message is too large.</exception>
    public async ValueTask<bool> ReadAsync(CancellationToken cancellationToken)
    {
        while (!TryTake())
        {
            MakeRoom();
            var read = await body.ReadAsync(buffer.AsMemory(end), cancellationToken).ConfigureAwait(false);
            if (read > 0)
            {
                end += read;
                continue;
            }
            if (start == end) return false;
            throw new RpcException(new Status(StatusCode.Internal, "Incomplete message."));
        }
        return true;
    }

    private bool TryTake()
    {
        var available = end - start;
        if (available < HeaderSize) return false;
        var flag = buffer[start];
        if (flag > 1) throw new RpcException(new Status(StatusCode.Internal, $"Unexpected compressed flag value {flag} in a message header."));
        var length = BinaryPrimitives.ReadUInt32BigEndian(buffer.AsSpan(start + 1));
        if (length > limit) throw new RpcException(TooLarge);
        if (available - HeaderSize < length) return false;
        payload = buffer.AsMemory(start + HeaderSize, (int)length);
        start += HeaderSize + (int)length;
        if (flag == 1)
        {
            if (encoding is null) throw new RpcException(new Status(StatusCode.Internal, "A message is compressed but the response names no grpc-encoding."));
            payload = Compression.Decompress(encoding, payload, limit);
        }
        return true;
    }

    private void MakeRoom()
    {
        if (start == end) start = end = 0;
        if (end < buffer.Length && start == 0) return;
        if (start > 0)
        {
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            end -= start;
            start = 0;
            if (end < buffer.Length / 2) return;
        }
        if (end < buffer.Length) return;
        var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(buffer.Length * 2L, Array.MaxLength));
        buffer.AsSpan(0, end).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }

    public override byte[] PayloadAsNewBuffer() => payload.ToArray();

    public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => new(payload);

    public void Dispose()
    {
        if (buffer.Length == 0) return;
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
        payload = default;
    }
}

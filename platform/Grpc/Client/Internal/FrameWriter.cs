using System.Buffers;
using System.Buffers.Binary;
using Grpc.Core;

namespace Grpc.Net.Client.Internal;

/// <summary>Turns one message into a frame in a rented buffer: header first, payload behind it, so that one write sends both.</summary>
internal sealed class FrameWriter(int? limit, string? encoding) : SerializationContext, IBufferWriter<byte>, IDisposable
{
    private const int HeaderSize = 5;
    private byte[] buffer = [];
    private int length;
    private bool complete;

    /// <summary>Writes <paramref name="message"/>; the frame holds until the next call or <see cref="Dispose"/>.</summary>
    /// <exception cref="RpcException">The message is larger than may be sent, or cannot be serialized.</exception>
    public ReadOnlyMemory<byte> Write<T>(Marshaller<T> marshaller, T message, WriteOptions? options)
    {
        complete = false;
        length = HeaderSize;
        try
        {
            marshaller.ContextualSerializer(message, this);
        }
        catch (Exception e) when (e is not RpcException)
        {
            throw new RpcException(new Status(StatusCode.Internal, $"Failed to serialize the request. {e.Message}", e));
        }
        if (!complete) throw new RpcException(new Status(StatusCode.Internal, "Failed to serialize the request: serialization did not complete."));
        CheckLimit(length - HeaderSize);
        var packed = encoding is not null && options?.Flags.HasFlag(WriteFlags.NoCompress) != true;
        if (packed) Pack(encoding!);
        buffer[0] = packed ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt32BigEndian(buffer.AsSpan(1), (uint)(length - HeaderSize));
        return buffer.AsMemory(0, length);
    }

    private void Pack(string by)
    {
        using var output = new MemoryStream();
        Compression.Compress(by, buffer.AsSpan(HeaderSize, length - HeaderSize), output);
        length = HeaderSize;
        ((IBufferWriter<byte>)this).Write(output.GetBuffer().AsSpan(0, (int)output.Length));
    }

    private void CheckLimit(int size)
    {
        if (size > limit) throw new RpcException(new Status(StatusCode.ResourceExhausted, "Sending message exceeds the maximum configured message size."));
    }

    public override void SetPayloadLength(int payloadLength)
    {
        CheckLimit(payloadLength);
        Reserve(payloadLength);
    }

    public override IBufferWriter<byte> GetBufferWriter()
    {
        Reserve(1);
        return this;
    }

    public override void Complete() => complete = true;

    public override void Complete(byte[] payload)
    {
        CheckLimit(payload.Length);
        Reserve(payload.Length);
        payload.CopyTo(buffer.AsSpan(length));
        length += payload.Length;
        complete = true;
    }

    public void Advance(int count) => length += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(Math.Max(1, sizeHint));
        return buffer.AsMemory(length);
    }

    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    private void Reserve(int size)
    {
        if (buffer.Length - length >= size && buffer.Length > 0) return;
        var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(Math.Max((long)length + size, buffer.Length * 2L), Array.MaxLength));
        buffer.AsSpan(0, Math.Min(length, buffer.Length)).CopyTo(larger);
        Return();
        buffer = larger;
    }

    /// <summary>Gives the buffer back: a stream may live for weeks between two messages.</summary>
    public void Dispose() => Return();

    private void Return()
    {
        if (buffer.Length == 0) return;
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
    }
}

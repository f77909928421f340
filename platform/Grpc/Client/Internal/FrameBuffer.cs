using System.Buffers;

namespace Grpc.Net.Client.Internal;

/// <summary>A rented buffer in which a frame is put together, so that one write sends header and payload.</summary>
internal sealed class FrameBuffer : IBufferWriter<byte>
{
    private byte[] buffer = [];
    private int length;

    public ReadOnlyMemory<byte> Written => buffer.AsMemory(0, length);

    public void Advance(int count) => length += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(Math.Max(1, sizeHint));
        return buffer.AsMemory(length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(Math.Max(1, sizeHint));
        return buffer.AsSpan(length);
    }

    private void Reserve(int size)
    {
        if (buffer.Length - length >= size) return;
        var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(Math.Max((long)length + size, Math.Max(256, buffer.Length * 2L)), Array.MaxLength));
        buffer.AsSpan(0, length).CopyTo(larger);
        if (buffer.Length > 0) ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }

    /// <summary>Starts anew in the same memory.</summary>
    public void Clear() => length = 0;

    /// <summary>Gives the memory back and starts anew: a stream may be silent for weeks between two messages.</summary>
    public void Release()
    {
        if (buffer.Length > 0) ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
        length = 0;
    }
}

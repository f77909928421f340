using System.Buffers;
using System.IO.Compression;
using Grpc.Net.Compression;

namespace Grpc.Core.Internal;

/// <summary>
/// Writes one message as a frame. Where the marshaller announces the length, and nothing is compressed, header and payload go
/// straight into the target; otherwise the payload is collected first. One object serves one message after another.
/// </summary>
internal sealed class FrameSerializer : SerializationContext
{
    [ThreadStatic]
    private static FrameSerializer? spare;

    private IBufferWriter<byte> target = null!;
    private ICompressionProvider? compression;
    private CompressionLevel? level;
    private int? maxSize;
    private int? announced;
    private bool inOnePiece;
    private bool direct;
    private bool completed;
    private ArrayBufferWriter<byte>? collected;

    /// <summary>
    /// Serializes into <paramref name="target"/> (not flushed); <paramref name="compression"/> null means plain. A target that keeps what is
    /// written <paramref name="inOnePiece"/> is told the frame's whole size at once, so that it need not grow and copy. Serialization
    /// is synchronous, so one serializer per thread is enough.
    /// </summary>
    /// <exception cref="RpcException">The message is over <paramref name="maxSize"/> (ResourceExhausted); nothing was written.</exception>
    public static void Write<T>(T message, Action<T, SerializationContext> serializer, IBufferWriter<byte> target,
        int? maxSize = null, ICompressionProvider? compression = null, CompressionLevel? level = null, bool inOnePiece = false)
    {
        var context = spare ?? new FrameSerializer();
        spare = null;
        context.target = target;
        context.compression = compression;
        context.level = level;
        context.maxSize = maxSize;
        context.inOnePiece = inOnePiece;
        context.announced = null;
        context.direct = false;
        context.completed = false;
        try
        {
            serializer(message, context);
            if (!context.completed) throw new InvalidOperationException("The marshaller did not complete the message.");
        }
        finally
        {
            context.target = null!;
            context.compression = null;
            // A buffer that once held a large message is not kept for ever.
            if (context.collected is { Capacity: > 256 * 1024 }) context.collected = null;
            else context.collected?.ResetWrittenCount();
            spare = context;
        }
    }

    public override void SetPayloadLength(int payloadLength)
    {
        ThrowIfTooLarge(payloadLength);
        announced = payloadLength;
    }

    public override IBufferWriter<byte> GetBufferWriter()
    {
        if (direct) return target;
        if (announced is { } length && compression is null)
        {
            WriteHeader(false, length);
            direct = true;
            return target;
        }
        return collected ??= new ArrayBufferWriter<byte>();
    }

    public override void Complete()
    {
        if (completed) throw new InvalidOperationException("The message was completed already.");
        completed = true;
        if (direct) return;
        if (collected is { } buffer) WriteWhole(buffer.WrittenSpan);
        else WriteWhole([]);
    }

    public override void Complete(byte[] payload)
    {
        if (completed) throw new InvalidOperationException("The message was completed already.");
        completed = true;
        WriteWhole(payload);
    }

    private void WriteWhole(ReadOnlySpan<byte> payload)
    {
        ThrowIfTooLarge(payload.Length);
        if (compression is null)
        {
            WriteHeader(false, payload.Length);
            target.Write(payload);
            return;
        }
        using var packed = new MemoryStream();
        using (var stream = compression.CreateCompressionStream(packed, level)) stream.Write(payload);
        var bytes = packed.GetBuffer().AsSpan(0, (int)packed.Length);
        WriteHeader(true, bytes.Length);
        target.Write(bytes);
    }

    private void WriteHeader(bool compressed, int length)
    {
        MessageFrame.WriteHeader(target.GetSpan(inOnePiece ? MessageFrame.HeaderSize + length : MessageFrame.HeaderSize), compressed, length);
        target.Advance(MessageFrame.HeaderSize);
    }

    private void ThrowIfTooLarge(int length)
    {
        if (length > maxSize) throw new RpcException(new Status(StatusCode.ResourceExhausted, "Sending message exceeds the maximum configured message size."));
    }
}

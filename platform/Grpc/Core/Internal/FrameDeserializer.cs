using System.Buffers;
using System.IO.Pipelines;
using Grpc.Net.Compression;

namespace Grpc.Core.Internal;

/// <summary>Hands a payload to a marshaller without copying it. One object serves one message after another.</summary>
internal sealed class FrameDeserializer : DeserializationContext
{
    [ThreadStatic]
    private static FrameDeserializer? spare;

    private ReadOnlySequence<byte> payload;

    public override int PayloadLength => (int)payload.Length;

    /// <summary>Reads a message; deserialization is synchronous, so one deserializer per thread is enough.</summary>
    public static T Read<T>(in ReadOnlySequence<byte> payload, Func<DeserializationContext, T> deserializer)
    {
        var context = spare ?? new FrameDeserializer();
        spare = null;
        context.payload = payload;
        try
        {
            return deserializer(context);
        }
        finally
        {
            context.payload = default;
            spare = context;
        }
    }

    /// <summary>
    /// Unpacks a payload, and stops at the limit, so that a small bomb cannot become a large allocation. False where it grows
    /// over the limit.
    /// </summary>
    /// <exception cref="InvalidDataException">The payload is not what its encoding says.</exception>
    public static bool TryDecompress(in ReadOnlySequence<byte> payload, ICompressionProvider compression, int? maxSize, out ReadOnlySequence<byte> unpacked)
    {
        var output = new ArrayBufferWriter<byte>();
        using (var stream = compression.CreateDecompressionStream(PipeReader.Create(payload).AsStream()))
        {
            while (true)
            {
                var read = stream.Read(output.GetSpan(4096));
                if (read == 0) break;
                output.Advance(read);
                if (output.WrittenCount > maxSize)
                {
                    unpacked = default;
                    return false;
                }
            }
        }
        unpacked = new ReadOnlySequence<byte>(output.WrittenMemory);
        return true;
    }

    public override byte[] PayloadAsNewBuffer() => payload.ToArray();

    public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => payload;
}

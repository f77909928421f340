using System.Buffers;
using Google.Protobuf;
using Grpc.Core;

namespace Vigil.GrpcLoad;

/// <summary>A chunk in a rented buffer. On the wire it is <see cref="Chunk"/>.</summary>
public sealed class Block(byte[] rented, int length)
{
    public ReadOnlySpan<byte> Data => rented.AsSpan(0, length);

    public static Block CopyOf(ReadOnlySequence<byte> data)
    {
        var rented = ArrayPool<byte>.Shared.Rent((int)data.Length);
        data.CopyTo(rented);
        return new Block(rented, (int)data.Length);
    }

    public void Return() => ArrayPool<byte>.Shared.Return(rented);
}

/// <summary>
/// The upload as a service writes it that streams much, and as services/Metrics reads its frames: the official API, with a marshaller by
/// hand in the generated one's place, so that no message costs an array.
/// </summary>
[BindServiceMethod(typeof(PooledUpload), nameof(BindService))]
public class PooledUpload
{
    private const byte DataTag = (Chunk.DataFieldNumber << 3) | (int)WireFormat.WireType.LengthDelimited;

    public static readonly Method<Block, Received> Method = new(
        MethodType.ClientStreaming, "vigil.load.v1.PooledLoad", nameof(Upload),
        Marshallers.Create<Block>(Write, context => Read(context.PayloadAsReadOnlySequence())),
        Marshallers.Create<Received>((message, context) => context.Complete(message.ToByteArray()), context => Received.Parser.ParseFrom(context.PayloadAsReadOnlySequence())));

    public static void BindService(ServiceBinderBase binder, PooledUpload? service) =>
        binder.AddMethod(Method, service is null ? null : new ClientStreamingServerMethod<Block, Received>(service.Upload));

    public virtual async Task<Received> Upload(IAsyncStreamReader<Block> requestStream, ServerCallContext context)
    {
        var received = new Received();
        while (await requestStream.MoveNext(context.CancellationToken))
        {
            received.Bytes += requestStream.Current.Data.Length;
            requestStream.Current.Return();
        }
        return received;
    }

    private static void Write(Block block, SerializationContext context)
    {
        var length = (uint)block.Data.Length;
        var size = 1 + CodedOutputStream.ComputeRawVarint32Size(length) + (int)length;
        context.SetPayloadLength(size);
        var output = context.GetBufferWriter();
        var target = output.GetSpan(size);
        var at = 0;
        target[at++] = DataTag;
        for (; length > 0x7f; length >>= 7) target[at++] = (byte)(length | 0x80);
        target[at++] = (byte)length;
        block.Data.CopyTo(target[at..]);
        output.Advance(size);
        context.Complete();
    }

    private static Block Read(ReadOnlySequence<byte> payload)
    {
        var reader = new SequenceReader<byte>(payload);
        if (!reader.TryRead(out var tag) || tag != DataTag) throw new InvalidDataException("not a chunk");
        var length = 0L;
        for (var shift = 0; ; shift += 7)
        {
            if (shift > 28 || !reader.TryRead(out var part)) throw new InvalidDataException("no length");
            length |= (long)(part & 0x7f) << shift;
            if (part < 0x80) break;
        }
        return length == reader.Remaining ? Block.CopyOf(reader.UnreadSequence) : throw new InvalidDataException("not one chunk");
    }
}

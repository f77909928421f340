using System.Buffers;
using System.Runtime.CompilerServices;
using Grpc.Core;
using Grpc.Core.Internal;

namespace Grpc.Net.Client.Internal;

/// <summary>
/// Cuts a response body into messages. Many small messages come from one read of the body; the buffer grows only as bytes really
/// arrive, whatever length a header announces.
/// </summary>
internal sealed class FrameReader(HttpResponseMessage response, Stream body, GrpcChannel channel, int bufferSize) : IDisposable
{
    private static readonly Status TooLarge = new(StatusCode.ResourceExhausted, "Received message exceeds the maximum configured message size.");

    private readonly int? limit = channel.MaxReceiveMessageSize;
    private byte[] buffer = ArrayPool<byte>.Shared.Rent(bufferSize);
    private int start;
    private int end;

    /// <summary>The payload of the message, until the next read.</summary>
    public ReadOnlySequence<byte> Payload { get; private set; }

    /// <summary>Goes to the next message; false at the end of the body.</summary>
    /// <exception cref="RpcException">The body is not a sequence of messages, or a message is too large.</exception>
    public ValueTask<bool> ReadAsync(CancellationToken cancellationToken)
    {
        // What has arrived already, and that is most of a short response, is taken without waiting.
        while (!TryTake())
        {
            MakeRoom();
            var read = body.ReadAsync(buffer.AsMemory(end), cancellationToken);
            if (!read.IsCompletedSuccessfully) return WaitAsync(read, cancellationToken);
            if (!Took(read.Result)) return new(false);
        }
        return new(true);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> WaitAsync(ValueTask<int> read, CancellationToken cancellationToken)
    {
        if (!Took(await read.ConfigureAwait(false))) return false;
        while (!TryTake())
        {
            MakeRoom();
            if (!Took(await body.ReadAsync(buffer.AsMemory(end), cancellationToken).ConfigureAwait(false))) return false;
        }
        return true;
    }

    private bool Took(int read)
    {
        if (read == 0) return start == end ? false : throw Broken("Incomplete message.");
        end += read;
        return true;
    }

    private bool TryTake()
    {
        var received = new ReadOnlySequence<byte>(buffer, start, end - start);
        var result = MessageFrame.TryRead(ref received, limit, out var compressed, out var payload);
        switch (result)
        {
            case FrameResult.Incomplete: return false;
            case FrameResult.BadFlag: throw Broken("Unexpected compressed flag value in message header.");
            case FrameResult.TooLarge: throw new RpcException(TooLarge);
        }
        start = end - (int)received.Length;
        Payload = compressed ? Unpack(payload) : payload;
        return true;
    }

    private ReadOnlySequence<byte> Unpack(in ReadOnlySequence<byte> packed)
    {
        // Looked up only here: most responses are plain.
        var compression = response.Headers.NonValidated.TryGetValues(GrpcProtocol.Encoding, out var name) ? channel.CompressionFor(name.ToString()) : null;
        if (compression is null) throw Broken("A message is compressed but the response names no supported grpc-encoding.");
        try
        {
            return FrameDeserializer.TryDecompress(packed, compression, limit, out var unpacked) ? unpacked : throw new RpcException(TooLarge);
        }
        catch (InvalidDataException e)
        {
            throw new RpcException(new Status(StatusCode.Internal, "A compressed message is damaged.", e));
        }
    }

    private static RpcException Broken(string why) => new(new Status(StatusCode.Internal, why));

    private void MakeRoom()
    {
        if (start > 0)
        {
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            end -= start;
            start = 0;
        }
        if (end < buffer.Length) return;
        var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(buffer.Length * 2L, Array.MaxLength));
        buffer.AsSpan(0, end).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }

    public void Dispose()
    {
        if (buffer.Length == 0) return;
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
        Payload = default;
    }
}

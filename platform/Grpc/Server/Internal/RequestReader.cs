using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Grpc.Core;
using Grpc.Core.Internal;
using Microsoft.AspNetCore.Http;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Takes messages off the request body, in the transport's own buffers.</summary>
internal sealed class RequestReader(ServerCall call, PipeReader body)
{
    /// <summary>
    /// How much may be taken from one read before the transport is told: few enough calls into the pipe for small messages,
    /// early enough that the sender's flow-control window never runs dry.
    /// </summary>
    private const int ReleaseAfter = 32 * 1024;

    private ReadOnlySequence<byte> buffer;
    private long taken;
    private bool holding;
    private bool lastRead;

    /// <summary>Whether the caller has sent all that it will.</summary>
    public bool Ended { get; private set; }

    /// <summary>The one message of a unary request; more or less than one is an error of the caller.</summary>
    /// <exception cref="RpcException">What came is no message (Internal), too large (ResourceExhausted), or packed in an unknown way (Unimplemented).</exception>
    public ValueTask<T> ReadSingleAsync<T>(Func<DeserializationContext, T> deserializer) where T : class
    {
        // A small request is mostly here as a whole when its call starts, and then nothing needs to wait.
        try
        {
            if (body.TryRead(out var first)) Hold(first);
        }
        catch (IOException e) when (e is not BadHttpRequestException)
        {
            throw Reset(e);
        }
        T? message = null;
        if (!holding || !TryTake(deserializer, out message) || !lastRead || !buffer.IsEmpty) return ReadRestAsync(deserializer, message);
        Release();
        Ended = true;
        return new(message!);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<T> ReadRestAsync<T>(Func<DeserializationContext, T> deserializer, T? message) where T : class
    {
        message ??= await ReadAsync(deserializer, default).ConfigureAwait(false) ?? throw call.Refuse(StatusCode.Internal, "Incomplete message.");
        while (true)
        {
            if (!buffer.IsEmpty) throw call.Refuse(StatusCode.Internal, "Additional data after the message received.");
            if (lastRead) break;
            Release();
            Hold(await ReadBodyAsync(default).ConfigureAwait(false));
        }
        Release();
        Ended = true;
        return message;
    }

    /// <summary>A message that is here already; false where the body must be read first.</summary>
    public bool TryTake<T>(Func<DeserializationContext, T> deserializer, out T? message) where T : class
    {
        message = null;
        if (!holding || !TryParse(deserializer, out message)) return false;
        if (taken >= ReleaseAfter && !lastRead) Release();
        return true;
    }

    /// <summary>The next message; null at the end.</summary>
    /// <exception cref="RpcException">As <see cref="ReadSingleAsync"/>.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<T?> ReadAsync<T>(Func<DeserializationContext, T> deserializer, CancellationToken cancellationToken) where T : class
    {
        while (true)
        {
            if (TryTake(deserializer, out var message)) return message;
            if (holding && lastRead)
            {
                if (!buffer.IsEmpty) throw call.Refuse(StatusCode.Internal, "Incomplete message.");
                Release();
                Ended = true;
            }
            if (Ended) return null;
            // All was looked at and is too little: the transport may go on receiving, and wakes us when there is more.
            if (holding) body.AdvanceTo(buffer.Start, buffer.End);
            holding = false;
            Hold(await ReadBodyAsync(cancellationToken).ConfigureAwait(false));
        }
    }

    /// <summary>Gives back what is held of the body.</summary>
    public void Release()
    {
        if (!holding) return;
        holding = false;
        body.AdvanceTo(buffer.Start);
        buffer = default;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadResult> ReadBodyAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await body.ReadAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (IOException e) when (e is not BadHttpRequestException)
        {
            throw Reset(e);
        }
    }

    /// <summary>The body breaks off a moment before the call counts as cancelled: that the caller went away is no fault of the handler.</summary>
    private static RpcException Reset(IOException e) => new(new Status(StatusCode.Cancelled, "The call was cancelled by the caller.", e));

    private void Hold(ReadResult result)
    {
        buffer = result.Buffer;
        lastRead = result.IsCompleted;
        holding = true;
        taken = 0;
        if (result.IsCanceled) throw call.Refuse(StatusCode.Internal, "Incoming message cancelled.");
    }

    private bool TryParse<T>(Func<DeserializationContext, T> deserializer, out T? message) where T : class
    {
        var before = buffer.Length;
        var settings = call.State.Settings;
        switch (MessageFrame.TryRead(ref buffer, settings.MaxReceiveSize, out var compressed, out var payload))
        {
            case FrameResult.Message:
                taken += before - buffer.Length;
                if (compressed) payload = Unpack(payload);
                message = Deserialize(deserializer, payload);
                return true;
            case FrameResult.BadFlag:
                throw call.Refuse(StatusCode.Internal, "Unexpected compressed flag value in message header.");
            case FrameResult.TooLarge:
                throw call.Refuse(StatusCode.ResourceExhausted, "Received message exceeds the maximum configured message size.");
            default:
                message = null;
                return false;
        }
    }

    private T Deserialize<T>(Func<DeserializationContext, T> deserializer, in ReadOnlySequence<byte> payload)
    {
        try
        {
            return FrameDeserializer.Read(payload, deserializer);
        }
        catch (Exception exception) when (exception is not RpcException)
        {
            // A marshaller says that its input is bad by throwing whatever it likes.
            throw call.Refuse(StatusCode.Internal, "The request message cannot be deserialized.", exception);
        }
    }

    private ReadOnlySequence<byte> Unpack(in ReadOnlySequence<byte> payload)
    {
        var settings = call.State.Settings;
        var encoding = call.Http.Request.Headers.GrpcEncoding.ToString();
        if (encoding.Length == 0) throw call.Refuse(StatusCode.Internal, "Request did not include grpc-encoding value with compressed message.");
        if (encoding == GrpcProtocol.Identity) throw call.Refuse(StatusCode.Internal, "Request sent 'identity' grpc-encoding value with compressed message.");
        if (!settings.Compression.TryGetValue(encoding, out var compression))
        {
            if (!call.Http.Response.HasStarted) call.Http.Response.Headers.GrpcAcceptEncoding = settings.AcceptEncoding;
            throw call.Refuse(StatusCode.Unimplemented, $"Unsupported grpc-encoding value '{encoding}'. Supported encodings: {settings.AcceptEncoding.Replace(",", ", ")}");
        }
        try
        {
            if (FrameDeserializer.TryDecompress(payload, compression, settings.MaxReceiveSize, out var unpacked)) return unpacked;
        }
        catch (InvalidDataException exception)
        {
            throw call.Refuse(StatusCode.Internal, $"The message is not valid {encoding}.", exception);
        }
        throw call.Refuse(StatusCode.ResourceExhausted, "Received message exceeds the maximum configured message size.");
    }
}

using System.Buffers.Binary;
using System.Net;
using Google.Protobuf;
using Grpc.Net.Client;

namespace Vigil.GrpcLoad;

/// <summary>The loads: unary and stream, bare and gRPC.</summary>
public sealed class Loads(Uri bare, Uri grpc, LoadOptions options) : IDisposable
{
    private readonly HttpClient http = new(new SocketsHttpHandler { EnableMultipleHttp2Connections = true, UseProxy = false })
    {
        BaseAddress = bare,
        DefaultRequestVersion = HttpVersion.Version20,
        DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    private readonly GrpcChannel channel = GrpcChannel.ForAddress(grpc);
    private readonly byte[] payload = new byte[options.Payload];
    private readonly byte[] chunk = new byte[options.Chunk];

    public Task<Sample> BareUnaryAsync(double seconds) => Measure.RunAsync(options.Concurrent, seconds, async _ =>
    {
        using var content = new ByteArrayContent(payload);
        using var response = await http.PostAsync("/", content);
        var body = await response.Content.ReadAsByteArrayAsync();
        return body.Length == payload.Length ? 1 : throw new InvalidOperationException("the bare endpoint lost bytes");
    });

    /// <summary>A unary call's headers, frame length and trailer, with no gRPC code on either side.</summary>
    public Task<Sample> TrailerUnaryAsync(double seconds) => Measure.RunAsync(options.Concurrent, seconds, async _ =>
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/trailer") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new ByteArrayContent(payload) };
        request.Content.Headers.TryAddWithoutValidation("content-type", "application/grpc");
        request.Headers.TryAddWithoutValidation("user-agent", "grpc-dotnet");
        request.Headers.TryAddWithoutValidation("te", "trailers");
        request.Headers.TryAddWithoutValidation("grpc-accept-encoding", "identity,gzip");
        using var response = await http.SendAsync(request);
        var body = await response.Content.ReadAsByteArrayAsync();
        return body.Length == payload.Length && response.TrailingHeaders.NonValidated.Contains("grpc-status") ? 1 : throw new InvalidOperationException("the bare endpoint lost bytes");
    });

    public Task<Sample> GrpcUnaryAsync(double seconds)
    {
        var client = new Load.LoadClient(channel);
        var request = new Chunk { Data = ByteString.CopyFrom(payload) };
        return Measure.RunAsync(options.Concurrent, seconds, async _ =>
        {
            var response = await client.EchoAsync(request);
            return response.Data.Length == payload.Length ? 1 : throw new InvalidOperationException("gRPC lost bytes");
        });
    }

    /// <summary>One body as long as the measurement; a unit is a byte.</summary>
    public Task<Sample> BareStreamAsync(double seconds) => Measure.RunAsync(1, seconds, async timeIsLeft =>
    {
        using var content = new ChunkContent(chunk, timeIsLeft);
        using var response = await http.PostAsync("/upload", content);
        return long.Parse(await response.Content.ReadAsStringAsync(), System.Globalization.CultureInfo.InvariantCulture);
    });

    /// <summary>
    /// The same bytes as frames that the server turns into one array each, as generated code makes a <see cref="ByteString"/> of each message,
    /// with no gRPC code on either side.
    /// </summary>
    public Task<Sample> ArrayStreamAsync(double seconds) => Measure.RunAsync(1, seconds, async timeIsLeft =>
    {
        using var content = new FrameContent(chunk, timeIsLeft);
        using var response = await http.PostAsync("/arrays", content);
        return long.Parse(await response.Content.ReadAsStringAsync(), System.Globalization.CultureInfo.InvariantCulture);
    });

    public Task<Sample> GrpcStreamAsync(double seconds)
    {
        var client = new Load.LoadClient(channel);
        return Measure.RunAsync(1, seconds, async timeIsLeft =>
        {
            using var call = client.Upload();
            var message = new Chunk { Data = UnsafeByteOperations.UnsafeWrap(chunk) };
            while (timeIsLeft()) await call.RequestStream.WriteAsync(message);
            await call.RequestStream.CompleteAsync();
            return (await call.ResponseAsync).Bytes;
        });
    }

    /// <summary>The stream of <see cref="PooledUpload"/>.</summary>
    public Task<Sample> PooledStreamAsync(double seconds)
    {
        var invoker = channel.CreateCallInvoker();
        return Measure.RunAsync(1, seconds, async timeIsLeft =>
        {
            using var call = invoker.AsyncClientStreamingCall(PooledUpload.Method, null, default);
            var message = new Block(chunk, chunk.Length);
            while (timeIsLeft()) await call.RequestStream.WriteAsync(message);
            await call.RequestStream.CompleteAsync();
            return (await call.ResponseAsync).Bytes;
        });
    }

    public void Dispose()
    {
        http.Dispose();
        channel.Dispose();
    }

    private abstract class EndlessContent(Func<bool> timeIsLeft) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            while (timeIsLeft())
            {
                await stream.WriteAsync(Next());
                // As a stream of messages: each leaves when it is written.
                await stream.FlushAsync();
            }
        }

        protected abstract ReadOnlyMemory<byte> Next();

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    private sealed class ChunkContent(byte[] chunk, Func<bool> timeIsLeft) : EndlessContent(timeIsLeft)
    {
        protected override ReadOnlyMemory<byte> Next() => chunk;
    }

    /// <summary>Copies the chunk behind its length each time, as serializing it does.</summary>
    private sealed class FrameContent(byte[] chunk, Func<bool> timeIsLeft) : EndlessContent(timeIsLeft)
    {
        private readonly byte[] frame = new byte[Servers.FrameHeader + chunk.Length];

        protected override ReadOnlyMemory<byte> Next()
        {
            BinaryPrimitives.WriteInt32BigEndian(frame, chunk.Length);
            chunk.CopyTo(frame, Servers.FrameHeader);
            return frame;
        }
    }
}

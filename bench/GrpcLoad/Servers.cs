using System.Buffers;
using System.Net;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Vigil.GrpcLoad;

/// <summary>The two servers that are compared, each on its own port with the same Kestrel settings.</summary>
public static class Servers
{
    /// <summary>Bytes before a frame of the bare servers: a length and padding, together as many as gRPC and protobuf put before 64 KiB.</summary>
    public const int FrameHeader = 9;

    public static async Task<(WebApplication App, Uri Address)> StartBareAsync()
    {
        var app = Create(_ => { });
        // No routing, no middleware: bytes in, bytes out.
        app.Run(static async context =>
        {
            if (context.Request.Path.Value == "/upload")
            {
                await DrainAsync(context);
                return;
            }
            if (context.Request.Path.Value == "/arrays")
            {
                await CollectAsync(context);
                return;
            }
            var trailer = context.Request.Path.Value == "/trailer";
            if (trailer) context.Response.ContentType = "application/grpc";
            var reader = context.Request.BodyReader;
            while (true)
            {
                var read = await reader.ReadAsync();
                foreach (var part in read.Buffer) context.Response.BodyWriter.Write(part.Span);
                reader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted) break;
            }
            if (trailer) context.Response.AppendTrailer("grpc-status", "0");
        });
        return await StartAsync(app);
    }

    /// <summary>Copies what arrives into a buffer, as whoever wants the bytes must.</summary>
    private static async Task DrainAsync(HttpContext context)
    {
        var reader = context.Request.BodyReader;
        var buffer = ArrayPool<byte>.Shared.Rent(1024 * 1024);
        long total = 0;
        while (true)
        {
            var read = await reader.ReadAsync();
            foreach (var part in read.Buffer)
            {
                part.Span.CopyTo(buffer);
                total += part.Length;
            }
            reader.AdvanceTo(read.Buffer.End);
            if (!read.IsCompleted) continue;
            ArrayPool<byte>.Shared.Return(buffer);
            await context.Response.WriteAsync(total.ToString(System.Globalization.CultureInfo.InvariantCulture));
            return;
        }
    }

    /// <summary>Makes an array of each frame.</summary>
    private static async Task CollectAsync(HttpContext context)
    {
        var reader = context.Request.BodyReader;
        long total = 0;
        while (true)
        {
            var read = await reader.ReadAsync();
            var buffer = read.Buffer;
            while (TryTake(ref buffer, out var frame)) total += frame.Length;
            reader.AdvanceTo(buffer.Start, buffer.End);
            if (!read.IsCompleted) continue;
            await context.Response.WriteAsync(total.ToString(System.Globalization.CultureInfo.InvariantCulture));
            return;
        }

        static bool TryTake(ref ReadOnlySequence<byte> buffer, out byte[] frame)
        {
            var input = new SequenceReader<byte>(buffer);
            if (!input.TryReadBigEndian(out int length) || buffer.Length < FrameHeader + length)
            {
                frame = [];
                return false;
            }
            frame = buffer.Slice(FrameHeader, length).ToArray();
            buffer = buffer.Slice(FrameHeader + length);
            return true;
        }
    }

    public static async Task<(WebApplication App, Uri Address)> StartGrpcAsync()
    {
        var app = Create(services => services.AddGrpc());
        app.MapGrpcService<LoadService>();
        app.MapGrpcService<PooledUpload>();
        return await StartAsync(app);
    }

    private static WebApplication Create(Action<IServiceCollection> configure)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k =>
        {
            k.Limits.MaxRequestBodySize = null;
            k.Listen(IPAddress.Loopback, 0, l => l.Protocols = HttpProtocols.Http2);
        });
        configure(builder.Services);
        return builder.Build();
    }

    private static async Task<(WebApplication, Uri)> StartAsync(WebApplication app)
    {
        await app.StartAsync();
        return (app, new Uri(app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.Single()));
    }

    private sealed class LoadService : Load.LoadBase
    {
        public override Task<Chunk> Echo(Chunk request, ServerCallContext context) => Task.FromResult(new Chunk { Data = request.Data });

        public override async Task<Received> Upload(IAsyncStreamReader<Chunk> requestStream, ServerCallContext context)
        {
            var received = new Received();
            while (await requestStream.MoveNext(context.CancellationToken)) received.Bytes += requestStream.Current.Data.Length;
            return received;
        }
    }
}

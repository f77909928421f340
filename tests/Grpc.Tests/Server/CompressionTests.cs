using System.IO.Compression;
using Google.Protobuf;
using Grpc.Core;
using Vigil.Testing;
using Xunit;

namespace Vigil.Grpc.Tests.Server;

public sealed class CompressionTests
{
    private static readonly Note Compressible = new() { Text = new string('a', 10_000) };

    [Fact]
    public async Task Request_Gzipped_Unpacked()
    {
        await using var host = await ProbeHost.StartAsync();
        var response = await host.Wire.CallAsync(WireClient.Unary, Wire.Frame(Wire.Gzip(Compressible.ToByteArray()), 1), ("grpc-encoding", "gzip")).DefaultTimeout();
        Assert.Equal(Compressible, response.Note);
        Assert.Equal(0, response.Frames[0].Flag);
    }

    [Fact]
    public async Task Request_PlainMessageInGzipCall_Accepted()
    {
        await using var host = await ProbeHost.StartAsync();
        Assert.Equal(0, (await host.Wire.CallAsync(WireClient.Unary, Wire.Frame(Compressible), ("grpc-encoding", "gzip")).DefaultTimeout()).Status);
    }

    [Fact]
    public async Task Request_UnknownEncoding_UnimplementedWithWhatIsAccepted()
    {
        await using var host = await ProbeHost.StartAsync();
        var response = await host.Wire.CallAsync(WireClient.Unary, Wire.Frame([1, 2, 3], 1), ("grpc-encoding", "zip")).DefaultTimeout();
        Assert.Equal((int)StatusCode.Unimplemented, response.Status);
        Assert.Contains("gzip", response.Header("grpc-accept-encoding"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("identity")]
    public async Task Request_FlaggedWithoutEncoding_Internal(string? encoding)
    {
        await using var host = await ProbeHost.StartAsync();
        (string, string)[] headers = encoding is null ? [] : [("grpc-encoding", encoding)];
        Assert.Equal((int)StatusCode.Internal, (await host.Wire.CallAsync(WireClient.Unary, Wire.Frame(Wire.Gzip([]), 1), headers).DefaultTimeout()).Status);
    }

    [Fact]
    public async Task Response_AlgorithmSetAndAccepted_Gzipped()
    {
        await using var host = await ProbeHost.StartAsync(o =>
        {
            o.ResponseCompressionAlgorithm = "gzip";
            o.ResponseCompressionLevel = CompressionLevel.SmallestSize;
        });
        var response = await host.Wire.CallAsync(WireClient.Unary, Compressible, ("grpc-accept-encoding", "identity, gzip")).DefaultTimeout();
        Assert.Equal("gzip", response.Header("grpc-encoding"));
        Assert.Equal(1, response.Frames[0].Flag);
        Assert.True(response.Frames[0].Payload.Length < 200);
        Assert.Equal(Compressible, response.Note);
    }

    [Fact]
    public async Task Response_NotAccepted_Plain()
    {
        await using var host = await ProbeHost.StartAsync(o => o.ResponseCompressionAlgorithm = "gzip");
        var response = await host.Wire.CallAsync(WireClient.Unary, Compressible, ("grpc-accept-encoding", "identity,deflate")).DefaultTimeout();
        Assert.Null(response.Header("grpc-encoding"));
        Assert.Equal(0, response.Frames[0].Flag);
    }

    [Fact]
    public async Task Response_NoCompressFlag_ThatMessagePlain()
    {
        await using var host = await ProbeHost.StartAsync(o => o.ResponseCompressionAlgorithm = "gzip");
        host.Script.Expand = async (note, notes, _) =>
        {
            await notes.WriteAsync(note);
            notes.WriteOptions = new WriteOptions(WriteFlags.NoCompress);
            await notes.WriteAsync(note);
            notes.WriteOptions = null;
            await notes.WriteAsync(note);
        };
        var response = await host.Wire.CallAsync(WireClient.Expand, Compressible, ("grpc-accept-encoding", "gzip")).DefaultTimeout();
        Assert.Equal(new byte[] { 1, 0, 1 }, response.Frames.Select(f => f.Flag));
        Assert.All(response.Notes, n => Assert.Equal(Compressible, n));
    }

    [Fact]
    public async Task Response_EncodingAskedForByHandler_Gzipped()
    {
        await using var host = await ProbeHost.StartAsync();
        host.Script.Unary = async (note, context) =>
        {
            await context.WriteResponseHeadersAsync(new Metadata { { "grpc-internal-encoding-request", "gzip" } });
            return note;
        };
        var response = await host.Wire.CallAsync(WireClient.Unary, Compressible, ("grpc-accept-encoding", "gzip")).DefaultTimeout();
        Assert.Equal("gzip", response.Header("grpc-encoding"));
        Assert.Null(response.Header("grpc-internal-encoding-request"));
        Assert.Equal(1, response.Frames[0].Flag);
    }
}

using Google.Protobuf;
using Grpc.Core;
using Vigil.Grpc.Tests.Server;
using Vigil.Testing;
using Xunit;

namespace Vigil.Grpc.Tests.Bundled;

public sealed class MalformedTests
{
    public static TheoryData<string, byte[]> Bodies => new()
    {
        { "protobuf cut inside a field", Wire.Frame([0x0A, 0x7F, 0x41]) },
        { "protobuf with a bad tag", Wire.Frame([0x00, 0x01]) },
        { "protobuf with an endless varint", Wire.Frame([.. Enumerable.Repeat((byte)0xFF, 20)]) },
        { "flag that is neither 0 nor 1", Wire.Frame(new Note().ToByteArray(), 2) },
        { "a single bad byte", [0x7B] },
        { "text", "{\"not\": \"gRPC\"}"u8.ToArray() },
        { "length without a message", [0, 0, 0, 0, 10] },
    };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task MalformedBody_CleanInternalError_OthersOnTheConnectionUntouched(string what, byte[] body)
    {
        await using var host = await ProbeHost.StartAsync();
        using var neighbour = host.Wire.Open(WireClient.Chat);
        await neighbour.SendAsync(new Note { Number = 1 }).DefaultTimeout();
        using var http = await neighbour.Response.DefaultTimeout();
        var responses = await http.Content.ReadAsStreamAsync();
        Assert.NotNull(await Wire.ReadFrameAsync(responses).DefaultTimeout());

        foreach (var path in new[] { WireClient.Unary, WireClient.Collect, WireClient.Expand, WireClient.Chat })
        {
            var response = await host.Wire.CallAsync(path, body).DefaultTimeout();
            Assert.True(response.Status == (int)StatusCode.Internal, $"{what} to {path}: {response.Status} {response.Message}");
        }

        await neighbour.SendAsync(new Note { Number = 2 }).DefaultTimeout();
        Assert.Equal(2, Note.Parser.ParseFrom((await Wire.ReadFrameAsync(responses).DefaultTimeout())!.Payload).Number);
    }

    [Fact]
    public async Task MalformedMessage_AfterGoodOnes_HandlerSeesTheGoodOnes()
    {
        await using var host = await ProbeHost.StartAsync();
        byte[] body = [.. Wire.Frame(new Note { Number = 1 }), .. Wire.Frame(new Note { Number = 2 }), .. Wire.Frame([0x0A, 0x7F])];
        var response = await host.Wire.CallAsync(WireClient.Chat, body).DefaultTimeout();
        Assert.Equal([1, 2], response.Notes.Select(n => n.Number));
        Assert.Equal((int)StatusCode.Internal, response.Status);
    }

    [Fact]
    public async Task OversizedInStream_ResourceExhaustedBeforeItsPayloadIsSent()
    {
        await using var host = await ProbeHost.StartAsync();
        using var call = host.Wire.Open(WireClient.Collect);
        await call.SendAsync([0, 0x7F, 0xFF, 0xFF, 0xFF]).DefaultTimeout();
        Assert.Equal((int)StatusCode.ResourceExhausted, (await call.ReadToEndAsync().DefaultTimeout()).Status);
    }

    [Fact]
    public async Task GzipBomb_ResourceExhausted()
    {
        await using var host = await ProbeHost.StartAsync();
        var bomb = Wire.Gzip(new Note { Data = ByteString.CopyFrom(new byte[50_000_000]) }.ToByteArray());
        Assert.True(bomb.Length < 1_000_000);
        var response = await host.Wire.CallAsync(WireClient.Unary, Wire.Frame(bomb, 1), ("grpc-encoding", "gzip")).DefaultTimeout();
        Assert.Equal((int)StatusCode.ResourceExhausted, response.Status);
    }

    [Fact]
    public async Task GzipThatIsNone_Internal()
    {
        await using var host = await ProbeHost.StartAsync();
        Assert.Equal((int)StatusCode.Internal, (await host.Wire.CallAsync(WireClient.Unary, Wire.Frame([1, 2, 3, 4], 1), ("grpc-encoding", "gzip")).DefaultTimeout()).Status);
    }

    [Fact]
    public async Task BinaryHeader_CommaJoined_SeveralValues()
    {
        await using var host = await ProbeHost.StartAsync();
        byte[][]? seen = null;
        host.Script.Unary = (note, context) =>
        {
            seen = [.. context.RequestHeaders.GetAll("blob-bin").Select(e => e.ValueBytes)];
            return Task.FromResult(note);
        };
        await host.Wire.CallAsync(WireClient.Unary, new Note(), ("blob-bin", "AQ==,Ag, AwQ=,")).DefaultTimeout();
        Assert.Equal([[1], [2], [3, 4], []], seen!);
    }

    [Fact]
    public async Task BinaryHeader_NoBase64_CleanErrorWhenRead()
    {
        await using var host = await ProbeHost.StartAsync();
        host.Script.Unary = (note, context) => Task.FromResult(new Note { Number = context.RequestHeaders.Count });
        Assert.Equal((int)StatusCode.Internal, (await host.Wire.CallAsync(WireClient.Unary, new Note(), ("blob-bin", "***")).DefaultTimeout()).Status);
    }

    [Fact]
    public async Task Trailer_WithLineBreak_InternalInsteadOfAFailure()
    {
        await using var host = await ProbeHost.StartAsync();
        host.Script.Unary = (note, context) =>
        {
            context.ResponseTrailers.Add("x-bad", "a\r\nb");
            return Task.FromResult(note);
        };
        Assert.Equal((int)StatusCode.Internal, (await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout()).Status);
    }
}

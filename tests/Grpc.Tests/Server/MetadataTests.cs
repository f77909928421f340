using Google.Protobuf;
using Grpc.Core;
using Vigil.Testing;
using Xunit;

namespace Vigil.Grpc.Tests.Server;

public sealed class MetadataTests
{
    private static readonly byte[] Bytes = [0, 1, 254, 255];

    [Theory]
    [InlineData("AAH+/w==")]
    [InlineData("AAH+/w")]
    public async Task RequestHeaders_Binary_PaddedOrNot_Decoded(string encoded)
    {
        await using var host = await ProbeHost.StartAsync();
        host.Script.Unary = (_, context) => Task.FromResult(new Note { Data = ByteString.CopyFrom(context.RequestHeaders.GetValueBytes("blob-bin")) });
        var response = await host.Wire.CallAsync(WireClient.Unary, new Note(), ("blob-bin", encoded)).DefaultTimeout();
        Assert.Equal(Bytes, response.Note.Data.ToByteArray());
    }

    [Fact]
    public async Task RequestHeaders_Text_LowerCaseWithoutTransportHeaders()
    {
        await using var host = await ProbeHost.StartAsync();
        Metadata? seen = null;
        host.Script.Unary = (note, context) =>
        {
            seen = context.RequestHeaders;
            return Task.FromResult(note);
        };
        await host.Wire.CallAsync(WireClient.Unary, new Note(), ("X-Name", "value"), ("grpc-accept-encoding", "gzip"), ("authorization", "Bearer t")).DefaultTimeout();
        Assert.Equal("value", seen!.GetValue("x-name"));
        Assert.Equal("Bearer t", seen.GetValue("authorization"));
        Assert.Null(seen.Get("grpc-accept-encoding"));
        Assert.Null(seen.Get("te"));
        Assert.Null(seen.Get("content-type"));
        Assert.DoesNotContain(seen, e => e.Key.StartsWith(':'));
    }

    [Fact]
    public async Task ResponseHeadersAndTrailers_TextAndBinary_Sent()
    {
        await using var host = await ProbeHost.StartAsync();
        host.Script.Unary = async (note, context) =>
        {
            context.ResponseTrailers.Add("x-after", "later");
            context.ResponseTrailers.Add("after-bin", Bytes);
            await context.WriteResponseHeadersAsync(new Metadata { { "x-before", "sooner" }, { "before-bin", Bytes } });
            return note;
        };
        var response = await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout();
        Assert.Equal("sooner", response.Header("x-before"));
        Assert.Equal("AAH+/w", response.Header("before-bin")!.TrimEnd('='));
        Assert.Equal("later", response.Trailer("x-after"));
        Assert.Equal("AAH+/w", response.Trailer("after-bin")!.TrimEnd('='));
        Assert.Equal(0, response.Status);
    }

    [Fact]
    public async Task ResponseHeaders_BeforeFirstMessage_ReachTheCallerAtOnce()
    {
        await using var host = await ProbeHost.StartAsync();
        var release = new TaskCompletionSource();
        host.Script.Expand = async (_, _, context) =>
        {
            await context.WriteResponseHeadersAsync(new Metadata { { "x-before", "sooner" } });
            await release.Task;
        };
        using var call = host.Wire.Open(WireClient.Expand);
        await call.SendAsync(new Note()).DefaultTimeout();
        call.Complete();
        var http = await call.Response.DefaultTimeout();
        Assert.Equal("sooner", http.Headers.GetValues("x-before").Single());
        release.SetResult();
        Assert.Equal(0, (await call.ReadToEndAsync().DefaultTimeout()).Status);
    }

    [Fact]
    public async Task ResponseHeaders_Twice_Throws()
    {
        await using var host = await ProbeHost.StartAsync();
        host.Script.Unary = async (note, context) =>
        {
            await context.WriteResponseHeadersAsync([]);
            await Assert.ThrowsAsync<InvalidOperationException>(() => context.WriteResponseHeadersAsync([]));
            return note;
        };
        Assert.Equal(0, (await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout()).Status);
    }

    [Fact]
    public async Task StatusDetails_InTrailersOfException_SentAsBinary()
    {
        await using var host = await ProbeHost.StartAsync();
        host.Script.Unary = (_, _) => throw new RpcException(new Status(StatusCode.InvalidArgument, "bad"), new Metadata { { "grpc-status-details-bin", Bytes } });
        var response = await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout();
        Assert.Equal((int)StatusCode.InvalidArgument, response.Status);
        Assert.Equal("AAH+/w", response.Find("grpc-status-details-bin")!.TrimEnd('='));
    }

    [Fact]
    public async Task StatusDetails_AfterMessages_InTrailers()
    {
        await using var host = await ProbeHost.StartAsync();
        host.Script.Expand = async (_, notes, _) =>
        {
            await notes.WriteAsync(new Note { Number = 1 });
            throw new RpcException(new Status(StatusCode.Aborted, "half way"), new Metadata { { "grpc-status-details-bin", Bytes } });
        };
        var response = await host.Wire.CallAsync(WireClient.Expand, new Note()).DefaultTimeout();
        Assert.Equal(1, response.Note.Number);
        Assert.False(response.TrailersOnly);
        Assert.Equal("AAH+/w", response.Trailer("grpc-status-details-bin")!.TrimEnd('='));
        Assert.Equal("half way", response.Message);
    }

    [Fact]
    public void Metadata_Keys_CheckedAndLowered()
    {
        var metadata = new Metadata { { "X-Name", "1" }, { "x-name", "2" } };
        Assert.Equal("2", metadata.GetValue("X-NAME"));
        Assert.Equal(["1", "2"], metadata.GetAll("x-name").Select(e => e.Value));
        Assert.Throws<ArgumentException>(() => metadata.Add("x name", "1"));
        Assert.Throws<ArgumentException>(() => metadata.Add("x-bin", "1"));
        Assert.Throws<ArgumentException>(() => metadata.Add("x", new byte[1]));
        Assert.Throws<InvalidOperationException>(() => Metadata.Empty.Add("x", "1"));
    }
}

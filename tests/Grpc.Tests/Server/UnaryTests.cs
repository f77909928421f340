using System.Net;
using System.Net.Http.Headers;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Hosting;
using Vigil.Testing;
using Xunit;

namespace Vigil.Grpc.Tests.Server;

public sealed class UnaryTests
{
    [Fact]
    public async Task Unary_OneMessage_AnsweredWithStatusInTrailers()
    {
        await using var host = await ProbeHost.StartAsync();
        var response = await host.Wire.CallAsync(WireClient.Unary, new Note { Text = "hällo", Number = 7 }).DefaultTimeout();
        Assert.Equal(HttpStatusCode.OK, response.HttpStatus);
        Assert.Equal("application/grpc", response.Http.Content.Headers.ContentType!.MediaType);
        Assert.Equal("hällo", response.Note.Text);
        Assert.Equal("0", response.Trailer("grpc-status"));
        Assert.False(response.TrailersOnly);
        Assert.Null(response.Message);
    }

    [Fact]
    public async Task Unary_EmptyMessage_Answered()
    {
        await using var host = await ProbeHost.StartAsync();
        var response = await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout();
        Assert.Equal(new Note(), response.Note);
        Assert.Empty(response.Frames[0].Payload);
        Assert.Equal(0, response.Status);
    }

    [Fact]
    public async Task Unary_MessageInSmallPieces_Answered()
    {
        await using var host = await ProbeHost.StartAsync();
        using var call = host.Wire.Open(WireClient.Unary);
        foreach (var b in Wire.Frame(new Note { Text = "bit by bit" })) await call.SendAsync([b]).DefaultTimeout();
        call.Complete();
        Assert.Equal("bit by bit", (await call.ReadToEndAsync().DefaultTimeout()).Note.Text);
    }

    [Theory]
    [InlineData(0, "Incomplete message.")]
    [InlineData(3, "Incomplete message.")]
    [InlineData(20, "Incomplete message.")]
    public async Task Unary_BodyCutShort_Internal(int length, string expected)
    {
        await using var host = await ProbeHost.StartAsync();
        var body = Wire.Frame(new Note { Text = "longer than twenty bytes in all" })[..length];
        var response = await host.Wire.CallAsync(WireClient.Unary, body).DefaultTimeout();
        Assert.Equal(((int)StatusCode.Internal, expected), (response.Status, response.Message));
        Assert.True(response.TrailersOnly);
    }

    [Fact]
    public async Task Unary_TwoMessages_Internal()
    {
        await using var host = await ProbeHost.StartAsync();
        byte[] body = [.. Wire.Frame(new Note { Number = 1 }), .. Wire.Frame(new Note { Number = 2 })];
        Assert.Equal((int)StatusCode.Internal, (await host.Wire.CallAsync(WireClient.Unary, body).DefaultTimeout()).Status);
    }

    [Theory]
    [InlineData(StatusCode.Cancelled)]
    [InlineData(StatusCode.Unknown)]
    [InlineData(StatusCode.InvalidArgument)]
    [InlineData(StatusCode.DeadlineExceeded)]
    [InlineData(StatusCode.NotFound)]
    [InlineData(StatusCode.AlreadyExists)]
    [InlineData(StatusCode.PermissionDenied)]
    [InlineData(StatusCode.ResourceExhausted)]
    [InlineData(StatusCode.FailedPrecondition)]
    [InlineData(StatusCode.Aborted)]
    [InlineData(StatusCode.OutOfRange)]
    [InlineData(StatusCode.Unimplemented)]
    [InlineData(StatusCode.Internal)]
    [InlineData(StatusCode.Unavailable)]
    [InlineData(StatusCode.DataLoss)]
    [InlineData(StatusCode.Unauthenticated)]
    public async Task Unary_HandlerThrowsStatus_SentWithPercentEncodedMessage(StatusCode code)
    {
        await using var host = await ProbeHost.StartAsync();
        host.Script.Unary = (_, _) => throw new RpcException(new Status(code, "100% schlecht: 悪い\r\n"));
        var response = await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout();
        Assert.Equal((int)code, response.Status);
        Assert.Equal("100% schlecht: 悪い\r\n", response.Message);
        Assert.StartsWith("100%25 schlecht: %", response.Find("grpc-message"));
        Assert.True(response.TrailersOnly);
        Assert.Empty(response.Frames);
    }

    [Fact]
    public async Task Unary_HandlerSetsStatus_Sent()
    {
        await using var host = await ProbeHost.StartAsync();
        host.Script.Unary = (note, context) =>
        {
            context.Status = new Status(StatusCode.DataLoss, "gone");
            return Task.FromResult(note);
        };
        var response = await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout();
        Assert.Equal(((int)StatusCode.DataLoss, "gone"), (response.Status, response.Message));
    }

    [Fact]
    public async Task Unary_HandlerThrowsAnything_UnknownWithoutDetails()
    {
        await using var host = await ProbeHost.StartAsync();
        host.Script.Unary = (_, _) => throw new InvalidOperationException("secret");
        var response = await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout();
        Assert.Equal(((int)StatusCode.Unknown, "Exception was thrown by handler."), (response.Status, response.Message));
    }

    [Fact]
    public async Task Unary_HandlerThrowsAnythingWithDetailedErrors_UnknownWithDetails()
    {
        await using var host = await ProbeHost.StartAsync(o => o.EnableDetailedErrors = true);
        host.Script.Unary = (_, _) => throw new InvalidOperationException("not a secret");
        var response = await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout();
        Assert.Equal("Exception was thrown by handler. InvalidOperationException: not a secret", response.Message);
    }

    [Fact]
    public async Task Unary_HandlerReturnsNull_Cancelled()
    {
        await using var host = await ProbeHost.StartAsync();
        host.Script.Unary = (_, _) => Task.FromResult<Note>(null!);
        var response = await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout();
        Assert.Equal(((int)StatusCode.Cancelled, "No message returned from method."), (response.Status, response.Message));
    }

    [Theory]
    [InlineData(0, StatusCode.OK)]
    [InlineData(1, StatusCode.ResourceExhausted)]
    public async Task Unary_RequestAtDefaultLimit_AcceptedAndOneByteMoreRefused(int over, StatusCode expected)
    {
        await using var host = await ProbeHost.StartAsync();
        var note = NoteOfSize(4 * 1024 * 1024 + over);
        host.Script.Unary = (n, _) => Task.FromResult(new Note { Number = n.Data.Length });
        var response = await host.Wire.CallAsync(WireClient.Unary, note).DefaultTimeout();
        Assert.Equal((int)expected, response.Status);
        if (expected == StatusCode.OK) Assert.Equal(note.Data.Length, response.Note.Number);
        else Assert.Equal("Received message exceeds the maximum configured message size.", response.Message);
    }

    [Theory]
    [InlineData(0, StatusCode.OK)]
    [InlineData(1, StatusCode.ResourceExhausted)]
    public async Task Unary_ResponseAtLimit_SentAndOneByteMoreRefused(int over, StatusCode expected)
    {
        await using var host = await ProbeHost.StartAsync(o => o.MaxSendMessageSize = 1000);
        host.Script.Unary = (_, _) => Task.FromResult(NoteOfSize(1000 + over));
        Assert.Equal((int)expected, (await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout()).Status);
    }

    [Fact]
    public async Task Unary_LargerThanTheServersBodies_RefusedWhateverTheReceiveLimit()
    {
        await using var host = await ProbeHost.StartAsync(o => o.MaxReceiveMessageSize = null, b => b.WebHost.ConfigureKestrel(k => k.Limits.MaxRequestBodySize = 100_000));
        var response = await host.Wire.CallAsync(WireClient.Unary, new Note { Data = ByteString.CopyFrom(new byte[100_001]) }).DefaultTimeout();
        // The official server passes the web server's refusal on as a failed handler.
        Assert.Contains((StatusCode)response.Status, new[] { StatusCode.ResourceExhausted, StatusCode.Unknown });
        Assert.Empty(response.Frames);
    }

    [Fact]
    public async Task Unary_NoReceiveLimit_40MegabytesAccepted()
    {
        await using var host = await ProbeHost.StartAsync(o => o.MaxReceiveMessageSize = null, b => b.WebHost.ConfigureKestrel(k => k.Limits.MaxRequestBodySize = null));
        host.Script.Unary = (n, _) => Task.FromResult(new Note { Number = n.Data.Length });
        var response = await host.Wire.CallAsync(WireClient.Unary, new Note { Data = ByteString.CopyFrom(new byte[40_000_000]) }).DefaultTimeout();
        Assert.Equal(40_000_000, response.Note.Number);
    }

    [Fact]
    public async Task Call_UnknownMethodOrService_Unimplemented()
    {
        await using var host = await ProbeHost.StartAsync();
        foreach (var path in new[] { "/vigil.probe.v1.Probe/Nothing", "/vigil.probe.v1.Nothing/Unary" })
        {
            var response = await host.Wire.CallAsync(path, new Note()).DefaultTimeout();
            Assert.Equal(HttpStatusCode.OK, response.HttpStatus);
            Assert.Equal((int)StatusCode.Unimplemented, response.Status);
        }
    }

    [Fact]
    public async Task Call_UnknownServiceIgnored_NotFound()
    {
        await using var host = await ProbeHost.StartAsync(o => o.IgnoreUnknownServices = true);
        Assert.Equal(HttpStatusCode.NotFound, (await host.Wire.CallAsync("/vigil.probe.v1.Nothing/Unary", new Note()).DefaultTimeout()).HttpStatus);
    }

    [Theory]
    [InlineData("application/json", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/grpcx", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/grpc+proto", HttpStatusCode.OK)]
    [InlineData("application/grpc;charset=utf-8", HttpStatusCode.OK)]
    public async Task Call_ContentType_CheckedBeforeAnythingElse(string contentType, HttpStatusCode expected)
    {
        await using var host = await ProbeHost.StartAsync();
        var content = new ByteArrayContent(Wire.Frame(new Note()));
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        var response = await host.Wire.SendAsync(WireClient.Request(host.Wire.Address, WireClient.Unary, content)).DefaultTimeout();
        Assert.Equal(expected, response.HttpStatus);
    }

    [Fact]
    public async Task Call_OverHttp1_UpgradeRequired()
    {
        await using var host = await ProbeHost.StartAsync();
        using var http = new HttpClient();
        var content = new ByteArrayContent(Wire.Frame(new Note()));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        using var response = await http.PostAsync(new Uri(host.Http1, WireClient.Unary), content).DefaultTimeout();
        Assert.Equal(HttpStatusCode.UpgradeRequired, response.StatusCode);
        Assert.Equal("13", response.Headers.GetValues("grpc-status").Single());
    }

    [Fact]
    public async Task Call_WithGet_NotFound()
    {
        await using var host = await ProbeHost.StartAsync();
        var request = WireClient.Request(host.Wire.Address, WireClient.Unary, new ByteArrayContent([]));
        request.Method = HttpMethod.Get;
        request.Content = null;
        Assert.Equal(HttpStatusCode.NotFound, (await host.Wire.SendAsync(request).DefaultTimeout()).HttpStatus);
    }

    [Fact]
    public async Task Call_Context_KnowsMethodHostPeerAndHttp()
    {
        await using var host = await ProbeHost.StartAsync();
        (string Method, string Host, string Peer, bool Http, DateTime Deadline, bool Known) seen = default;
        host.Script.Unary = (note, context) =>
        {
            seen = (context.Method, context.Host, context.Peer, context.GetHttpContext().Request.Protocol == "HTTP/2", context.Deadline, context.AuthContext.IsPeerAuthenticated);
            return Task.FromResult(note);
        };
        await host.Wire.CallAsync(WireClient.Unary, new Note()).DefaultTimeout();
        Assert.Equal(WireClient.Unary, seen.Method);
        Assert.Equal(host.Wire.Address.Authority, seen.Host);
        Assert.StartsWith("ipv4:127.0.0.1:", seen.Peer);
        Assert.True(seen.Http);
        Assert.Equal(DateTime.MaxValue, seen.Deadline);
        Assert.False(seen.Known);
    }

    private static Note NoteOfSize(int bytes)
    {
        var note = new Note { Data = ByteString.CopyFrom(new byte[bytes - 16]) };
        note.Text = new string('x', bytes - note.CalculateSize() - 2);
        Assert.Equal(bytes, note.CalculateSize());
        return note;
    }
}

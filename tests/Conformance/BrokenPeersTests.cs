using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;

namespace Vigil.Conformance;

/// <summary>Bytes that are not gRPC, at both ends: a clean error, and the other calls of the same connection go on.</summary>
[Collection(ConformanceCollection.Name)]
public sealed class BrokenPeersTests(ConformanceFixture fixture)
{
    private static readonly byte[] Hello = [0, 0, 0, 0, 7, 18, 5, 104, 101, 108, 108, 111];

    // Where the specification names no status for a caller's broken message, official servers say UNKNOWN and ours INTERNAL.
    private static readonly StatusCode[] Malformed = [StatusCode.Internal, StatusCode.Unknown];

    public static TheoryData<string, byte[], StatusCode[]> BadRequests() => new()
    {
        { "flag", [9, 0, 0, 0, 0], Malformed },
        { "truncated header", [0, 0, 0], Malformed },
        { "truncated payload", [0, 0, 0, 0, 100, 1, 2, 3], Malformed },
        { "length over the limit", [0, 0x10, 0, 0, 0], [StatusCode.ResourceExhausted] },
        { "not protobuf", [0, 0, 0, 0, 3, 0xff, 0xff, 0xff], Malformed },
        { "no message", [], Malformed },
        { "two messages", [.. Hello, .. Hello], Malformed },
        { "packed, no encoding named", [1, 0, 0, 0, 3, 1, 2, 3], Malformed },
    };

    [Theory, MemberData(nameof(BadRequests))]
    public async Task Server_MalformedRequest_CleanErrorAndOthersOnTheConnectionUntouched(string what, byte[] body, StatusCode[] expected)
    {
        _ = what;
        using var handler = new SocketsHttpHandler { EnableMultipleHttp2Connections = false };
        using var channel = GrpcChannel.ForAddress(fixture.Server.Address, new GrpcChannelOptions { HttpHandler = handler });
        using var other = new Conformance.ConformanceClient(channel).Chat();
        await other.RequestStream.WriteAsync(new Ask { Text = "before" }).DefaultTimeout();
        Assert.True(await other.ResponseStream.MoveNext().DefaultTimeout());

        var (status, _) = await PostAsync(handler, body);

        Assert.Contains(status, expected);
        await other.RequestStream.WriteAsync(new Ask { Text = "after" }).DefaultTimeout();
        Assert.True(await other.ResponseStream.MoveNext().DefaultTimeout());
        Assert.Equal("after", other.ResponseStream.Current.Text);
    }

    [Fact]
    public async Task Server_GoodRequestByHand_AnswersWithOneFrame()
    {
        using var handler = new SocketsHttpHandler();
        var (status, body) = await PostAsync(handler, Hello);

        Assert.Equal(StatusCode.OK, status);
        Assert.Equal(Hello, body);
    }

    [Fact]
    public async Task Server_PackedResponse_IsPackedOnTheWire()
    {
        using var handler = new SocketsHttpHandler();
        var ask = new Ask { Payload = ByteString.CopyFrom(new byte[10_000]) }.ToByteArray();
        var (status, body) = await PostAsync(handler, [0, 0, 0, (byte)(ask.Length >> 8), (byte)ask.Length, .. ask], "Packed");

        Assert.Equal(StatusCode.OK, status);
        Assert.Equal(1, body[0]);
        Assert.InRange(body.Length, 10, 1_000);
    }

    [Fact]
    public async Task Server_RequestIsNotGrpc_UnsupportedMediaType()
    {
        using var http = new HttpMessageInvoker(new SocketsHttpHandler());
        using var request = Request("Echo", Hello);
        request.Content!.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var response = await http.SendAsync(request, CancellationToken.None).DefaultTimeout();

        Assert.Equal(HttpStatusCode.UnsupportedMediaType, response.StatusCode);
    }

    private HttpRequestMessage Request(string method, byte[] body)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(fixture.Server.Address, $"/vigil.conformance.v1.Conformance/{method}"))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(body),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        request.Headers.Add("grpc-accept-encoding", "gzip");
        return request;
    }

    private async Task<(StatusCode Status, byte[] Body)> PostAsync(SocketsHttpHandler handler, byte[] body, string method = "Echo")
    {
        using var http = new HttpMessageInvoker(handler, disposeHandler: false);
        using var request = Request(method, body);
        using var response = await http.SendAsync(request, CancellationToken.None).DefaultTimeout();
        var received = await response.Content.ReadAsByteArrayAsync().DefaultTimeout();
        var from = response.Headers.Contains("grpc-status") ? response.Headers : (HttpHeaders)response.TrailingHeaders;
        return ((StatusCode)int.Parse(from.GetValues("grpc-status").Single(), System.Globalization.CultureInfo.InvariantCulture), received);
    }

    [Theory]
    [InlineData("flag", StatusCode.Internal)]
    [InlineData("length", StatusCode.ResourceExhausted)]
    [InlineData("truncated", StatusCode.Internal)]
    // The official client takes protobuf's exception, an IOException, for a lost connection.
    [InlineData("protobuf", StatusCode.Internal, StatusCode.Unavailable)]
    [InlineData("packed", StatusCode.Internal)]
    [InlineData("empty", StatusCode.Internal)]
    [InlineData("twice", StatusCode.Internal)]
    [InlineData("nostatus", StatusCode.Cancelled, StatusCode.Internal)]
    [InlineData("html", StatusCode.Cancelled)]
    [InlineData("401", StatusCode.Unauthenticated)]
    [InlineData("403", StatusCode.PermissionDenied)]
    [InlineData("404", StatusCode.Unimplemented)]
    [InlineData("503", StatusCode.Unavailable)]
    [InlineData("cancel", StatusCode.Cancelled)]
    [InlineData("calm", StatusCode.ResourceExhausted)]
    public async Task Client_BrokenResponse_CleanErrorAndOthersOnTheConnectionUntouched(string what, params StatusCode[] expected)
    {
        using var handler = new SocketsHttpHandler { EnableMultipleHttp2Connections = false };
        using var channel = GrpcChannel.ForAddress(fixture.Server.Address, new GrpcChannelOptions { HttpHandler = handler });
        using var other = new Conformance.ConformanceClient(channel).Chat();
        await other.RequestStream.WriteAsync(new Ask { Text = "before" }).DefaultTimeout();
        Assert.True(await other.ResponseStream.MoveNext().DefaultTimeout());
        var marshaller = Marshallers.Create(m => m.ToByteArray(), Answer.Parser.ParseFrom);
        var method = new Method<Answer, Answer>(MethodType.Unary, "vigil.conformance.v1.Conformance", $"Broken/{what}", marshaller, marshaller);

        var call = channel.CreateCallInvoker().AsyncUnaryCall(method, null, new CallOptions(), new Answer());
        var error = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.DefaultTimeout());

        Assert.Contains(error.StatusCode, expected);
        Assert.Equal(error.StatusCode, call.GetStatus().StatusCode);
        await other.RequestStream.WriteAsync(new Ask { Text = "after" }).DefaultTimeout();
        Assert.True(await other.ResponseStream.MoveNext().DefaultTimeout());
        Assert.Equal("after", other.ResponseStream.Current.Text);
    }

    [Fact]
    public async Task Client_ServerEndsTheCallWhileMessagesAreWritten_ReaderSeesTheServersStatus()
    {
        using var channel = GrpcChannel.ForAddress(fixture.Server.Address);
        var client = new Conformance.ConformanceClient(channel);
        // Whether a write or the status is first is chance.
        for (var round = 0; round < 100; round++)
        {
            using var call = client.Chat();
            var writing = Task.Run(async () =>
            {
                var ask = new Ask { Code = (int)StatusCode.FailedPrecondition, Text = "enough", Payload = ByteString.CopyFrom(new byte[1000]) };
                while (true) await call.RequestStream.WriteAsync(ask);
            });

            var error = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext().DefaultTimeout());

            Assert.Equal((StatusCode.FailedPrecondition, "enough"), (error.StatusCode, error.Status.Detail));
            Assert.NotNull(await Record.ExceptionAsync(() => writing.DefaultTimeout()));
        }
    }

#if !PACKAGESET_OFFICIAL   // whose client takes a connection's end for the stream's, by its code
    [Theory]
    [InlineData(0x0, StatusCode.Unavailable)]         // NO_ERROR
    [InlineData(0x2, StatusCode.Unavailable)]         // INTERNAL_ERROR: Kestrel, past the deadline of its shutdown
    [InlineData(0x1, StatusCode.Internal)]            // PROTOCOL_ERROR
    [InlineData(0xb, StatusCode.ResourceExhausted)]   // ENHANCE_YOUR_CALM
    public async Task Client_ServerClosesWithGoAway_StatusSaysWhetherToTryAgain(byte code, StatusCode expected)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var channel = GrpcChannel.ForAddress($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");
        var call = new Conformance.ConformanceClient(channel).EchoAsync(new Ask()).ResponseAsync;

        using var socket = await listener.AcceptSocketAsync().DefaultTimeout();
        await using var stream = new NetworkStream(socket);
        await stream.ReadExactlyAsync(new byte[24]).DefaultTimeout();   // preface
        var header = new byte[9];
        do
        {
            await stream.ReadExactlyAsync(header).DefaultTimeout();
            await stream.ReadExactlyAsync(new byte[(header[0] << 16) | (header[1] << 8) | header[2]]).DefaultTimeout();
        }
        while (header[3] != 1);   // HEADERS: the call is there
        byte[] settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        byte[] goAway = [0, 0, 8, 7, 0, 0, 0, 0, 0, /* last stream taken */ 0, 0, 0, 1, 0, 0, 0, code];
        await stream.WriteAsync((byte[])[.. settings, .. goAway]).DefaultTimeout();
        socket.Shutdown(SocketShutdown.Send);

        Assert.Equal(expected, (await Assert.ThrowsAsync<RpcException>(() => call.DefaultTimeout())).StatusCode);
    }
#endif
}

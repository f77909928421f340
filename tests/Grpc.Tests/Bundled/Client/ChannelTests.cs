using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Grpc.Net.Client;
using Vigil.Testing;
using Xunit;

namespace Vigil.Grpc.Tests.Bundled.Client;

public sealed class ChannelTests
{
    private static readonly CallCredentials Token = CallCredentials.FromInterceptor((context, metadata) =>
    {
        metadata.Add("authorization", $"for {context.ServiceUrl} {context.MethodName}");
        return Task.CompletedTask;
    });

    [Theory, InlineData(true), InlineData(false)]
    public async Task CallCredentials_WithoutTls_AreSentOnlyWhereTheChannelAllowsIt(bool allowed)
    {
        using var server = new ScriptedServer((_, _, _) => Task.FromResult(ScriptedServer.Answer()));
        var invoker = server.Channel(configure: o => o.UnsafeUseInsecureChannelCallCredentials = allowed).CreateCallInvoker();
        await invoker.AsyncUnaryCall(ScriptedServer.Unary, null, new CallOptions(credentials: Token), []).ResponseAsync.DefaultTimeout();

        var sent = server.Requests.Single().Headers.TryGetValues("authorization", out var values) ? values.Single() : null;
        Assert.Equal(allowed ? "for http://server:1234/test.Service Unary" : null, sent);
    }

    [Fact]
    public async Task CallCredentials_OfTheChannel_AreSentWithEveryCall()
    {
        using var server = new ScriptedServer((_, _, _) => Task.FromResult(ScriptedServer.Answer()));
        using var channel = GrpcChannel.ForAddress("https://server", new GrpcChannelOptions { HttpHandler = server, Credentials = ChannelCredentials.Create(new SslCredentials(), Token) });
        await channel.CreateCallInvoker().AsyncUnaryCall(ScriptedServer.Unary, null, new CallOptions(), []).ResponseAsync.DefaultTimeout();

        Assert.Equal("for https://server/test.Service Unary", server.Requests.Single().Headers.GetValues("authorization").Single());
    }

    [Fact]
    public async Task CallCredentials_Throw_CallFailsAndNothingIsSent()
    {
        using var server = new ScriptedServer((_, _, _) => Task.FromResult(ScriptedServer.Answer()));
        var broken = CallCredentials.FromInterceptor((_, _) => throw new InvalidOperationException("no token"));
        var invoker = server.Channel(configure: o => o.UnsafeUseInsecureChannelCallCredentials = true).CreateCallInvoker();
        var error = await Assert.ThrowsAsync<RpcException>(() => invoker.AsyncUnaryCall(ScriptedServer.Unary, null, new CallOptions(credentials: broken), []).ResponseAsync.DefaultTimeout());

        Assert.Contains("no token", error.Status.Detail, StringComparison.Ordinal);
        Assert.Empty(server.Requests);
    }

    [Theory, InlineData("https://server", false), InlineData("http://server", true)]
    public void Credentials_ThatDoNotFitTheAddress_AreRefused(string address, bool secure) => Assert.Throws<InvalidOperationException>(() =>
        GrpcChannel.ForAddress(address, new GrpcChannelOptions { Credentials = secure ? ChannelCredentials.SecureSsl : ChannelCredentials.Insecure }));

    [Theory, InlineData("server:1234"), InlineData("ftp://server"), InlineData("dns:///server")]
    public void Address_NotHttp_IsRefused(string address) => Assert.Throws<ArgumentException>(() => GrpcChannel.ForAddress(address));

    [Fact]
    public async Task Write_CallRefusedBeforeItsBodyIsAskedFor_FailsWithTheStatusThoughNobodyReads()
    {
        using var server = new ScriptedServer((_, _, _) => Task.FromResult(ScriptedServer.Refusal(StatusCode.ResourceExhausted)));
        using var channel = server.Channel();
        using var call = channel.CreateCallInvoker().AsyncDuplexStreamingCall(ScriptedServer.Duplex, null, new CallOptions());

        var writing = await Assert.ThrowsAsync<RpcException>(() => call.RequestStream.WriteAsync([1]).DefaultTimeout());
        var reading = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout());

        Assert.Equal((StatusCode.ResourceExhausted, StatusCode.ResourceExhausted), (writing.StatusCode, reading.StatusCode));
        Assert.Equal("scripted", reading.Status.Detail);
    }

    [Fact]
    public async Task Write_ClientStreamRefusedBeforeItsBodyIsAskedFor_FailsWithTheStatus()
    {
        using var server = new ScriptedServer((_, _, _) => Task.FromResult(ScriptedServer.Refusal(StatusCode.ResourceExhausted)));
        using var channel = server.Channel();
        using var call = channel.CreateCallInvoker().AsyncClientStreamingCall(ScriptedServer.ClientStream, null, new CallOptions());

        Assert.Equal(StatusCode.ResourceExhausted, (await Assert.ThrowsAsync<RpcException>(() => call.RequestStream.WriteAsync([1]).DefaultTimeout())).StatusCode);
        Assert.Equal(StatusCode.ResourceExhausted, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.DefaultTimeout())).StatusCode);
    }

    [Fact]
    public async Task Dispose_CallsRunning_AreCancelledAndNewOnesRefused()
    {
        using var server = new ScriptedServer((_, _, stop) => ScriptedServer.Never(stop));
        var channel = server.Channel();
        var invoker = channel.CreateCallInvoker();
        var call = invoker.AsyncUnaryCall(ScriptedServer.Unary, null, new CallOptions(), []);

        channel.Dispose();

        Assert.Equal(StatusCode.Cancelled, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.DefaultTimeout())).StatusCode);
        Assert.Throws<ObjectDisposedException>(() => invoker.AsyncUnaryCall(ScriptedServer.Unary, null, new CallOptions(), []));
    }

    [Fact]
    public void BlockingCall_AnswersOnTheCallersThread()
    {
        using var server = new ScriptedServer((_, _, _) => Task.FromResult(ScriptedServer.Answer(4, 2)));

        Assert.Equal([4, 2], server.Channel().CreateCallInvoker().BlockingUnaryCall(ScriptedServer.Unary, null, new CallOptions(), []));
    }

    [Fact]
    public async Task Request_UnknownCompression_FailsWithTheName()
    {
        using var server = new ScriptedServer(async (_, request, stop) =>
        {
            await request.Content!.ReadAsByteArrayAsync(stop);
            return ScriptedServer.Answer();
        });
        var options = new CallOptions(new Metadata { { "grpc-internal-encoding-request", "zstd" } });
        var error = await Assert.ThrowsAsync<RpcException>(() => server.Channel().CreateCallInvoker().AsyncUnaryCall(ScriptedServer.Unary, null, options, []).ResponseAsync.DefaultTimeout());

        Assert.Equal(StatusCode.Internal, error.StatusCode);
        Assert.Contains("zstd", error.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task State_ConnectedThenDisposed_IsToldAndWaitedFor()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var channel = GrpcChannel.ForAddress($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");
        Assert.Equal(ConnectivityState.Idle, channel.State);

        var changed = channel.WaitForStateChangedAsync(ConnectivityState.Idle);
        await channel.ConnectAsync().DefaultTimeout();
        await changed.DefaultTimeout();
        Assert.Equal(ConnectivityState.Ready, channel.State);

        channel.Dispose();
        Assert.Equal(ConnectivityState.Shutdown, channel.State);
    }

    [Fact]
    public void Handler_OfTheChannelsOwn_PingsAndOpensFurtherConnections()
    {
        using var connectivity = new global::Grpc.Net.Client.Internal.Connectivity(new DnsEndPoint("server", 1234), false, TimeProvider.System, TimeSpan.FromSeconds(1), null);
        using var handler = GrpcChannel.CreateHandler(connectivity);

        Assert.True(handler.EnableMultipleHttp2Connections);
        Assert.Equal((TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(30)), (handler.KeepAlivePingDelay, handler.KeepAlivePingTimeout));
        Assert.False(handler.UseProxy);
    }

    [Fact]
    public void State_OfAGivenHandler_IsNotKnown()
    {
        using var server = new ScriptedServer((_, _, _) => Task.FromResult(ScriptedServer.Answer()));

        Assert.Throws<InvalidOperationException>(() => server.Channel().State);
    }

    [Fact]
    public async Task Activity_Listened_CarriesMethodAndStatusAndLeavesTheCallersCurrent()
    {
        var stopped = new List<System.Diagnostics.Activity>();
        using var listener = new System.Diagnostics.ActivityListener
        {
            ShouldListenTo = source => source.Name == "Grpc.Net.Client",
            Sample = (ref System.Diagnostics.ActivityCreationOptions<System.Diagnostics.ActivityContext> _) => System.Diagnostics.ActivitySamplingResult.AllData,
            ActivityStopped = a => { lock (stopped) stopped.Add(a); },
        };
        System.Diagnostics.ActivitySource.AddActivityListener(listener);
        using var parent = new System.Diagnostics.Activity("test").Start();
        using var server = new ScriptedServer((_, _, _) => Task.FromResult(ScriptedServer.Refusal(StatusCode.NotFound)));
        await Assert.ThrowsAsync<RpcException>(() => server.Channel().CreateCallInvoker().AsyncUnaryCall(ScriptedServer.Unary, null, new CallOptions(), []).ResponseAsync.DefaultTimeout());

        Assert.Same(parent, System.Diagnostics.Activity.Current);
        System.Diagnostics.Activity activity;
        lock (stopped) activity = stopped.Single(a => a.ParentId == parent.Id);
        Assert.Equal("/test.Service/Unary", activity.GetTagItem("grpc.method"));
        Assert.Equal("5", activity.GetTagItem("grpc.status_code"));
    }
}

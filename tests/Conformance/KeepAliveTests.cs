using System.Net;
using System.Net.Sockets;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;

namespace Vigil.Conformance;

/// <summary>
/// A peer or a network that dies without a word is found by pings. Those keep to the HTTP/2 stack's own clock, in whole seconds: what is
/// waited for here are signals, which come after one to seven of them.
/// </summary>
public sealed class KeepAliveTests
{
    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(1);

    // On a loaded machine an answer may take its time; too early an end of the call would be a false one.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

#if PACKAGESET_OFFICIAL   // which passes on that its HTTP stack calls this a protocol error
    private const StatusCode Dead = StatusCode.Internal;
#else
    private const StatusCode Dead = StatusCode.Unavailable;
#endif

    private static GrpcChannel Connect(Uri address, TimeSpan? timeout = null) => GrpcChannel.ForAddress(address, new GrpcChannelOptions
    {
        HttpHandler = new SocketsHttpHandler { KeepAlivePingDelay = Delay, KeepAlivePingTimeout = timeout ?? Patience },
        DisposeHttpClient = true,
    });

    private static async Task<StatusCode> StatusOf(Func<Task> call) => (await Assert.ThrowsAsync<RpcException>(() => call().DefaultTimeout())).StatusCode;

    [Fact]
    public async Task Client_CallWithoutTraffic_PingsAndTheCallGoesOn()
    {
        await using var server = await ConformanceServer.StartAsync();
        var pings = new PingCounter(wanted: 3);
        await using var proxy = new TcpProxy(server.Address) { FromClient = pings.Read };
        using var channel = Connect(proxy.Address, TimeSpan.FromSeconds(25));
        var call = new Conformance.ConformanceClient(channel).WaitAsync(new Ask { Probe = "quiet" });

        await pings.Reached.DefaultTimeout();

        server.Probes["quiet"].Release();
        Assert.Equal("released", (await call.ResponseAsync.DefaultTimeout()).Text);
    }

    [Fact]
    public async Task Client_NetworkGoesDead_EveryKindOfCallIsUnavailableAndTheNextWorks()
    {
        await using var server = await ConformanceServer.StartAsync();
        await using var proxy = new TcpProxy(server.Address);
        using var channel = Connect(proxy.Address);
        var client = new Conformance.ConformanceClient(channel);
        var unary = client.WaitAsync(new Ask { Probe = "unary" });
        using var collect = client.CollectLate(new Metadata { { "probe", "collect" } });
        using var expand = client.Expand(new Ask { Probe = "expand", Count = 1_000, Size = 100_000 });
        using var chat = client.Chat(new Metadata { { "probe", "chat" } });
        await Task.WhenAll(new[] { "unary", "collect", "expand", "chat" }.Select(p => server.Probes[p].Started)).DefaultTimeout();
        await chat.RequestStream.WriteAsync(new Ask { Text = "before" }).DefaultTimeout();
        Assert.True(await chat.ResponseStream.MoveNext().DefaultTimeout());

        proxy.Kill();

        Assert.Equal(Dead, await StatusOf(() => unary.ResponseAsync));
        Assert.Equal(Dead, await StatusOf(() => collect.ResponseAsync));
        Assert.Equal(Dead, await StatusOf(() => chat.ResponseStream.MoveNext()));
        Assert.Equal(Dead, await StatusOf(() => chat.RequestStream.WriteAsync(new Ask())));
        Assert.Equal(Dead, await StatusOf(async () =>
        {
            // First what had arrived.
            while (await expand.ResponseStream.MoveNext())
            {
            }
        }));
        Assert.Equal("again", (await client.EchoAsync(new Ask { Text = "again" }).ResponseAsync.DefaultTimeout()).Text);
    }

    [Fact]
    public async Task Client_PeerThatTakesTheConnectionAndNeverSaysAWord_Unavailable()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        using var channel = Connect(new Uri($"http://127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}"), Delay);
        var client = new Conformance.ConformanceClient(channel);

        Assert.Equal(Dead, await StatusOf(() => client.EchoAsync(new Ask()).ResponseAsync));
    }

    [Fact]
    public async Task Server_CallerGoesDead_ItsCallsAreCancelledAndOthersGoOn()
    {
        await using var server = await ConformanceServer.StartAsync(k =>
        {
            k.Limits.Http2.KeepAlivePingDelay = Delay;
            k.Limits.Http2.KeepAlivePingTimeout = Patience;
        });
        await using var proxy = new TcpProxy(server.Address);
        // These do not ping; it is the server's turn.
        using var dying = GrpcChannel.ForAddress(proxy.Address, new GrpcChannelOptions { HttpHandler = new SocketsHttpHandler(), DisposeHttpClient = true });
        using var living = GrpcChannel.ForAddress(server.Address, new GrpcChannelOptions { HttpHandler = new SocketsHttpHandler(), DisposeHttpClient = true });
        using var lost = new Conformance.ConformanceClient(dying).Chat(new Metadata { { "probe", "lost" } });
        using var kept = new Conformance.ConformanceClient(living).Chat(new Metadata { { "probe", "kept" } });
        await Task.WhenAll(server.Probes["lost"].Started, server.Probes["kept"].Started).DefaultTimeout();

        proxy.Kill();

        await server.Probes["lost"].Cancelled.DefaultTimeout();
        Assert.False(server.Probes["kept"].Cancelled.IsCompleted);
        await kept.RequestStream.WriteAsync(new Ask { Text = "here" }).DefaultTimeout();
        Assert.True(await kept.ResponseStream.MoveNext().DefaultTimeout());
    }
}

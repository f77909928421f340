using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Configuration;

namespace Vigil.Conformance;

/// <summary>A server that stops with calls in progress: it lets them go on until its deadline, and takes no new ones.</summary>
public sealed class DrainTests
{
#if PACKAGESET_OFFICIAL   // Kestrel's last word is INTERNAL_ERROR, which the official client passes on where it arrives before the connection's end
    private const StatusCode LastWord = StatusCode.Internal;
#else
    private const StatusCode LastWord = StatusCode.Unavailable;
#endif

    private static async Task AssertUnavailableAsync(Func<Task> call) =>
        Assert.Contains((await Assert.ThrowsAsync<RpcException>(() => call().DefaultTimeout())).StatusCode, new[] { StatusCode.Unavailable, LastWord });

    private static GrpcChannel Retrying(Uri address) => GrpcChannel.ForAddress(address, new GrpcChannelOptions
    {
        ServiceConfig = new ServiceConfig
        {
            MethodConfigs =
            {
                new MethodConfig
                {
                    Names = { MethodName.Default },
                    RetryPolicy = new RetryPolicy { MaxAttempts = 5, InitialBackoff = TimeSpan.FromMilliseconds(10), MaxBackoff = TimeSpan.FromMilliseconds(50), BackoffMultiplier = 2, RetryableStatusCodes = { StatusCode.Unavailable, LastWord } },
                },
            },
        },
    });

    /// <summary>From here on nobody new gets in.</summary>
    private static async Task<Task> BeginStopAsync(ConformanceServer server, CancellationToken deadline)
    {
        var stopping = server.StopAsync(deadline);
        using var fresh = GrpcChannel.ForAddress(server.Address);
        await UntilRefusedAsync(new Conformance.ConformanceClient(fresh));
        return stopping;
    }

    // The listener closes, and connections are told, at the server's own pace.
    private static Task UntilRefusedAsync(Conformance.ConformanceClient client) => Waiting.Until(async () =>
    {
        try
        {
            await client.EchoAsync(new Ask());
            return false;
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable)
        {
            return true;
        }
    }, "new calls are refused");

    [Fact]
    public async Task Stop_CallsThatEndInTime_EndAsTheyWouldHave()
    {
        await using var server = await ConformanceServer.StartAsync();
        using var channel = GrpcChannel.ForAddress(server.Address);
        var client = new Conformance.ConformanceClient(channel);
        var unary = client.WaitAsync(new Ask { Probe = "unary" });
        using var collect = client.CollectLate(new Metadata { { "probe", "collect" } });
        using var expand = client.Expand(new Ask { Probe = "expand", Count = 500, Size = 20_000 });
        using var chat = client.Chat(new Metadata { { "probe", "chat" } });
        await Task.WhenAll(new[] { "unary", "collect", "expand", "chat" }.Select(p => server.Probes[p].Started)).DefaultTimeout();
        await collect.RequestStream.WriteAsync(new Ask { Payload = ByteString.CopyFrom(new byte[10]) }).DefaultTimeout();

        var stopping = await BeginStopAsync(server, CancellationToken.None);

        await UntilRefusedAsync(client);
        server.Probes["unary"].Release();
        server.Probes["collect"].Release();
        for (var i = 0; i < 99; i++) await collect.RequestStream.WriteAsync(new Ask { Payload = ByteString.CopyFrom(new byte[10]) }).DefaultTimeout();
        await collect.RequestStream.CompleteAsync();
        for (var i = 0; i < 100; i++)
        {
            await chat.RequestStream.WriteAsync(new Ask { Count = i }).DefaultTimeout();
            Assert.True(await chat.ResponseStream.MoveNext().DefaultTimeout());
        }
        var expanded = 0;
        while (await expand.ResponseStream.MoveNext().DefaultTimeout()) expanded++;
        Assert.False(stopping.IsCompleted);
        await chat.RequestStream.CompleteAsync();

        Assert.False(await chat.ResponseStream.MoveNext().DefaultTimeout());
        Assert.Equal("released", (await unary.ResponseAsync.DefaultTimeout()).Text);
        var collected = await collect.ResponseAsync.DefaultTimeout();
        Assert.Equal((100L, 1000L, 500), (collected.Number, collected.Total, expanded));
        await stopping.DefaultTimeout();
    }

    [Fact]
    public async Task Stop_CallsPastTheDeadline_AreUnavailableAndTheirHandlersCancelled()
    {
        await using var server = await ConformanceServer.StartAsync();
        using var channel = GrpcChannel.ForAddress(server.Address);
        using var deadline = new CancellationTokenSource();
        var client = new Conformance.ConformanceClient(channel);
        var unary = client.WaitAsync(new Ask { Probe = "unary" });
        using var collect = client.CollectLate(new Metadata { { "probe", "collect" } });
        // A reader that does not read: the server is in the middle of a message.
        using var expand = client.Expand(new Ask { Probe = "expand", Count = 1_000, Size = 200_000 });
        using var chat = client.Chat(new Metadata { { "probe", "chat" } });
        string[] probes = ["unary", "collect", "expand", "chat"];
        await Task.WhenAll(probes.Select(p => server.Probes[p].Started)).DefaultTimeout();
        await chat.RequestStream.WriteAsync(new Ask()).DefaultTimeout();
        Assert.True(await chat.ResponseStream.MoveNext().DefaultTimeout());
        // A writer that the server does not read: it is held back by flow control, in the middle of a message.
        var writing = Task.Run(async () =>
        {
            while (true) await collect.RequestStream.WriteAsync(new Ask { Payload = ByteString.CopyFrom(new byte[200_000]) });
        });

        var stopping = await BeginStopAsync(server, deadline.Token);
        Assert.All(probes, p => Assert.False(server.Probes[p].Cancelled.IsCompleted));
        await deadline.CancelAsync();

        await stopping.DefaultTimeout();
        await Task.WhenAll(probes.Select(p => server.Probes[p].Cancelled)).DefaultTimeout();
        await AssertUnavailableAsync(() => unary.ResponseAsync);
        await AssertUnavailableAsync(() => collect.ResponseAsync);
        var unwritten = await Record.ExceptionAsync(() => writing.DefaultTimeout());
#if PACKAGESET_OFFICIAL   // whose writer may throw what its HTTP stack does
        Assert.True(unwritten is RpcException or IOException, unwritten?.ToString());
#else
        Assert.Equal(StatusCode.Unavailable, Assert.IsType<RpcException>(unwritten).StatusCode);
#endif
        await AssertUnavailableAsync(() => chat.ResponseStream.MoveNext());
        await AssertUnavailableAsync(async () =>
        {
            // First what had arrived.
            while (await expand.ResponseStream.MoveNext())
            {
            }
        });
    }

    [Fact]
    public async Task Stop_CallPastTheDeadline_IsRetriedAtTheServerThatTookOver()
    {
        await using var old = await ConformanceServer.StartAsync();
        await using var next = await ConformanceServer.StartAsync();
        await using var proxy = new TcpProxy(old.Address);
        using var channel = Retrying(proxy.Address);
        using var deadline = new CancellationTokenSource();
        var client = new Conformance.ConformanceClient(channel);
        var call = client.WaitAsync(new Ask { Probe = "moved" });
        await old.Probes["moved"].Started.DefaultTimeout();

        proxy.Target = next.Address;
        var stopping = await BeginStopAsync(old, deadline.Token);
        // What is called from now on goes to the other at once; what is under way, when its server gives it up.
        Assert.Equal("new", (await client.EchoAsync(new Ask { Text = "new" }).ResponseAsync.DefaultTimeout()).Text);
        Assert.False(next.Probes["moved"].Started.IsCompleted);
        await deadline.CancelAsync();
        await stopping.DefaultTimeout();

        await next.Probes["moved"].Started.DefaultTimeout();
        next.Probes["moved"].Release();
        Assert.Equal("released", (await call.ResponseAsync.DefaultTimeout()).Text);
    }

    [Fact]
    public async Task Restart_OnTheSamePort_TheSameChannelGoesOn()
    {
        var old = await ConformanceServer.StartAsync();
        using var channel = GrpcChannel.ForAddress(old.Address);
        var client = new Conformance.ConformanceClient(channel);
        await client.EchoAsync(new Ask()).ResponseAsync.DefaultTimeout();
        await old.StopAsync().DefaultTimeout();
        await old.DisposeAsync();
        await AssertUnavailableAsync(() => client.EchoAsync(new Ask()).ResponseAsync);

        await using var next = await ConformanceServer.StartAsync(port: old.Address.Port);

        // The official channel does not try to connect for a second after a failure.
        Assert.Equal("again", (await client.EchoAsync(new Ask { Text = "again" }, new CallOptions().WithWaitForReady()).ResponseAsync.DefaultTimeout()).Text);
    }
}

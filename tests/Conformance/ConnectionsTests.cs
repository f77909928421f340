using Grpc.Core;
using Grpc.Net.Client;

namespace Vigil.Conformance;

/// <summary>More calls at once than one connection may carry (HTTP/2's SETTINGS_MAX_CONCURRENT_STREAMS).</summary>
public sealed class ConnectionsTests
{
    private const int PerConnection = 5;

    private static Task<ConformanceServer> StartAsync() => ConformanceServer.StartAsync(k => k.Limits.Http2.MaxStreamsPerConnection = PerConnection);

    [Fact]
    public async Task Channel_MoreStreamsThanAConnectionTakes_OpensFurtherOnesAndNoCallWaits()
    {
        await using var server = await StartAsync();
        using var channel = GrpcChannel.ForAddress(server.Address);
        var client = new Conformance.ConformanceClient(channel);
        // The server's limit is known with its first answer.
        await client.EchoAsync(new Ask()).ResponseAsync.DefaultTimeout();
        var streams = new List<AsyncDuplexStreamingCall<Ask, Answer>>();
        for (var i = 0; i < 3 * PerConnection; i++)
        {
            var stream = client.Chat(new Metadata { { "probe", "long" } });
            streams.Add(stream);
            await RoundTripAsync(stream);
        }
        Assert.Equal([PerConnection, PerConnection, PerConnection], server.Probes["long"].Connections.Values);

        // All three are full.
        Assert.Equal("not queued", (await client.EchoAsync(new Ask { Text = "not queued" }).ResponseAsync.DefaultTimeout()).Text);
        foreach (var stream in streams) await RoundTripAsync(stream);
        foreach (var stream in streams) stream.Dispose();
    }

#if !PACKAGESET_OFFICIAL   // whose client loses a stream that the server would not take on its first connection
    [Fact]
    public async Task Channel_BurstBeforeTheLimitIsKnown_WhatTheServerRefusesMovesToAnotherConnection()
    {
        await using var server = await StartAsync();
        using var channel = GrpcChannel.ForAddress(server.Address);
        var client = new Conformance.ConformanceClient(channel);
        var probe = server.Probes["burst"];
        var calls = Enumerable.Range(0, PerConnection).Select(_ => client.WaitAsync(new Ask { Probe = "burst" }).ResponseAsync).ToArray();
        var streams = Enumerable.Range(0, 2 * PerConnection).Select(_ => client.Chat(new Metadata { { "probe", "burst" } })).ToArray();
        // .NET tries a call on four connections at most. A stream that has sent something cannot move any more.
        await Waiting.Until(() => Task.FromResult(probe.Connections.Values.Sum() == 3 * PerConnection), "every call has begun");
        foreach (var stream in streams) await RoundTripAsync(stream);
        probe.Release();

        Assert.All(await Task.WhenAll(calls).DefaultTimeout(), a => Assert.Equal("released", a.Text));
        Assert.Equal([PerConnection, PerConnection, PerConnection], probe.Connections.Values);
        foreach (var stream in streams) stream.Dispose();
    }
#endif

    [Fact]
    public async Task Channel_ToldToKeepToOneConnection_CallWaitsForAFreeStream()
    {
        await using var server = await StartAsync();
        using var channel = GrpcChannel.ForAddress(server.Address, new GrpcChannelOptions { HttpHandler = new SocketsHttpHandler { EnableMultipleHttp2Connections = false }, DisposeHttpClient = true });
        var client = new Conformance.ConformanceClient(channel);
        await client.EchoAsync(new Ask()).ResponseAsync.DefaultTimeout();
        var waiting = Enumerable.Range(0, PerConnection).Select(i => client.WaitAsync(new Ask { Probe = $"{i}" }).ResponseAsync).ToArray();
        await Task.WhenAll(Enumerable.Range(0, PerConnection).Select(i => server.Probes[$"{i}"].Started)).DefaultTimeout();
        var queued = client.EchoAsync(new Ask { Text = "at last" }).ResponseAsync;

        server.Probes["0"].Release();

        Assert.Equal("at last", (await queued.DefaultTimeout()).Text);
        Assert.Single(server.Probes["1"].Connections);
        for (var i = 1; i < PerConnection; i++) server.Probes[$"{i}"].Release();
        await Task.WhenAll(waiting).DefaultTimeout();
    }

    private static async Task RoundTripAsync(AsyncDuplexStreamingCall<Ask, Answer> stream)
    {
        await stream.RequestStream.WriteAsync(new Ask { Text = "there" }).DefaultTimeout();
        Assert.True(await stream.ResponseStream.MoveNext().DefaultTimeout());
    }
}

using Grpc.Core;
using Vigil.Testing;
using Xunit;

namespace Vigil.Client.Tests;

public sealed class MetricsPusherTests
{
    private static readonly MetricsPusherOptions Quick = new()
    {
        Labels = new Dictionary<string, string> { ["job"] = "test" },
        ReconnectDelay = TimeSpan.FromMilliseconds(1),
        MaxReconnectDelay = TimeSpan.FromMilliseconds(20),
    };

    [Fact]
    public async Task FlushDurable_ServerAcknowledges_EverythingRecordedIsStored()
    {
        await using var server = await FakeIngestServer.StartAsync();
        using var client = Client(server.Address);
        await using var pusher = client.OpenPusher(Quick);
        var a = pusher.Declare("a");
        pusher.Record(a, 1, DateTimeOffset.FromUnixTimeMilliseconds(1000));
        pusher.Record(pusher.Declare("b"), 2, DateTimeOffset.FromUnixTimeMilliseconds(900));
        await pusher.FlushDurableAsync().DefaultTimeout();
        pusher.Record(pusher.Declare("a"), 3, DateTimeOffset.FromUnixTimeMilliseconds(2000));
        await pusher.FlushDurableAsync().DefaultTimeout();

        Assert.Equal([("a", 1000, 1), ("b", 900, 2)], server.Ingest.Stored[(pusher.StreamId, 1)]);
        Assert.Equal([("a", 2000, 3)], server.Ingest.Stored[(pusher.StreamId, 2)]);
        Assert.Equal(new PusherStatistics(3, 3, 0, 0, 0, 0), pusher.Statistics);
    }

    [Fact]
    public async Task Connection_BrokenBeforeTheAck_ResendsUnderTheSameNumbers()
    {
        var fake = new FakeIngest { Behaviour = (connection, sequence) => connection < 4 && sequence % 3 == 0 ? Answer.BreakBeforeAck : Answer.Ack };
        await using var server = await FakeIngestServer.StartAsync(fake);
        using var client = Client(server.Address);
        await using var pusher = client.OpenPusher(Quick with { MaxSamplesPerFrame = 10 });
        var series = pusher.Declare("a");
        for (var i = 0; i < 1000; i++) pusher.Record(series, i);
        await pusher.FlushDurableAsync().DefaultTimeout();

        Assert.Equal(100, fake.Stored.Count);
        Assert.Equal(Enumerable.Range(0, 1000).Select(i => (double)i), fake.Stored.OrderBy(s => s.Key.Sequence).SelectMany(s => s.Value).Select(s => s.Value));
        Assert.True(fake.Received.Count > 100, "nothing was sent again");
        Assert.Equal(3, pusher.Statistics.Reconnects);
    }

    [Fact]
    public async Task Network_DeadWithoutAWord_IsFoundByPingsAndWhatWasNotAcknowledgedIsSentAgain()
    {
        await using var server = await FakeIngestServer.StartAsync();
        await using var proxy = new TcpProxy(server.Address);
        using var client = new VigilClient(new VigilClientOptions { MetricsAddress = proxy.Address, KeepAlivePingDelay = TimeSpan.FromSeconds(1), KeepAlivePingTimeout = TimeSpan.FromSeconds(5) });
        await using var pusher = client.OpenPusher(Quick);
        var series = pusher.Declare("a");
        pusher.Record(series, 1);
        await pusher.FlushDurableAsync().DefaultTimeout();

        proxy.Kill();
        pusher.Record(series, 2);
        await pusher.FlushDurableAsync().DefaultTimeout();

        Assert.Equal([1ul, 2ul], server.Ingest.Received);
        Assert.Equal(1, pusher.Statistics.Reconnects);
    }

    [Theory]
    [InlineData(0.9, 10)]
    [InlineData(30, 0.9)]
    public void KeepAlive_UnderASecond_IsRefused(double delay, double timeout) => Assert.Throws<ArgumentOutOfRangeException>(() =>
        new VigilClient(new VigilClientOptions { KeepAlivePingDelay = TimeSpan.FromSeconds(delay), KeepAlivePingTimeout = TimeSpan.FromSeconds(timeout) }));

    [Fact]
    public async Task Dispose_WhileSomebodyWaitsForTheAck_FailsTheWait()
    {
        await using var server = await FakeIngestServer.StartAsync(new FakeIngest { Behaviour = (_, _) => Answer.AckAfterSignal });
        using var client = Client(server.Address);
        var pusher = client.OpenPusher(Quick);
        pusher.Record(pusher.Declare("a"), 1);
        var flushed = pusher.FlushDurableAsync();
        await pusher.DisposeAsync().AsTask().DefaultTimeout();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => flushed.DefaultTimeout());
    }

    [Fact]
    public async Task Callback_ThatThrows_FailsTheWaitInsteadOfLeavingItForEver()
    {
        await using var server = await FakeIngestServer.StartAsync(new FakeIngest { Behaviour = (_, _) => Answer.Refuse });
        using var client = Client(server.Address);
        await using var pusher = client.OpenPusher(Quick with { OnRefused = _ => throw new NotSupportedException("mine") });
        pusher.Record(pusher.Declare("a"), 1);
        Assert.Equal("mine", (await Assert.ThrowsAsync<NotSupportedException>(() => pusher.FlushDurableAsync().DefaultTimeout())).Message);
    }

    [Fact]
    public async Task Server_ComesUpLater_GetsWhatWasRecordedMeanwhile()
    {
        Uri address;
        await using (var first = await FakeIngestServer.StartAsync()) address = first.Address;
        var lost = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var client = Client(address);
        await using var pusher = client.OpenPusher(Quick with { OnConnection = e => { if (e is not null) lost.TrySetResult(); } });
        pusher.Record(pusher.Declare("a"), 1);
        var flushed = pusher.FlushDurableAsync();
        await lost.Task.DefaultTimeout();
        await using var server = await FakeIngestServer.StartAsync(port: address.Port);
        await flushed.DefaultTimeout();
        Assert.Single(server.Ingest.Stored);
    }

    [Theory]
    [InlineData(StatusCode.Unauthenticated)]
    [InlineData(StatusCode.PermissionDenied)]
    [InlineData(StatusCode.InvalidArgument)]
    public async Task Server_TurnsTheStreamAwayForGood_FlushThrowsItsStatus(StatusCode status)
    {
        await using var server = await FakeIngestServer.StartAsync(new FakeIngest { TurnAway = new Status(status, "no") });
        using var client = Client(server.Address);
        await using var pusher = client.OpenPusher(Quick);
        pusher.Record(pusher.Declare("a"), 1);
        var thrown = await Assert.ThrowsAsync<RpcException>(() => pusher.FlushDurableAsync().DefaultTimeout());
        Assert.Equal(status, thrown.StatusCode);
        Assert.Equal(1, server.Ingest.Connections);
    }

    [Fact]
    public async Task Flush_MoreThanMayBeKept_WaitsForAnAcknowledgement()
    {
        var fake = new FakeIngest { Behaviour = (_, sequence) => sequence == 1 ? Answer.AckAfterSignal : Answer.Ack };
        await using var server = await FakeIngestServer.StartAsync(fake);
        using var client = Client(server.Address);
        await using var pusher = client.OpenPusher(Quick with { MaxSamplesPerFrame = 5, MaxUnacknowledgedSamples = 10 });
        var series = pusher.Declare("a");
        for (var i = 0; i < 10; i++) pusher.Record(series, i);
        await pusher.FlushAsync().DefaultTimeout();
        pusher.Record(series, 10);
        var full = pusher.FlushAsync();
        Assert.False(full.IsCompleted);
        fake.Signal.SetResult();
        await full.DefaultTimeout();
    }

    [Fact]
    public async Task Refusal_IsToldAndCounted_AndTheRestIsStored()
    {
        var refusals = new List<RefusedSamples>();
        await using var server = await FakeIngestServer.StartAsync(new FakeIngest { Behaviour = (_, _) => Answer.Refuse });
        using var client = Client(server.Address);
        await using var pusher = client.OpenPusher(Quick with { OnRefused = refusals.Add });
        pusher.Record(pusher.Declare("x"), 1);
        pusher.Record(pusher.Declare("y"), 1);
        await pusher.FlushDurableAsync().DefaultTimeout();
        Assert.Equal(new RefusedSamples("x", "TooOld", "x: older than 1 h", 1), Assert.Single(refusals));
        Assert.Equal((1, 1), (pusher.Statistics.Accepted, pusher.Statistics.Refused));
    }

    [Theory]
    [InlineData(int.MaxValue, true)]
    [InlineData(1, false)]
    public async Task Refusal_OfSeriesTheServerForgot_DeclaresThemAnewAndSendsTheirSamplesAgain(int maxListed, bool allNamed)
    {
        var refusals = new List<RefusedSamples>();
        var fake = new FakeIngest { Forgets = sequence => sequence == 2 ? [1, 3] : [], MaxListed = maxListed };
        await using var server = await FakeIngestServer.StartAsync(fake);
        using var client = Client(server.Address);
        await using var pusher = client.OpenPusher(Quick with { OnRefused = refusals.Add });
        var series = new[] { pusher.Declare("a"), pusher.Declare("b"), pusher.Declare("c") };
        foreach (var s in series) pusher.Record(s, 1, DateTimeOffset.FromUnixTimeMilliseconds(1000));
        await pusher.FlushDurableAsync().DefaultTimeout();
        foreach (var s in series) pusher.Record(s, 2, DateTimeOffset.FromUnixTimeMilliseconds(2000));

        // All of it is durable: also what has to be sent again for that.
        await pusher.FlushDurableAsync().DefaultTimeout();

        Assert.Equal([("b", 2000, 2)], fake.Stored[(pusher.StreamId, 2)]);
        // Where not all are named, those that may be meant are sent again too: the server knows them by their moment.
        Assert.Equal(allNamed ? [("a", 2000L, 2.0), ("c", 2000, 2)] : [("a", 2000, 2), ("b", 2000, 2), ("c", 2000, 2)], fake.Stored[(pusher.StreamId, 3)]);
        Assert.Equal(allNamed ? [1, 2, 3, 1, 3] : [1, 2, 3, 1, 2, 3], fake.Declared.Select(n => (int)n));
        Assert.Empty(refusals);
        Assert.Equal((2L, 0L, 0L), (pusher.Statistics.Resent, pusher.Statistics.Refused, pusher.Statistics.Unacknowledged));
    }

    [Fact]
    public async Task Refusal_OfSeriesTheServerGoesOnForgetting_IsFinalAfterThreeMoreTimes()
    {
        var refusals = new List<RefusedSamples>();
        var fake = new FakeIngest { Forgets = _ => [1] };
        await using var server = await FakeIngestServer.StartAsync(fake);
        using var client = Client(server.Address);
        await using var pusher = client.OpenPusher(Quick with { OnRefused = refusals.Add });
        pusher.Record(pusher.Declare("a"), 1);

        await pusher.FlushDurableAsync().DefaultTimeout();

        Assert.Equal([1ul, 2, 3, 4], fake.Received.ToArray());
        Assert.Equal(("series 1", "UndeclaredSeries", 1L), (Assert.Single(refusals).Series, refusals[0].Reason, refusals[0].Samples));
        Assert.Equal((3L, 1L, 0L), (pusher.Statistics.Resent, pusher.Statistics.Refused, pusher.Statistics.Unacknowledged));
    }

    [Fact]
    public async Task Connection_BrokenAfterSeriesWereForgotten_LosesNothing()
    {
        var fake = new FakeIngest
        {
            Forgets = sequence => sequence == 2 ? [1] : [],
            Behaviour = (connection, sequence) => connection == 1 && sequence == 3 ? Answer.BreakBeforeAck : Answer.Ack,
        };
        await using var server = await FakeIngestServer.StartAsync(fake);
        using var client = Client(server.Address);
        await using var pusher = client.OpenPusher(Quick);
        var series = pusher.Declare("a");
        for (var i = 1; i <= 2; i++)
        {
            pusher.Record(series, i, DateTimeOffset.FromUnixTimeMilliseconds(i * 1000));
            await pusher.FlushDurableAsync().DefaultTimeout();
        }

        Assert.Equal([("a", 2000, 2)], fake.Stored[(pusher.StreamId, 3)]);
        Assert.Equal((1L, 1L, 0L), (pusher.Statistics.Resent, pusher.Statistics.Reconnects, pusher.Statistics.Refused));
    }

    [Fact]
    public async Task Dispose_AfterAFlush_SendsTheRestAndEndsTheStreamCleanly()
    {
        await using var server = await FakeIngestServer.StartAsync();
        using var client = Client(server.Address);
        var opened = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var pusher = client.OpenPusher(Quick with { OnConnection = e => { if (e is null) opened.TrySetResult(); } });
        await opened.Task.DefaultTimeout();
        pusher.Record(pusher.Declare("a"), 1);
        await pusher.FlushAsync().DefaultTimeout();
        await pusher.DisposeAsync().DefaultTimeout();
        Assert.Single(server.Ingest.Stored);
        await server.Ingest.EndedCleanly.Task.DefaultTimeout();
    }

    [Fact]
    public async Task Record_FromManyThreads_EverySampleArrivesOnce()
    {
        await using var server = await FakeIngestServer.StartAsync();
        using var client = Client(server.Address);
        await using var pusher = client.OpenPusher(Quick with { MaxSamplesPerFrame = 100 });
        await Task.WhenAll(Enumerable.Range(0, 4).Select(t => Task.Run(async () =>
        {
            var series = pusher.Declare("s" + t);
            for (var i = 0; i < 2500; i++) pusher.Record(series, i);
            await pusher.FlushDurableAsync();
        }))).DefaultTimeout();
        var values = server.Ingest.Stored.Values.SelectMany(s => s).GroupBy(s => s.Series).ToDictionary(g => g.Key, g => g.Select(s => s.Value).Order());
        Assert.Equal(4, values.Count);
        Assert.All(values.Values, v => Assert.Equal(Enumerable.Range(0, 2500).Select(i => (double)i), v));
    }

    [Theory]
    [InlineData(0, 10)]
    [InlineData(65_537, 100_000)]
    [InlineData(100, 99)]
    public void Options_OutOfRange_AreRefusedByName(int perFrame, int kept)
    {
        using var client = Client(new Uri("http://127.0.0.1:9"));
        Assert.Throws<ArgumentOutOfRangeException>(() => client.OpenPusher(new MetricsPusherOptions { MaxSamplesPerFrame = perFrame, MaxUnacknowledgedSamples = kept }));
    }

    private static VigilClient Client(Uri address) => new(new VigilClientOptions { MetricsAddress = address });
}

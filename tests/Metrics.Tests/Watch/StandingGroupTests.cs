using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Tests.Api;
using Vigil.Metrics.Tests.Service;
using Vigil.Metrics.V1;
using Vigil.Metrics.Watch;
using Vigil.ServiceDefaults;
using Vigil.Testing;
using Xunit;
using Write1 = Prometheus.Write.V1;

namespace Vigil.Metrics.Tests.Watch;

/// <summary>Groups of expressions that are kept up to date from sample to sample: what they are told, what they miss, and what they hand over.</summary>
public sealed class StandingGroupTests
{
    private readonly FakeClock clock = new();

    private long Now => clock.GetUtcNow().ToUnixTimeMilliseconds();

    [Fact]
    public async Task StandingGroup_SamplesAndTime_GiveTheValueWithItsCause()
    {
        await using var host = await MetricsHost.StartAsync(clock: clock);
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync(1, "m");
        await client.SendAsync(1, (1, Now - 10_000, 1));
        await client.AckAsync();
        var group = Group(host);
        var first = Assert.Single((await group.NextAsync(Poll("avg_over_time(m[30s]) > 0", "sum(avg_over_time(m[30s]))"))).Changes, c => c.Watch == 1).Value!;
        Assert.Equal((1, 1, 0), (Assert.Single(first.Vector).Value, first.InputSeries, first.CauseReceivedUnixUs));

        await client.SendAsync(2, (1, Now, 3));
        await client.AckAsync();
        var second = await NextAsync(group, 2);
        Assert.Equal((2, Now * 1000), (Assert.Single(second.Vector).Value, second.CauseReceivedUnixUs));

        // A late one finds its place.
        await client.SendAsync(3, (1, Now - 5_000, 5));
        await client.AckAsync();
        Assert.Equal(3, Assert.Single((await NextAsync(group, 1)).Vector).Value);

        // The first leaves the window.
        clock.Advance(TimeSpan.FromSeconds(21));
        var third = await NextAsync(group, 1, moving: true);
        Assert.Equal((4, 0), (Assert.Single(third.Vector).Value, third.CauseReceivedUnixUs));
        clock.Advance(TimeSpan.FromSeconds(9));
        while ((await NextAsync(group, 1, moving: true)).Vector.Length > 0)
        {
        }
    }

    [Fact]
    public async Task StandingGroup_ClockSetBackALittle_StillSeesWhatItHasSeen()
    {
        await using var host = await MetricsHost.StartAsync(clock: clock);
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync(1, "m");
        await client.SendAsync(1, (1, Now - 60_000, 1), (1, Now, 2));
        await client.AckAsync();
        var group = Group(host);
        Assert.Equal(2, Assert.Single((await group.NextAsync(Poll("max_over_time(m[30s])"))).Changes[0].Value!.Vector).Value);

        clock.SetBack(TimeSpan.FromSeconds(30));
        await client.SendAsync(2, (1, Now, 1));
        await client.AckAsync();

        Assert.Equal(2, Assert.Single((await NextAsync(group, 1)).Vector).Value);
    }

    [Fact]
    public async Task StandingGroup_ClockSetBackByHours_ReadsWhatIsInTheWindowAgain()
    {
        await using var host = await MetricsHost.StartAsync(clock: clock);
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync(1, "m");
        await client.SendAsync(1, (1, Now - 3 * 3_600_000, 7), (1, Now, 1));
        await client.AckAsync();
        var group = Group(host);
        Assert.Equal(1, Assert.Single((await group.NextAsync(Poll("sum_over_time(m[30s])"))).Changes[0].Value!.Vector).Value);

        clock.SetBack(TimeSpan.FromHours(3));
        clock.Advance(TimeSpan.FromSeconds(1));

        var value = await NextAsync(group, 1, moving: true);
        Assert.Equal(7, Assert.Single(value.Vector).Value);
        Assert.InRange(value.EvaluatedAt, Now - 20_000, Now);
    }

    [Fact]
    public async Task StandingGroup_NoRoomForTheSamples_HandsOverAndTheWatchGoesOn()
    {
        await using var host = await MetricsHost.StartAsync(clock: clock, settings: ("Metrics:MaxStandingSamples", "20"));
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync(1, "m");
        await client.SendAsync(1, (1, Now, 1));
        await client.AckAsync();
        var group = Group(host);
        var poll = Poll("sum_over_time(m[30s])");
        Assert.Equal(1, Assert.Single((await group.NextAsync(poll)).Changes[0].Value!.Vector).Value);
        using var watch = host.Query.Watch(MetricsHost.Auth);
        await watch.RequestStream.WriteAsync(new WatchRequest { Register = new WatchRegister { WatchId = "w", Expr = poll.Added[0], HeartbeatMs = 100 } }).DefaultTimeout();

        // 16 for the series, and 4: one more is too many.
        await client.SendAsync(2, (1, Now + 1, 1), (1, Now + 2, 1), (1, Now + 3, 1), (1, Now + 4, 1));
        await client.AckAsync();
        Assert.Null(await ChangeAsync(group, 1));
        var seen = ReadUntilAsync(watch, e => e.Vector?.Samples is [{ Value: 5 }]);
        await Waiting.Until(() => Moved(seen.IsCompleted), "the full evaluation sees all samples");
        await seen;
        // The group's own and that of the watch, which may have been handed over before it was added.
        Assert.True(await Counters.SumAsync(host, "vigil_metrics_standing_refused_total", "cause=\"memory\"") >= 1);
    }

    /// <summary>On a clock that stands still a call that waits for news would wait for ever.</summary>
    [Theory]
    [InlineData("sum(m)")]
    [InlineData("absent(m)")]
    public async Task Watch_OpenWhenTheServiceStops_DoesNotKeepIt(string expr)
    {
        await using var host = await MetricsHost.StartAsync(clock: clock, settings: ("Listen:ShutdownTimeout", "00:05:00"));
        using var watch = host.Query.Watch(MetricsHost.Auth);
        await watch.RequestStream.WriteAsync(new WatchRequest { Register = new WatchRegister { WatchId = "w", Expr = expr, HeartbeatMs = 60_000 } }).DefaultTimeout();
        await ReadUntilAsync(watch, e => e.Vector is not null);

        // This client neither reads nor ends its side.
        await host.StopAsync();
    }

    [Fact]
    public async Task StandingGroup_LatencyOfAHistogram_IsKeptFromSampleToSample()
    {
        await using var host = await MetricsHost.StartAsync(clock: clock);
        using var client = await host.OpenAsync("s1", ("job", "api"));
        string[] bounds = ["0.1", "1", "+Inf"];
        await client.DeclareAsync([.. bounds.Select((le, i) => PushClient.Series((uint)i + 1, "wait_bucket", ("le", le)))]);
        await client.SendAsync(1, [.. bounds.Select((_, i) => ((uint)i + 1, Now - 60_000, 0.0))]);
        await client.AckAsync();
        var group = Group(host);
        // Nothing is known of a rate yet: of one sample there is none.
        var poll = Poll("histogram_quantile(0.5, sum by (le) (rate(wait_bucket[5m]))) > 0.2 and on () wait_bucket > 15");
        Assert.Empty(Assert.Single((await group.NextAsync(poll)).Changes).Value!.Vector);

        await client.SendAsync(2, (1, Now, 10), (2, Now, 30), (3, Now, 30));
        await client.AckAsync();
        // A third within 0.1 s, the rest between that and 1 s: the middle one is a quarter of the way through those.
        Assert.Equal(0.1 + 0.9 / 4, Assert.Single((await NextAsync(group, 1)).Vector).Value, 12);
    }

    [Fact]
    public async Task StandingGroup_NativeHistograms_AreHandedOver()
    {
        await using var host = await MetricsHost.StartAsync();
        using var http = new HttpClient();
        var group = Group(host);
        var poll = Poll("rate(h[5m])", "h + 0");
        await group.NextAsync(poll).DefaultTimeout();
        var body = new Write1.WriteRequest { Timeseries = { RemoteWriteBodies.V1Series("h", [("job", "x")]) } };
        body.Timeseries[0].Histograms.Add(new Write1.Histogram { CountInt = 0, Sum = 0, Schema = 0, ZeroThreshold = 1e-128, Timestamp = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() });
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(host.HttpAddress, "/api/v1/write"));
        request.Headers.Authorization = new("Bearer", MetricsHost.Token);
        request.Content = new ByteArrayContent(RemoteWriteBodies.Pack(body));
        request.Content.Headers.TryAddWithoutValidation("Content-Type", "application/x-protobuf");
        request.Content.Headers.TryAddWithoutValidation("Content-Encoding", "snappy");
        Assert.True((await http.SendAsync(request).DefaultTimeout()).IsSuccessStatusCode);
        Assert.Null(await ChangeAsync(group, 1));
    }

    [Fact]
    public async Task StandingGroup_ServiceGrainStartsAgain_IsFollowedAgain()
    {
        await using var host = await MetricsHost.StartAsync();
        using var watch = host.Query.Watch(MetricsHost.Auth);
        await watch.RequestStream.WriteAsync(new WatchRequest { Register = new WatchRegister { WatchId = "w", Expr = "sum(m)", HeartbeatMs = 100 } }).DefaultTimeout();
        var time = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() - 5_000;
        using (var client = await host.OpenAsync("s1", ("job", "api")))
        {
            await client.DeclareAsync(1, "m");
            await client.SendAsync(1, (1, time, 1));
            await client.AckAsync();
            await ReadUntilAsync(watch, e => e.Vector?.Samples is [{ Value: 1 }]);
            await ExecuteAsync(host, "ALTER TABLE metric_journal RENAME TO gone");
            await client.SendAsync(2, (1, time + 1, 2));
            await client.FailureAsync();
        }
        await ExecuteAsync(host, "ALTER TABLE gone RENAME TO metric_journal");
        await Waiting.Until(async () =>
        {
            try
            {
                using var client = await host.OpenAsync("s2", ("job", "api"));
                await client.DeclareAsync(1, "m");
                await client.SendAsync(1, (1, time + 2, 3));
                await client.AckAsync();
                return true;
            }
            catch (Exception e) when (e is RpcException or Xunit.Sdk.XunitException)
            {
                return false;
            }
        }, "samples are stored again");
        await ReadUntilAsync(watch, e => e.Vector?.Samples is [{ Value: 3 }]);
    }

    [Fact]
    public async Task StandingGroup_PutOffForAMinute_IsAnErrorUntilItIsEvaluated()
    {
        await using var host = await MetricsHost.StartAsync(clock: clock, settings: ("Metrics:StandingQueryShare", "0.05"));
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync(1, "m");
        await client.SendAsync(1, [.. Enumerable.Range(1 - StandingDebt.Samples, StandingDebt.Samples).Select(i => (1u, Now + i, 1.0))]);
        await client.AckAsync();
        StandingDebt.Owe(host, TimeSpan.FromSeconds(90));
        var group = Group(host);
        // Reading the samples was work, which is not paid for.
        Assert.Empty((await group.NextAsync(Poll("sum_over_time(m[10m])")).DefaultTimeout()).Changes);

        Assert.Equal(StandingResult.PutOff, (await AfterSecondsAsync()).Error);
        var value = await AfterSecondsAsync();
        Assert.Null(value.Error);
        Assert.Equal(StandingDebt.Samples, Assert.Single(value.Vector).Value);

        async Task<StandingValue> AfterSecondsAsync()
        {
            StandingValue? value = null;
            await Waiting.Until(async () =>
            {
                clock.Advance(TimeSpan.FromSeconds(1));
                value = (await group.NextAsync(new StandingPoll { Session = "test" })).Changes.SingleOrDefault().Value;
                return value is not null;
            }, "the expression has a value or an error");
            return value!;
        }
    }

    [Fact]
    public async Task StandingGroup_UnknownSession_HasToAddItsWatches()
    {
        await using var host = await MetricsHost.StartAsync(clock: clock);
        Assert.True((await Group(host).NextAsync(new StandingPoll { Session = "nobody" })).Unknown);
        Assert.False(await Group(host).TakeAsync(new FollowedSamples { Source = "api", Epoch = 5, Series = [], Times = [], Values = [] }));
    }

    private static IStandingGroupGrain Group(MetricsHost host) => host.Services.GetRequiredService<IGrainFactory>().GetGrain<IStandingGroupGrain>("0");

    private static StandingPoll Poll(params string[] added) => new() { Session = "test", Added = added, AddedIds = [.. Enumerable.Range(1, added.Length)] };

    private async Task<StandingValue> NextAsync(IStandingGroupGrain group, int watch, bool moving = false) =>
        await ChangeAsync(group, watch, moving) ?? throw new InvalidOperationException("the expression was handed over");

    // A timer that fell due is armed again once its work is done: time has to go on for the next.
    private Task<bool> Moved(bool result)
    {
        clock.Advance(TimeSpan.FromMilliseconds(100));
        return Task.FromResult(result);
    }

    private async Task<StandingValue?> ChangeAsync(IStandingGroupGrain group, int watch, bool moving = false)
    {
        StandingValue? value = null;
        await Waiting.Until(async () =>
        {
            var changes = await group.NextAsync(new StandingPoll { Session = "test" });
            Assert.False(changes.Unknown);
            foreach (var change in changes.Changes.Where(c => c.Watch == watch))
            {
                value = change.Value;
                return true;
            }
            return moving && await Moved(false);
        }, $"watch {watch} changes");
        return value;
    }

    private static async Task ReadUntilAsync(AsyncDuplexStreamingCall<WatchRequest, WatchEvent> watch, Func<WatchEvent, bool> wanted)
    {
        while (await watch.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout())
        {
            if (wanted(watch.ResponseStream.Current)) return;
        }
        Assert.Fail("the watch ended");
    }

    private static async Task ExecuteAsync(MetricsHost host, string sql) => await host.Services.GetRequiredService<IDatabase>().WriteAsync(async (transaction, ct) =>
    {
        await using var command = transaction.Connection!.CreateCommand();
        (command.Transaction, command.CommandText) = (transaction, sql);
        await command.ExecuteNonQueryAsync(ct);
    }).DefaultTimeout();
}

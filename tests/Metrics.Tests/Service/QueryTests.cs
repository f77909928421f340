using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Vigil.Metrics.Grains;
using Vigil.Metrics.V1;
using Vigil.ServiceDefaults;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Service;

public sealed class QueryTests
{
    private static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

    [Fact]
    public async Task Query_BadExpression_IsInvalidAndSaysWhere()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxExpressionLength", "20")]);
        var failure = await Assert.ThrowsAsync<RpcException>(() => host.AskAsync("sum(up"));
        Assert.Equal(StatusCode.InvalidArgument, failure.StatusCode);
        Assert.Contains("1:7", failure.Status.Detail);
        var tooLong = await Assert.ThrowsAsync<RpcException>(() => host.AskAsync("1 + 1 + 1 + 1 + 1 + 1"));
        Assert.Contains("MaxExpressionLength", tooLong.Status.Detail);
        Assert.Equal(5, await host.ValueAsync("1 + 1 + 1 + 1 + 1"));
    }

    [Fact]
    public async Task Query_MoreThanItsLimits_IsRefusedWithTheKey()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxSeriesPerQuery", "2"), ("Metrics:MaxSamplesPerQuery", "5")]);
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync([.. Enumerable.Range(1, 3).Select(i => PushClient.Series((uint)i, "m", ("i", $"{i}")))]);
        var now = Now;
        await client.SendAsync(1, (1, now - 2, 1), (1, now - 1, 1), (1, now, 1), (2, now - 1, 1), (2, now, 1), (3, now - 1, 1), (3, now, 1));
        await client.AckAsync();
        Assert.Equal(2, await host.ValueAsync("count(m{i=~\"1|2\"})", now));
        Assert.Equal(StatusCode.ResourceExhausted, (await Assert.ThrowsAsync<RpcException>(() => host.AskAsync("m", now))).StatusCode);
        Assert.Equal(5, await host.ValueAsync("sum(count_over_time(m{i=~\"1|2\"}[1m]))", now));
        await client.SendAsync(2, (2, now - 2, 1));
        await client.AckAsync();
        var failure = await Assert.ThrowsAsync<RpcException>(() => host.AskAsync("sum(count_over_time(m{i=~\"1|2\"}[1m]))", now));
        Assert.Contains("Metrics:MaxSamplesPerQuery", failure.Status.Detail);
    }

    [Fact]
    public async Task Query_ServiceSpreadOverShards_FindsEverySeries_AlsoAfterTheirNumberChanged()
    {
        var folder = Directory.CreateTempSubdirectory("vigil-metrics-").FullName;
        var now = Now;
        await using (var host = await MetricsHost.StartAsync(folder)) await PushAsync(host, "s1", now - 1000);
        await using (var host = await MetricsHost.StartAsync(folder, settings: ("Metrics:ShardsPerService", "4")))
        {
            await PushAsync(host, "s2", now);
            Assert.Equal(40, await host.ValueAsync("count(m{job=\"team/api\"})", now));
            Assert.Equal(80, await host.ValueAsync("sum(count_over_time(m[1m]))", now));
            Assert.Empty((await host.AskAsync("m{job=\"other\"}", now)).Vector.Samples);
        }
        Directory.Delete(folder, recursive: true);

        static async Task PushAsync(MetricsHost host, string stream, long time)
        {
            using var client = await host.OpenAsync(stream, ("job", "team/api"));
            await client.DeclareAsync([.. Enumerable.Range(1, 40).Select(i => PushClient.Series((uint)i, "m", ("i", $"{i}")))]);
            await client.SendAsync(1, [.. Enumerable.Range(1, 40).Select(i => ((uint)i, time, (double)i))]);
            Assert.Equal(40u, (await client.AckAsync()).Accepted);
        }
    }

    [Fact]
    public async Task Watch_FollowsAnExpression_FromNoDataThroughEachSample()
    {
        await using var host = await MetricsHost.StartAsync();
        using var watch = host.Query.Watch(MetricsHost.Auth);
        await RegisterAsync(watch, "w", "sum(m{job=\"api\"}) > 5");
        var first = await NextAsync(watch, _ => true);
        Assert.Equal((0u, 0), (first.InputSeries, first.Vector.Samples.Count));

        // A service that did not exist when the watch began.
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync(1, "m");
        var start = Now - 1000;
        await client.SendAsync(1, (1, start, 3));
        var below = await NextAsync(watch, e => e.InputSeries == 1);
        Assert.Empty(below.Vector.Samples);
        for (ulong i = 2; i <= 20; i++)
        {
            await client.SendAsync(i, (1, start + (long)i, 4 + i));
            var above = await NextAsync(watch, e => e.Vector.Samples.Count == 1 && e.Vector.Samples[0].Value == 4 + i);
            Assert.True(above.Changed);
        }
        var heartbeat = await NextAsync(watch, e => !e.Changed);
        Assert.Equal(24, Assert.Single(heartbeat.Vector.Samples).Value);
        Assert.Equal(0, heartbeat.CauseReceivedUnixUs);
    }

    [Fact]
    public async Task Watch_MomentOfTheCause_IsThatOfTheSample()
    {
        await using var host = await MetricsHost.StartAsync();
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync(1, "m");
        await client.SendAsync(1, (1, Now, 1));
        await client.AckAsync();
        using var watch = host.Query.Watch(MetricsHost.Auth);
        await RegisterAsync(watch, "w", "m");
        await NextAsync(watch, e => e.InputSeries == 1);
        var before = Now * 1000;
        await client.SendAsync(2, (1, Now, 2));
        var changed = await NextAsync(watch, e => e.Vector.Samples[0].Value == 2);
        Assert.InRange(changed.CauseReceivedUnixUs, before, (Now + 1) * 1000);
    }

    [Fact]
    public async Task Watch_InputsThatCannotBeRead_AreAnErrorUntilTheyCan()
    {
        await using var host = await MetricsHost.StartAsync();
        await ExecuteAsync(host, "ALTER TABLE metric_grains RENAME TO gone");
        using var watch = host.Query.Watch(MetricsHost.Auth);
        await RegisterAsync(watch, "w", "m");
        Assert.Contains("the log says why", (await NextAsync(watch, _ => true)).Error);
        await ExecuteAsync(host, "ALTER TABLE gone RENAME TO metric_grains");
        Assert.Empty((await NextAsync(watch, e => e.OutcomeCase == WatchEvent.OutcomeOneofCase.Vector)).Vector.Samples);
    }

    private static async Task ExecuteAsync(MetricsHost host, string sql) => await host.Services.GetRequiredService<IDatabase>().WriteAsync(async (transaction, ct) =>
    {
        await using var command = transaction.Connection!.CreateCommand();
        (command.Transaction, command.CommandText) = (transaction, sql);
        await command.ExecuteNonQueryAsync(ct);
    }).DefaultTimeout();

    [Fact]
    public async Task Watch_BadExpressions_AreErrorsOfTheirOwnAndOthersGoOn()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxWatchesPerStream", "3")]);
        using var watch = host.Query.Watch(MetricsHost.Auth);
        await RegisterAsync(watch, "bad", "sum(");
        Assert.Contains("parse error", (await NextAsync(watch, e => e.WatchId == "bad")).Error);
        await RegisterAsync(watch, "matrix", "up[5m]");
        Assert.Contains("range vector", (await NextAsync(watch, e => e.WatchId == "matrix")).Error);
        await RegisterAsync(watch, "good", "vector(1)");
        Assert.Equal(1, (await NextAsync(watch, e => e.WatchId == "good")).Vector.Samples[0].Value);
        // The same name again replaces the expression and takes no further place.
        await RegisterAsync(watch, "bad", "vector(2)");
        Assert.Equal(2, (await NextAsync(watch, e => e.WatchId == "bad" && e.OutcomeCase == WatchEvent.OutcomeOneofCase.Vector)).Vector.Samples[0].Value);
        await RegisterAsync(watch, "one too many", "vector(1)");
        var failure = await Assert.ThrowsAsync<RpcException>(() => NextAsync(watch, _ => false));
        Assert.Equal(StatusCode.ResourceExhausted, failure.StatusCode);
        Assert.Contains("Metrics:MaxWatchesPerStream", failure.Status.Detail);
        Assert.Equal(1, await Counters.SumAsync(host, "vigil_metrics_watches_refused_total", "limit=\"MaxWatchesPerStream\""));
    }

    [Fact]
    public async Task Watch_MoreThanOneCallerMay_IsRefusedAcrossItsCallsAndOthersDoNotNotice()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxWatchesPerCaller", "2")]);
        using var one = host.Query.Watch(MetricsHost.Auth);
        await RegisterAsync(one, "a", "vector(1)");
        await NextAsync(one, e => e.WatchId == "a");
        // What a caller says of itself does not make it another.
        using var two = host.Query.Watch(new Metadata { { "authorization", $"Bearer {MetricsHost.Token}" }, { "x-vigil-actor", "alice" } });
        await RegisterAsync(two, "b", "vector(1)");
        await NextAsync(two, e => e.WatchId == "b");
        // The same name again takes no further place.
        await RegisterAsync(two, "b", "vector(2)");
        await NextAsync(two, e => e.Vector?.Samples is [{ Value: 2 }]);
        await RegisterAsync(two, "c", "vector(1)");
        var failure = await Assert.ThrowsAsync<RpcException>(() => NextAsync(two, _ => false));
        Assert.Equal(StatusCode.ResourceExhausted, failure.StatusCode);
        Assert.Contains("Metrics:MaxWatchesPerCaller", failure.Status.Detail);
        Assert.Equal(1, await Counters.SumAsync(host, "vigil_metrics_watches_refused_total", "limit=\"MaxWatchesPerCaller\""));

        using var other = host.Query.Watch(new Metadata { { "authorization", "Bearer reader" } });
        await RegisterAsync(other, "d", "vector(3)");
        await NextAsync(other, e => e.WatchId == "d");
        await NextAsync(one, e => !e.Changed);
        // The call that ended gave its place back.
        await RegisterAsync(one, "e", "vector(1)");
        await NextAsync(one, e => e.WatchId == "e");
    }

    [Fact]
    public async Task Watch_MoreCallsThanAllowed_RefusesTheOneTooMany_UntilOneHasEnded()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxWatchStreams", "2")]);
        using var one = await OpenAsync();
        using var two = await OpenAsync();
        var failure = await Assert.ThrowsAsync<RpcException>(OpenAsync);
        Assert.Equal(StatusCode.ResourceExhausted, failure.StatusCode);
        Assert.Contains("2 Watch calls are open, which is as many as may be (Metrics:MaxWatchStreams)", failure.Status.Detail);
        Assert.Equal(1, await Counters.SumAsync(host, "vigil_metrics_watches_refused_total", "limit=\"MaxWatchStreams\""));
        // Those within the limit do not notice.
        await NextAsync(one, e => !e.Changed);
        await NextAsync(two, e => !e.Changed);

        one.Dispose();
        // The cancellation travels over the network; nothing tells when it has arrived.
        await Waiting.Until(async () =>
        {
            try
            {
                using var three = await OpenAsync();
                return true;
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.ResourceExhausted)
            {
                return false;
            }
        }, "the place is free again");

        async Task<AsyncDuplexStreamingCall<WatchRequest, WatchEvent>> OpenAsync()
        {
            var watch = host.Query.Watch(MetricsHost.Auth);
            try
            {
                await RegisterAsync(watch, "w", "vector(1)");
            }
            catch (RpcException)
            {
                // The server may end the call before it reads what is sent: the response says why.
            }
            await NextAsync(watch, _ => true);
            return watch;
        }
    }

    [Fact]
    public async Task Watch_ExpressionLongerThanAllowed_IsAnErrorWithTheKey()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxExpressionLength", "20")]);
        using var watch = host.Query.Watch(MetricsHost.Auth);
        await RegisterAsync(watch, "long", "1 + 1 + 1 + 1 + 1 + 1");
        Assert.Contains("21 characters long; at most 20 are allowed (Metrics:MaxExpressionLength)", (await NextAsync(watch, _ => true)).Error);
        await RegisterAsync(watch, "just", "1 + 1 + 1 + 1 + 1+ 1");
        Assert.Equal(WatchEvent.OutcomeOneofCase.Vector, (await NextAsync(watch, e => e.WatchId == "just")).OutcomeCase);
    }

    [Fact]
    public async Task Watch_ExpressionsWithoutAPlan_AreCountedByCause()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxStandingWindow", "01:00:00")]);
        using var watch = host.Query.Watch(MetricsHost.Auth);
        foreach (var expr in new[] { "avg_over_time(m[1h])", "avg_over_time(m[61m])", "sum(m offset 1h)", "topk(1, m)", "1 +" })
        {
            await RegisterAsync(watch, expr, expr);
            await NextAsync(watch, e => e.WatchId == expr);
        }
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(host.HttpAddress, "/metrics"));
        request.Headers.Authorization = new("Bearer", MetricsHost.Token);
        using var response = await http.SendAsync(request).DefaultTimeout();
        var counted = (await response.Content.ReadAsStringAsync().DefaultTimeout()).Split('\n').Where(l => l.StartsWith("vigil_metrics_standing_refused_total", StringComparison.Ordinal)).ToArray();
        Assert.Equal(2, counted.Length);
        Assert.Single(counted, l => l.Contains("cause=\"window\"", StringComparison.Ordinal) && l.EndsWith(" 2", StringComparison.Ordinal));
        Assert.Single(counted, l => l.Contains("cause=\"shape\"", StringComparison.Ordinal) && l.EndsWith(" 1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task StandingQuery_ToldOfSamplesAfterItsLastFollowerLeft_DoesNotComeBackToLife()
    {
        await using var host = await MetricsHost.StartAsync();
        var query = host.Services.GetRequiredService<IGrainFactory>().GetGrain<IStandingQueryGrain>("vector(1)");
        // The service's grain still holds the lease: this call activates the query again, which must not evaluate, since that renews the lease.
        await query.InputsChangedAsync(123).DefaultTimeout();
        var first = await query.NextAsync(0, TimeSpan.FromSeconds(10)).DefaultTimeout();
        Assert.Equal((1L, 0L), (first.Version, first.CauseReceivedUnixUs));
        // Whoever follows is told.
        await query.InputsChangedAsync(456).DefaultTimeout();
        var second = await query.NextAsync(1, TimeSpan.FromSeconds(10)).DefaultTimeout();
        Assert.Equal(456, second.CauseReceivedUnixUs);
    }

    [Fact]
    public async Task StandingQuery_SecondFollowerDuringTheFirstEvaluation_WaitsForItsValue()
    {
        await using var host = await MetricsHost.StartAsync();
        var query = host.Services.GetRequiredService<IGrainFactory>().GetGrain<IStandingQueryGrain>("vector(7)");
        // -1, as a new watch asks: an empty vector would be taken for missing data.
        var values = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => query.NextAsync(-1, TimeSpan.FromSeconds(10)))).DefaultTimeout();
        Assert.All(values, v => Assert.Equal(7, Assert.Single(v.Vector).Value));
    }

    private static async Task RegisterAsync(AsyncDuplexStreamingCall<WatchRequest, WatchEvent> watch, string id, string expr) =>
        await watch.RequestStream.WriteAsync(new WatchRequest { Register = new WatchRegister { WatchId = id, Expr = expr, HeartbeatMs = 100 } }).DefaultTimeout();

    // Heartbeats go on for ever: the wait as a whole is bounded.
    private static Task<WatchEvent> NextAsync(AsyncDuplexStreamingCall<WatchRequest, WatchEvent> watch, Func<WatchEvent, bool> wanted) =>
        ReadUntilAsync(watch, wanted).DefaultTimeout();

    private static async Task<WatchEvent> ReadUntilAsync(AsyncDuplexStreamingCall<WatchRequest, WatchEvent> watch, Func<WatchEvent, bool> wanted)
    {
        while (true)
        {
            Assert.True(await watch.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout());
            var current = watch.ResponseStream.Current;
            if (wanted(current)) return current;
        }
    }
}

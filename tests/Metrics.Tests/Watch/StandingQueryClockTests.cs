using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Tests.Service;
using Vigil.Metrics.Watch;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Watch;

/// <summary>Standing queries on a clock that a test moves and sets back.</summary>
public sealed class StandingQueryClockTests
{
    private readonly FakeClock clock = new();

    private long Now => clock.GetUtcNow().ToUnixTimeMilliseconds();

    [Fact]
    public async Task StandingQuery_ClockSetBackALittle_StillSeesWhatItHasSeen()
    {
        await using var host = await MetricsHost.StartAsync(clock: clock);
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync(1, "m");
        await client.SendAsync(1, (1, Now - 60_000, 1), (1, Now, 2));
        await client.AckAsync();
        var query = Query(host, "m");
        var first = await query.NextAsync(-1, TimeSpan.Zero).DefaultTimeout();
        Assert.Equal(2, Assert.Single(first.Vector).Value);

        clock.SetBack(TimeSpan.FromSeconds(30));
        await query.InputsChangedAsync(7).DefaultTimeout();

        var second = await query.NextAsync(first.Version, TimeSpan.FromHours(1)).DefaultTimeout();
        Assert.Equal((7, 2), (second.CauseReceivedUnixUs, Assert.Single(second.Vector).Value));
    }

    [Fact]
    public async Task StandingQuery_ClockSetBackByHours_IsEvaluatedByTheClockAtOnce()
    {
        await using var host = await MetricsHost.StartAsync(clock: clock);
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync(1, "m");
        await client.DeclareAsync(2, "n");
        await client.SendAsync(1, (1, Now, 1));
        await client.AckAsync();
        var query = Query(host, "m or n");
        var first = await query.NextAsync(-1, TimeSpan.Zero).DefaultTimeout();
        Assert.Equal(1, Assert.Single(first.Vector).Value);

        clock.SetBack(TimeSpan.FromHours(3));
        await client.SendAsync(2, (2, Now, 5));
        await client.AckAsync();

        var second = await query.NextAsync(first.Version, TimeSpan.FromHours(1)).DefaultTimeout();
        Assert.Equal(5, Assert.Single(second.Vector).Value);
        Assert.Equal(Now, second.EvaluatedAt);
    }

    [Fact]
    public async Task StandingQuery_ShareUsedUp_IsPutOffUntilItMay()
    {
        await using var host = await MetricsHost.StartAsync(clock: clock);
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync(1, "m");
        await client.SendAsync(1, (1, Now, 1));
        await client.AckAsync();
        host.Services.GetRequiredService<StandingBudget>().Charge(TimeSpan.FromHours(1));
        var query = Query(host, "m");
        var first = await query.NextAsync(-1, TimeSpan.Zero).DefaultTimeout();
        Assert.Equal(1, Assert.Single(first.Vector).Value);

        // The clock stands still, and the evaluation is not paid for: it is not made again for what comes.
        await query.InputsChangedAsync(7).DefaultTimeout();
        Assert.Equal(first.Version, (await query.NextAsync(first.Version, TimeSpan.Zero).DefaultTimeout()).Version);

        clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(7, (await query.NextAsync(first.Version, TimeSpan.FromHours(1)).DefaultTimeout()).CauseReceivedUnixUs);
    }

    [Fact]
    public async Task StandingQuery_PutOffForAMinute_IsAnErrorUntilItIsEvaluated()
    {
        await using var host = await MetricsHost.StartAsync(clock: clock, settings: ("Metrics:StandingQueryShare", "0.05"));
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync(1, "m");
        await client.SendAsync(1, [.. Enumerable.Range(1 - StandingDebt.Samples, StandingDebt.Samples).Select(i => (1u, Now + i, 1.0))]);
        await client.AckAsync();
        StandingDebt.Owe(host, TimeSpan.FromSeconds(90));
        var query = Query(host, "sum_over_time(m[10m])");
        var first = await query.NextAsync(-1, TimeSpan.Zero).DefaultTimeout();
        Assert.Equal(StandingDebt.Samples, Assert.Single(first.Vector).Value);

        var second = await AfterSecondsAsync(query.NextAsync(first.Version, TimeSpan.FromHours(1)));
        Assert.Equal((StandingResult.PutOff, first.EvaluatedAt), (second.Error, second.EvaluatedAt));
        var third = await AfterSecondsAsync(query.NextAsync(second.Version, TimeSpan.FromHours(1)));
        Assert.Null(third.Error);
        Assert.Equal(StandingDebt.Samples, Assert.Single(third.Vector).Value);

        async Task<StandingValue> AfterSecondsAsync(Task<StandingValue> next)
        {
            // A timer that fell due is armed again once its work is done: time has to go on for the next.
            await Waiting.Until(() =>
            {
                if (!next.IsCompleted) clock.Advance(TimeSpan.FromSeconds(1));
                return Task.FromResult(next.IsCompleted);
            }, "the query has another value");
            return await next;
        }
    }

    private static IStandingQueryGrain Query(MetricsHost host, string expr) => host.Services.GetRequiredService<IGrainFactory>().GetGrain<IStandingQueryGrain>(expr);
}

using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Vigil.Metrics.Watch;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Watch;

public sealed class StandingBudgetTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly FakeClock clock = new();

    [Fact]
    public void Charge_WithinTheShare_NobodyWaits()
    {
        var budget = Budget(processors: 0.5, queries: 10);
        for (var i = 0; i < 100; i++)
        {
            clock.Advance(Second);
            Assert.Equal(TimeSpan.Zero, budget.Charge(0.5 * Second));
        }
        // A second at most was saved up, half of which is left.
        Assert.Equal(TimeSpan.Zero, budget.Charge(0.5 * Second));
        Assert.NotEqual(TimeSpan.Zero, budget.Charge(TimeSpan.FromTicks(1)));
    }

    [Fact]
    public void Charge_MoreThanTheShare_EachWaitsForItsOwnCost()
    {
        var budget = Budget(processors: 0.5, queries: 10);
        budget.Charge(Second);
        // Ten queries share half a processor: one that takes 100 ms may take them every two seconds, and one that takes 1 ms every 20 ms.
        Assert.Equal(2 * Second, budget.Charge(0.1 * Second));
        Assert.Equal(0.02 * Second, budget.Charge(0.001 * Second));
        Assert.Equal(TimeSpan.FromMinutes(10), budget.Charge(3600 * Second));
    }

    [Fact]
    public void Charge_ManyDearQueries_TogetherTakeTheirShareAndCheapOnesAreHardlyPutOff()
    {
        const int Dear = 50;
        var budget = Budget(processors: 0.5, queries: Dear + 1);
        var (due, cost) = (new TimeSpan[Dear + 1], Enumerable.Repeat(0.5 * Second, Dear).Append(0.0005 * Second).ToArray());
        var (taken, cheap, longest) = (TimeSpan.Zero, 0, TimeSpan.Zero);
        var start = clock.GetTimestamp();
        for (var now = TimeSpan.Zero; now < 600 * Second; now = clock.GetElapsedTime(start))
        {
            for (var i = 0; i <= Dear; i++)
            {
                if (due[i] > now) continue;
                var wait = budget.Charge(cost[i]);
                due[i] = now + wait;
                taken += cost[i];
                if (i < Dear) continue;
                cheap++;
                longest = wait > longest ? wait : longest;
            }
            clock.Advance(0.1 * Second);
        }

        // The first of each cannot be known beforehand.
        Assert.InRange(taken - Dear * 0.5 * Second, 200 * Second, 330 * Second);
        Assert.InRange(longest, TimeSpan.Zero, 0.1 * Second);
        Assert.InRange(cheap, 5_000, 6_000);
    }

    [Fact]
    public void Charge_AfterABusyMoment_IsPaidForWithinSeconds()
    {
        var budget = Budget(processors: 1, queries: 1);
        budget.Charge(1000 * Second);
        clock.Advance(1 * Second);
        Assert.NotEqual(TimeSpan.Zero, budget.Charge(TimeSpan.FromTicks(1)));
        clock.Advance(1.1 * Second);
        Assert.Equal(TimeSpan.Zero, budget.Charge(TimeSpan.FromTicks(1)));
    }

    private StandingBudget Budget(double processors, int queries)
    {
        var meters = new ServiceCollection().AddMetrics().BuildServiceProvider().GetRequiredService<IMeterFactory>();
        var budget = new StandingBudget(processors, clock, new MetricsInstruments(meters));
        for (var i = 0; i < queries; i++) budget.Enter();
        return budget;
    }
}

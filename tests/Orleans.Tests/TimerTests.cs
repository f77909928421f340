using Orleans.Configuration;
using Orleans.Hosting;
using Vigil.Orleans.Tests.Grains;

namespace Vigil.Orleans.Tests;

public sealed class TimerTests : IAsyncLifetime
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private readonly FakeClock clock = new();
    private TestSilo silo = null!;
    private ITimerGrain grain = null!;

    private Probe Probe => silo.Probe;

    public async Task InitializeAsync()
    {
        silo = await TestSilo.StartAsync(clock: clock);
        grain = silo.Grains.GetGrain<ITimerGrain>("t");
    }

    public async Task DisposeAsync()
    {
        Probe.Open("tick");
        await silo.DisposeAsync();
    }

    [Fact]
    public async Task Timer_Periodic_TicksAtEachPeriod()
    {
        await grain.Start("p", 5 * Second, 2 * Second).DefaultTimeout();
        clock.Advance(4 * Second);
        Assert.Equal(0, await grain.Ticks("p").DefaultTimeout());
        clock.Advance(Second);
        await Probe.Marked("tick:p");
        for (var i = 2; i <= 5; i++)
        {
            // A call made after the tick runs after it, and by then the timer is armed again.
            Assert.Equal(i - 1, await grain.Ticks("p").DefaultTimeout());
            clock.Advance(2 * Second);
            await Probe.Marked("tick:p");
        }
    }

    [Fact]
    public async Task Timer_WithInfinitePeriod_TicksOnce()
    {
        await grain.Start("once", Second, Timeout.InfiniteTimeSpan).DefaultTimeout();
        clock.Advance(Second);
        await Probe.Marked("tick:once");
        Assert.Equal(1, await grain.Ticks("once").DefaultTimeout());
        clock.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal(1, await grain.Ticks("once").DefaultTimeout());
    }

    [Fact]
    public async Task Timer_WhoseTickTakesLong_NeverOverlapsItself()
    {
        await grain.Start("long", Second, Second, interleave: true, gated: true).DefaultTimeout();
        clock.Advance(Second);
        await Probe.Marked("tick:long");
        clock.Advance(60 * Second);
        Assert.Equal(1, await grain.Ticks("long").DefaultTimeout());
        Assert.Equal(0, Probe.Count("overlap"));
        Probe.Open("tick");
        await Waiting.Until(async () =>
        {
            clock.Advance(Second);
            return await grain.Ticks("long") > 1;
        }, "the timer ticks on");
        Assert.Equal(0, Probe.Count("overlap"));
    }

    [Fact]
    public async Task Timer_NotInterleaving_WaitsForTheCallThatRuns()
    {
        await grain.Start("polite", Second, Timeout.InfiniteTimeSpan).DefaultTimeout();
        var call = grain.Pass("c");
        await Probe.Marked("in:c");
        clock.Advance(Second);
        Assert.Equal(0, Probe.Count("tick:polite"));
        Probe.Open("c");
        await call.DefaultTimeout();
        await Probe.Marked("tick:polite");
    }

    [Fact]
    public async Task Timer_Interleaving_TicksDuringACall()
    {
        await grain.Start("pushy", Second, Timeout.InfiniteTimeSpan, interleave: true).DefaultTimeout();
        var call = grain.Pass("c");
        await Probe.Marked("in:c");
        clock.Advance(Second);
        await Probe.Marked("tick:pushy");
        Probe.Open("c");
        await call.DefaultTimeout();
    }

    [Fact]
    public async Task Timer_Disposed_CancelsItsTickAndStops()
    {
        await grain.Start("ended", Second, Second, interleave: true, gated: true).DefaultTimeout();
        clock.Advance(Second);
        await Probe.Marked("tick:ended");
        await grain.Stop("ended").DefaultTimeout();
        await Probe.Marked("stopped:ended");
        clock.Advance(10 * Second);
        Assert.Equal(1, await grain.Ticks("ended").DefaultTimeout());
    }

    [Fact]
    public async Task Timer_Changed_TicksAtItsNewTime()
    {
        await grain.Start("changed", TimeSpan.FromHours(1), Timeout.InfiniteTimeSpan).DefaultTimeout();
        await grain.Change("changed", 3 * Second, Timeout.InfiniteTimeSpan).DefaultTimeout();
        clock.Advance(3 * Second);
        await Probe.Marked("tick:changed");
    }

    [Fact]
    public async Task Timer_OfDeactivatedGrain_IsGone()
    {
        await grain.Start("gone", Second, Second).DefaultTimeout();
        await grain.Go().DefaultTimeout();
        // The next call is answered by the next activation, so the first is gone by then.
        Assert.Equal(0, await grain.Ticks("gone").DefaultTimeout());
        clock.Advance(10 * Second);
        Assert.Equal(0, await grain.Ticks("gone").DefaultTimeout());
        Assert.Equal(0, Probe.Count("tick:gone"));
    }

    [Fact]
    public async Task Timer_WithNegativeTime_IsRefused() =>
        await Assert.ThrowsAnyAsync<ArgumentException>(() => grain.Start("never", -2 * Second, Second).DefaultTimeout());
}

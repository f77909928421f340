using Orleans.Configuration;
using Orleans.Hosting;
using Vigil.Orleans.Tests.Grains;

namespace Vigil.Orleans.Tests.Bundled;

/// <summary>When idle activations go, on a clock that the test moves. A real silo's collector keeps to the machine's clock.</summary>
public sealed class IdleTests
{
    private readonly FakeClock clock = new();

    [Fact]
    public async Task Idle_Activation_GoesAfterItsAgeAndABusyOneStays()
    {
        await using var fake = await TestSilo.StartAsync(builder => builder.Configure<GrainCollectionOptions>(options =>
        {
            options.CollectionAge = TimeSpan.FromMinutes(10);
            options.CollectionQuantum = TimeSpan.FromMinutes(1);
        }), clock);
        var idle = fake.Grains.GetGrain<ILifeGrain>("idle");
        var used = fake.Grains.GetGrain<ILifeGrain>("used");
        var kept = fake.Grains.GetGrain<ILifeGrain>("kept");
        await idle.Touch().DefaultTimeout();
        var (usedBefore, _) = await used.Touch().DefaultTimeout();
        var (keptBefore, _) = await kept.Touch().DefaultTimeout();
        await kept.Stay(TimeSpan.FromHours(1)).DefaultTimeout();
        for (var minute = 0; minute < 9; minute++) clock.Advance(TimeSpan.FromMinutes(1));
        await used.Touch().DefaultTimeout();
        Assert.Equal(0, fake.Probe.Count("deactivate:idle"));
        for (var minute = 0; minute < 4; minute++) clock.Advance(TimeSpan.FromMinutes(1));
        await fake.Probe.Marked("deactivate:idle");
        Assert.Equal(["idle:ActivationIdle"], fake.Probe.Log);
        Assert.Equal(usedBefore, (await used.Touch().DefaultTimeout()).Activation);
        Assert.Equal(keptBefore, (await kept.Touch().DefaultTimeout()).Activation);
        Assert.Equal(1, (await idle.Touch().DefaultTimeout()).Calls);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Timer_KeepAlive_DecidesWhetherTicksKeepAnIdleGrain(bool keepAlive)
    {
        await using var fake = await TestSilo.StartAsync(builder => builder.Configure<GrainCollectionOptions>(options => options.CollectionAge = TimeSpan.FromMinutes(5)), clock);
        var timed = fake.Grains.GetGrain<ITimerGrain>("alive");
        await timed.Start("tick", TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1), keepAlive: keepAlive).DefaultTimeout();
        var armed = clock.ArmedTimers;
        for (var minute = 1; minute <= 12; minute++)
        {
            clock.Advance(TimeSpan.FromMinutes(1));
            if (!keepAlive && minute > 5) continue;
            await fake.Probe.Marked("tick:tick");
            // The mark comes from inside the tick; the next minute must not pass before the timer is set again. A call would touch the grain.
            if (keepAlive || minute < 5) await Waiting.Until(() => Task.FromResult(clock.ArmedTimers >= armed), "the timer is set again");
        }
        var ticks = await timed.Ticks("tick").DefaultTimeout();
        Assert.Equal(keepAlive ? 12 : 0, ticks);
    }
}

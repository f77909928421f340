using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
using Orleans.Hosting;
using Vigil.Orleans.Tests.Grains;

namespace Vigil.Orleans.Tests.Bundled;

/// <summary>Calls that get no answer, on a host clock that the test moves.</summary>
public sealed class TimeoutTests : IAsyncLifetime
{
    private readonly FakeClock hostClock = new();
    private TestSilo silo = null!;

    public async Task InitializeAsync() => silo = await TestSilo.StartAsync(builder =>
    {
        builder.Configure<SiloMessagingOptions>(options => options.ResponseTimeout = TimeSpan.FromSeconds(10));
        builder.Services.AddKeyedSingleton<TimeProvider>("Orleans.Messaging", hostClock);
    });

    public async Task DisposeAsync()
    {
        silo.Probe.Open("a");
        await silo.DisposeAsync();
    }

    private IGateGrain Grain(string key) => silo.Grains.GetGrain<IGateGrain>(key, typeof(GateGrain).FullName);

    [Fact]
    public async Task Call_WithoutAnswer_TimesOutAndTheGrainGoesOn()
    {
        var call = Grain("g").Pass("a");
        await silo.Probe.Marked("in:a");
        hostClock.Advance(TimeSpan.FromSeconds(9));
        Assert.False(call.IsCompleted);
        hostClock.Advance(TimeSpan.FromSeconds(3));
        var timeout = await Assert.ThrowsAsync<TimeoutException>(() => call.DefaultTimeout());
        Assert.Contains("IGateGrain(gate/g).Pass", timeout.Message, StringComparison.Ordinal);
        silo.Probe.Open("a");
        Assert.Equal("ball", await Grain("g").Ball().DefaultTimeout());
    }

    [Fact]
    public async Task Call_ThatWaited_TooLong_NeverRuns()
    {
        var held = Grain("g").Pass("a");
        await silo.Probe.Marked("in:a");
        var waiting = Grain("g").Pass("b");
        // The call is seen to have arrived by one that interleaves and arrives after it.
        silo.Probe.Open("c");
        await Grain("g").PassAlways("c").DefaultTimeout();
        hostClock.Advance(TimeSpan.FromSeconds(12));
        var timeout = await Assert.ThrowsAsync<TimeoutException>(() => waiting.DefaultTimeout());
        Assert.Contains("waits for its turn behind IGateGrain(gate/g).Pass", timeout.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<TimeoutException>(() => held.DefaultTimeout());
        silo.Probe.Open("a");
        Assert.Equal("ball", await Grain("g").Ball().DefaultTimeout());
        Assert.Equal(0, silo.Probe.Count("in:b"));
    }

    [Fact]
    public async Task Deadlock_TimesOut_NamingTheCallChain()
    {
        var call = Grain("ping").Ping(Grain("pong"), allow: false);
        // The chain has closed once ping has a call waiting: pong's call back.
        await Waiting.Until(async () =>
        {
            silo.Probe.Open("seen");
            await Grain("ping").PassAlways("seen");
            return silo.Probe.Count("in:seen") > 20;
        }, "the call back has arrived");
        hostClock.Advance(TimeSpan.FromSeconds(12));
        var timeout = await Assert.ThrowsAsync<TimeoutException>(() => call.DefaultTimeout());
        Assert.Contains("IGateGrain(gate/ping).Ping -> IGateGrain(gate/pong).Pong -> IGateGrain(gate/ping).Ball", timeout.Message, StringComparison.Ordinal);
        Assert.Contains("deadlock", timeout.Message, StringComparison.Ordinal);
        Assert.Equal("ball", await Grain("ping").Ball().DefaultTimeout());
    }

    [Fact]
    public async Task Grain_ThatBlocksItsThread_DoesNotKeepItsCallersWaiting()
    {
        using var release = new ManualResetEventSlim();
        var stuck = silo.Grains.GetGrain<IStuckGrain>("s");
        Blocking.Release = release;
        var blocking = stuck.Block();
        await silo.Probe.Marked("blocked");
        var second = stuck.Block();
        hostClock.Advance(TimeSpan.FromSeconds(12));
        await Assert.ThrowsAsync<TimeoutException>(() => blocking.DefaultTimeout());
        await Assert.ThrowsAsync<TimeoutException>(() => second.DefaultTimeout());
        release.Set();
    }
}

public interface IStuckGrain : IGrainWithStringKey
{
    Task Block();
}

internal static class Blocking
{
    public static ManualResetEventSlim Release { get; set; } = null!;
}

public sealed class StuckGrain(Probe probe) : Grain, IStuckGrain
{
    public Task Block()
    {
        probe.Mark("blocked");
        Blocking.Release.Wait();
        return Task.CompletedTask;
    }
}

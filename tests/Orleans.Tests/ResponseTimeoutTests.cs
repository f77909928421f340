using Orleans.Configuration;
using Orleans.Hosting;
using Vigil.Orleans.Tests.Grains;

namespace Vigil.Orleans.Tests;

/// <summary>Calls that get no answer, on the machine's clock.</summary>
public sealed class ResponseTimeoutTests
{
    [Fact]
    public async Task Call_WithoutAnswer_TimesOutAndTheGrainGoesOn()
    {
        await using var silo = await TestSilo.StartAsync(builder => builder.Configure<SiloMessagingOptions>(options => options.ResponseTimeout = TimeSpan.FromSeconds(2)));
        var grain = silo.Grains.GetGrain<IGateGrain>("g", typeof(GateGrain).FullName);
        var call = grain.Pass("a");
        await silo.Probe.Marked("in:a");
        await Assert.ThrowsAsync<TimeoutException>(() => call.DefaultTimeout());
        silo.Probe.Open("a");
        Assert.Equal("ball", await grain.Ball().DefaultTimeout());
    }

    [Fact]
    public async Task Deadlock_OfTwoGrains_TimesOutAndBothGoOn()
    {
        await using var silo = await TestSilo.StartAsync(builder => builder.Configure<SiloMessagingOptions>(options => options.ResponseTimeout = TimeSpan.FromSeconds(2)));
        IGateGrain Grain(string key) => silo.Grains.GetGrain<IGateGrain>(key, typeof(GateGrain).FullName);
        await Assert.ThrowsAsync<TimeoutException>(() => Grain("ping").Ping(Grain("pong"), allow: false).DefaultTimeout());
        Assert.Equal("ball", await Grain("ping").Ball().DefaultTimeout());
        Assert.Equal("ball", await Grain("pong").Ball().DefaultTimeout());
    }
}

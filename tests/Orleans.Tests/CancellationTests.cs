using Orleans.Configuration;
using Orleans.Hosting;
using Vigil.Orleans.Tests.Grains;

namespace Vigil.Orleans.Tests;

public sealed class CancellationTests : IAsyncLifetime
{
    private TestSilo silo = null!;

    public async Task InitializeAsync() => silo = await TestSilo.StartAsync();

    public async Task DisposeAsync() => await silo.DisposeAsync();

    private IGateGrain Grain(string key) => silo.Grains.GetGrain<IGateGrain>(key, typeof(GateGrain).FullName);

    [Fact]
    public async Task Token_CancelledByCaller_CancelsInGrain()
    {
        using var cancellation = new CancellationTokenSource();
        var call = Grain("g").PassCancellable("a", cancellation.Token);
        await silo.Probe.Marked("in:a");
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.DefaultTimeout());
        await silo.Probe.Marked("cancelled:a");
        Assert.Equal("ball", await Grain("g").Ball().DefaultTimeout());
    }

    [Fact]
    public async Task Token_CancelledBeforeCall_IsNotSent()
    {
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Grain("g").PassCancellable("a", new CancellationToken(canceled: true)).DefaultTimeout());
        Assert.Equal("ball", await Grain("g").Ball().DefaultTimeout());
        Assert.Equal(0, silo.Probe.Count("in:a"));
    }

    [Fact]
    public async Task Token_CancelledWhileCallWaits_CallNeverRunsOrSeesIt()
    {
        var held = Grain("g").Pass("h");
        await silo.Probe.Marked("in:h");
        using var cancellation = new CancellationTokenSource();
        var call = Grain("g").PassCancellable("a", cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.DefaultTimeout());
        silo.Probe.Open("h");
        await held.DefaultTimeout();
        Assert.Equal("ball", await Grain("g").Ball().DefaultTimeout());
        // A real silo runs it, with its token cancelled; the bundled one drops it.
        Assert.Equal(silo.Probe.Count("in:a"), silo.Probe.Count("cancelled:a"));
    }

    [Fact]
    public async Task Token_WithAcknowledgementAsked_CallerWaitsForGrain()
    {
        await using var waiting = await TestSilo.StartAsync(builder => builder.Configure<SiloMessagingOptions>(options => options.WaitForCancellationAcknowledgement = true));
        using var cancellation = new CancellationTokenSource();
        var call = waiting.Grains.GetGrain<IGateGrain>("g", typeof(GateGrain).FullName).PassCancellable("a", cancellation.Token);
        await waiting.Probe.Marked("in:a");
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.DefaultTimeout());
        Assert.Equal(1, waiting.Probe.Count("cancelled:a"));
    }
}

using Orleans.Configuration;
using Orleans.Hosting;
using Vigil.Orleans.Tests.Grains;

namespace Vigil.Orleans.Tests;

public sealed class InterleavingTests : IAsyncLifetime
{
    private TestSilo silo = null!;

    private Probe Probe => silo.Probe;

    public async Task InitializeAsync() => silo = await TestSilo.StartAsync();

    public async Task DisposeAsync() => await silo.DisposeAsync();

    private IGateGrain Grain(string key) => silo.Grains.GetGrain<IGateGrain>(key, typeof(GateGrain).FullName);

    private IGateGrain Open(string key) => silo.Grains.GetGrain<IGateGrain>(key, typeof(OpenGateGrain).FullName);

    [Fact]
    public async Task Call_WhileAnotherAwaits_WaitsForItsEnd()
    {
        var first = Grain("g").Pass("a");
        await Probe.Marked("in:a");
        var second = Grain("g").Pass("b");
        Probe.Open("b");
        // Another grain's whole call passes meanwhile.
        await Task.WhenAll(Grain("other").Pass("b")).DefaultTimeout();
        Assert.Equal(["in:a", "in:b", "out:b"], Probe.Log);
        Probe.Open("a");
        await Task.WhenAll(first, second).DefaultTimeout();
        Assert.Equal(["in:a", "in:b", "out:b", "out:a", "in:b", "out:b"], Probe.Log);
    }

    [Fact]
    public async Task Call_OfReentrantClass_Interleaves()
    {
        var first = Open("g").Pass("a");
        await Probe.Marked("in:a");
        Probe.Open("b");
        await Open("g").Pass("b").DefaultTimeout();
        Probe.Open("a");
        await first.DefaultTimeout();
        Assert.Equal(["in:a", "in:b", "out:b", "out:a"], Probe.Log);
    }

    [Fact]
    public async Task Call_BeyondTheHardLimit_IsRefusedAndThoseBeforeItAreNot()
    {
        await using var limited = await TestSilo.StartAsync(silo => silo.Configure<SiloMessagingOptions>(o => o.MaxEnqueuedRequestsHardLimit = 3));
        var grain = limited.Grains.GetGrain<IGateGrain>("g", typeof(GateGrain).FullName);
        var calls = new List<Task> { grain.Pass("a") };
        await limited.Probe.Marked("in:a");
        // As with the official silo, one more than the limit: it looks at how many there are before the call.
        for (var i = 0; i < 3; i++) calls.Add(grain.Pass("a"));
        var refusal = await Assert.ThrowsAsync<LimitExceededException>(() => grain.Pass("a").DefaultTimeout());
        Assert.Contains("MaxEnqueuedRequestsHardLimit", refusal.Message, StringComparison.Ordinal);
        // Others have limits of their own.
        limited.Probe.Open("b");
        await limited.Grains.GetGrain<IGateGrain>("other", typeof(GateGrain).FullName).Pass("b").DefaultTimeout();
        limited.Probe.Open("a");
        await Task.WhenAll(calls).DefaultTimeout();
        await grain.Pass("a").DefaultTimeout();
    }

    [Fact]
    public async Task Call_MarkedAlwaysInterleave_InterleavesWithAnother()
    {
        var first = Grain("g").Pass("a");
        await Probe.Marked("in:a");
        Probe.Open("b");
        await Grain("g").PassAlways("b").DefaultTimeout();
        Probe.Open("a");
        await first.DefaultTimeout();
        Assert.Equal(["in:a", "in:b", "out:b", "out:a"], Probe.Log);
    }

    [Fact]
    public async Task Calls_MarkedReadOnly_InterleaveWithEachOtherButNotWithWrites()
    {
        var first = Grain("g").PassReading("a");
        await Probe.Marked("in:a");
        var write = Grain("g").Pass("w");
        Probe.Open("b");
        await Grain("g").PassReading("b").DefaultTimeout();
        Assert.Equal(["in:a", "in:b", "out:b"], Probe.Log);
        Probe.Open("w");
        Probe.Open("a");
        await Task.WhenAll(first, write).DefaultTimeout();
        Assert.Equal(["in:a", "in:b", "out:b", "out:a", "in:w", "out:w"], Probe.Log);
    }

    [Fact]
    public async Task Read_WhileWriteRuns_Waits()
    {
        var write = Grain("g").Pass("w");
        await Probe.Marked("in:w");
        var reads = Enumerable.Range(0, 3).Select(i => Grain("g").PassReading($"r{i}")).ToArray();
        for (var i = 0; i < 3; i++) Probe.Open($"r{i}");
        await Grain("other").PassReading("r0").DefaultTimeout();
        Assert.DoesNotContain("in:r1", Probe.Log);
        Probe.Open("w");
        await Task.WhenAll([write, .. reads]).DefaultTimeout();
        Assert.Equal("out:w", Probe.Log.SkipWhile(line => line != "out:r0").ElementAt(1));
    }

    [Fact]
    public async Task CallBack_WithinAllowedCallChain_ComesIn() =>
        Assert.Equal("ball", await Grain("ping").Ping(Grain("pong"), allow: true).DefaultTimeout());

    [Fact]
    public async Task Stranger_WhileCallChainIsAllowed_StillWaits()
    {
        var ping = Grain("ping").Ping(Grain("pong2"), allow: true);
        Assert.Equal("ball", await ping.DefaultTimeout());
        var held = Grain("ping").Pass("a");
        await Probe.Marked("in:a");
        RequestContext.ReentrancyId = Guid.NewGuid();
        var stranger = Grain("ping").Ball();
        RequestContext.Clear();
        Probe.Open("b");
        await Grain("other").Pass("b").DefaultTimeout();
        Assert.False(stranger.IsCompleted);
        Probe.Open("a");
        await held.DefaultTimeout();
        Assert.Equal("ball", await stranger.DefaultTimeout());
    }

    [Fact]
    public async Task Storm_OnOneGrain_NeverRunsTwoCallsAtOnce()
    {
        var grain = silo.Grains.GetGrain<ILedgerGrain>("storm");
        var senders = Enumerable.Range(0, 8).Select(sender => Task.Run(async () =>
        {
            for (var i = 0; i < 50; i++) await grain.Add($"{sender}:{i}");
        }));
        await Task.WhenAll(senders).DefaultTimeout();
        var state = await grain.Read().DefaultTimeout();
        Assert.Equal(400, state.Count);
        Assert.Equal(400, state.Parts.Count);
    }
}

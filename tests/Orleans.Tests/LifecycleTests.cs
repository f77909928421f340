using Orleans.Configuration;
using Orleans.Hosting;
using Vigil.Orleans.Tests.Grains;

namespace Vigil.Orleans.Tests;

public sealed class LifecycleTests : IAsyncLifetime
{
    private TestSilo silo = null!;

    private Probe Probe => silo.Probe;

    public async Task InitializeAsync() => silo = await TestSilo.StartAsync();

    public async Task DisposeAsync() => await silo.DisposeAsync();

    private ILifeGrain Grain(string key) => silo.Grains.GetGrain<ILifeGrain>(key);

    [Fact]
    public async Task FirstCalls_InAStorm_ActivateOnce()
    {
        const int grains = 20;
        var calls = Enumerable.Range(0, 16).Select(_ => Task.Run(() =>
            Task.WhenAll(Enumerable.Range(0, 50).Select(i => Grain($"storm{i % grains}").Touch()))));
        var results = (await Task.WhenAll(calls).DefaultTimeout()).SelectMany(result => result).ToArray();
        Assert.Equal(grains, results.Select(result => result.Activation).Distinct().Count());
        Assert.Equal(800, results.GroupBy(result => result.Activation).Sum(group => group.Max(result => result.Calls)));
        Assert.All(Enumerable.Range(0, grains), i => Assert.Equal(1, Probe.Count($"activate:storm{i}")));
    }

    [Fact]
    public async Task Calls_WhileActivating_WaitForIt()
    {
        var calls = Enumerable.Range(0, 10).Select(_ => Grain("slow").Touch()).ToArray();
        await Probe.Marked("activate:slow");
        Assert.All(calls, call => Assert.False(call.IsCompleted));
        Probe.Open("activate");
        var results = await Task.WhenAll(calls).DefaultTimeout();
        Assert.Equal(Enumerable.Range(1, 10), results.Select(result => result.Calls).Order());
    }

    [Fact]
    public async Task Activation_ThatFails_FailsTheWaitingCallsAndALaterCallTriesAgain()
    {
        var failed = await Assert.ThrowsAsync<BasketException>(() => Grain("bad").Touch().DefaultTimeout());
        Assert.Equal("not today", failed.Message);
        Assert.Equal(7, failed.Code);
        Assert.Equal(1, (await Grain("bad").Touch().DefaultTimeout()).Calls);
        Assert.Equal(2, Probe.Count("activate:bad"));
    }

    [Fact]
    public async Task DeactivateOnIdle_Called_NextCallMakesANewActivation()
    {
        var (before, _) = await Grain("goer").Touch().DefaultTimeout();
        await Grain("goer").Go().DefaultTimeout();
        await Probe.Marked("deactivate:goer");
        var (after, calls) = await Grain("goer").Touch().DefaultTimeout();
        Assert.NotEqual(before, after);
        Assert.Equal(1, calls);
        Assert.Equal(["goer:ApplicationRequested"], Probe.Log);
    }

    [Fact]
    public async Task Calls_DuringDeactivation_GoToTheNextActivationAndNoneIsLost()
    {
        await Grain("lingering").Touch().DefaultTimeout();
        await Grain("lingering").Go().DefaultTimeout();
        await Probe.Marked("deactivate:lingering");
        var calls = Enumerable.Range(0, 20).Select(_ => Grain("lingering").Touch()).ToArray();
        Assert.Equal(1, Probe.Count("activate:lingering"));
        Probe.Open("deactivate");
        var results = await Task.WhenAll(calls).DefaultTimeout();
        Assert.Single(results.Select(result => result.Activation).Distinct());
        Assert.Equal(Enumerable.Range(1, 20), results.Select(result => result.Calls).Order());
        Assert.Equal(2, Probe.Count("activate:lingering"));
    }

    [Fact]
    public async Task Call_ThatRuns_IsWaitedForByDeactivation()
    {
        var running = Grain("busy").GoWhile("end");
        await Probe.Marked("going:end");
        var next = Grain("busy").Touch();
        Assert.Equal(0, Probe.Count("deactivate:busy"));
        Probe.Open("end");
        await running.DefaultTimeout();
        Assert.Equal(1, (await next.DefaultTimeout()).Calls);
        Assert.Equal(1, Probe.Count("deactivated:busy"));
    }

    [Fact]
    public async Task CallsAndDeactivations_AtOnce_LoseNothing()
    {
        // A real silo forwards a call that met a deactivation, and gives up after two times unless it is told otherwise.
        await using var patient = await TestSilo.StartAsync(builder => builder.Configure<SiloMessagingOptions>(options => options.MaxForwardCount = 255));
        var grain = patient.Grains.GetGrain<ILifeGrain>("race");
        var answered = 0;
        var callers = Enumerable.Range(0, 4).Select(caller => Task.Run(async () =>
        {
            for (var i = 0; i < 300; i++)
            {
                if (caller == 0) await grain.Go();
                else await grain.Touch();
                Interlocked.Increment(ref answered);
            }
        }));
        await Task.WhenAll(callers).DefaultTimeout();
        Assert.Equal(1200, answered);
        Assert.True(patient.Probe.Count("activate:race") - patient.Probe.Count("deactivated:race") <= 1);
    }

    [Fact]
    public async Task Idle_Activation_OnTheRealClock_GoesAfterItsAge()
    {
        await using var real = await TestSilo.StartAsync(builder => builder.Configure<GrainCollectionOptions>(options =>
        {
            options.CollectionAge = TimeSpan.FromMilliseconds(200);
            options.CollectionQuantum = TimeSpan.FromMilliseconds(100);
        }));
        var idle = real.Grains.GetGrain<ILifeGrain>("idle");
        await idle.Touch().DefaultTimeout();
        await real.Probe.Marked("deactivate:idle");
        Assert.Equal("idle:ActivationIdle", real.Probe.Log.First());
        Assert.Equal(1, (await idle.Touch().DefaultTimeout()).Calls);
    }

    [Fact]
    public async Task Silo_Stopped_DeactivatesAllGrains()
    {
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Grain($"stop{i}").Touch())).DefaultTimeout();
        await silo.StopAsync();
        Assert.Equal(Enumerable.Range(0, 50).Select(i => $"stop{i}:ShuttingDown").Order(), Probe.Log.Order());
    }
}

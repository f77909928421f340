using System.Threading.Channels;
using Vigil.Metrics.Scrape;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Scrape;

public sealed class SlotSchedulerTests
{
    private readonly FakeClock clock = new();
    private readonly Channel<(ScrapeTarget Target, long Slot)> runs = Channel.CreateUnbounded<(ScrapeTarget, long)>();
    private readonly Channel<ScrapeTarget> missed = Channel.CreateUnbounded<ScrapeTarget>();
    private readonly SemaphoreSlim free = new(0);

    [Fact]
    public async Task Run_MoreTargetsThanPlaces_RunAtMostAsManyAtOnce()
    {
        using var scheduler = Scheduler(2);
        using var stop = new CancellationTokenSource();
        scheduler.Replace(Targets(5));
        var loop = scheduler.RunAsync(stop.Token);
        Pass(10);
        scheduler.Wake();
        await runs.Reader.ReadAsync().DefaultTimeout();
        await runs.Reader.ReadAsync().DefaultTimeout();
        Assert.False(runs.Reader.TryRead(out _));
        for (var i = 0; i < 3; i++)
        {
            free.Release();
            await runs.Reader.ReadAsync().DefaultTimeout();
        }
        free.Release(2);
        await stop.CancelAsync();
        await loop.DefaultTimeout();
    }

    [Fact]
    public async Task Run_ATargetThatIsStillUnderWay_MissesItsMomentAndIsCounted()
    {
        using var scheduler = Scheduler(4);
        using var stop = new CancellationTokenSource();
        scheduler.Replace(Targets(1));
        var loop = scheduler.RunAsync(stop.Token);
        Pass(10);
        scheduler.Wake();
        var (target, slot) = await runs.Reader.ReadAsync().DefaultTimeout();
        Pass(10);
        scheduler.Wake();
        Assert.Same(target, await missed.Reader.ReadAsync().DefaultTimeout());
        free.Release();
        // What has ended is not under way; until then it misses further moments.
        (ScrapeTarget Target, long Slot) next = default;
        await Waiting.Until(() =>
        {
            Pass(10);
            scheduler.Wake();
            return Task.FromResult(runs.Reader.TryRead(out next));
        }, "it runs again");
        Assert.Equal(0, (next.Slot - slot) % 10_000);
        free.Release();
        await stop.CancelAsync();
        await loop.DefaultTimeout();
    }

    [Fact]
    public async Task Run_BegunWhenAMomentHasComeAlready_DoesNotMissIt()
    {
        using var scheduler = Scheduler(4);
        using var stop = new CancellationTokenSource();
        var target = Targets(1)[0];
        var due = target.NextSlot(clock.GetUtcNow().ToUnixTimeMilliseconds());
        scheduler.Replace([target]);
        Pass(10);
        var loop = scheduler.RunAsync(stop.Token);
        Assert.Equal(due, (await runs.Reader.ReadAsync().DefaultTimeout()).Slot);
        free.Release();
        await stop.CancelAsync();
        await loop.DefaultTimeout();
    }

    [Fact]
    public async Task Run_AClockThatIsSetBack_DoesNotStopIt()
    {
        using var scheduler = Scheduler(4);
        using var stop = new CancellationTokenSource();
        scheduler.Replace(Targets(1));
        var loop = scheduler.RunAsync(stop.Token);
        free.Release(10);
        Pass(10);
        scheduler.Wake();
        var (_, first) = await runs.Reader.ReadAsync().DefaultTimeout();
        clock.SetBack(TimeSpan.FromHours(1));
        scheduler.Wake();
        (ScrapeTarget Target, long Slot) next = default;
        await Waiting.Until(() =>
        {
            Pass(10);
            scheduler.Wake();
            return Task.FromResult(runs.Reader.TryRead(out next));
        }, "it runs again");
        Assert.True(next.Slot < first);
        free.Release(10);
        await stop.CancelAsync();
        await loop.DefaultTimeout();
    }

    private SlotScheduler Scheduler(int places) => new(clock, places, async (target, slot, ct) =>
    {
        runs.Writer.TryWrite((target, slot));
        await free.WaitAsync(CancellationToken.None);
    }, target => missed.Writer.TryWrite(target));

    private void Pass(int seconds) => clock.Advance(TimeSpan.FromSeconds(seconds));

    private static IReadOnlyList<ScrapeTarget> Targets(int count)
    {
        var (jobs, _) = ScrapeFileTests.Parse("scrape_configs: [ { job_name: a, scrape_interval: 10s } ]");
        return TargetBuilder.Build(jobs[0], [new TargetGroup("s", [.. Enumerable.Range(0, count).Select(i => $"h{i}:1")], new Dictionary<string, string>())]).Active;
    }
}

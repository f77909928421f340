using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Vigil.Alerting.Notify;
using Vigil.Testing;

namespace Vigil.Alerting.Tests.Notify;

public sealed class PageDispatcherTests
{
    private readonly FakeClock clock = new(Pages.Start);
    private readonly MemoryDeliveryLog log = new();
    private readonly RecordingReports reports = new();
    private readonly NotifyOptions options = new();

    [Fact]
    public async Task Offer_Page_ReachesEveryChannelThatTakesItsSeverity()
    {
        var (all, p1, p2) = (new ScriptedChannel("all"), new ScriptedChannel("p1", "P1"), new ScriptedChannel("p2", "P2"));
        await using var dispatcher = Dispatcher(all, p1, p2);

        dispatcher.Offer(Pages.Page());

        await all.NextAttempt();
        await p1.NextAttempt();
        await reports.NextSettled();
        Assert.False(p2.HasMore);
        Assert.Equal(["all", "p1"], log.Deliveries.Keys.Select(k => k.Channel).Order());
    }

    [Fact]
    public async Task Offer_FailingChannel_IsTriedAgainWithTheSameKeyUntilItTakesIt()
    {
        var channel = new ScriptedChannel("c");
        channel.Answers.Enqueue(SendResult.Retry("status_503", "answered 503"));
        channel.Answers.Enqueue(SendResult.Retry("timeout", "no answer"));
        await using var dispatcher = Dispatcher(channel);

        dispatcher.Offer(Pages.Page());
        var keys = new List<string> { (await channel.NextAttempt()).IdempotencyKey };
        for (var i = 0; i < 2; i++)
        {
            // One step of the clock may have covered both delays, also while this looks.
            await Waiting.Until(() => Task.FromResult(channel.HasMore || clock.ArmedTimers > 0), "the next attempt is made, or waits for the clock");
            if (!channel.HasMore) clock.Advance(TimeSpan.FromSeconds(1));
            keys.Add((await channel.NextAttempt()).IdempotencyKey);
        }

        var delivery = await reports.NextReport();
        Assert.True(delivery.Delivered);
        Assert.Equal(3, delivery.Attempts);
        Assert.Single(keys.Distinct());
    }

    [Fact]
    public async Task Offer_RefusedForGood_IsGivenUpAtOnceAndKeptAsDeadLetter()
    {
        var channel = new ScriptedChannel("c");
        channel.Answers.Enqueue(SendResult.Refused("status_400", "answered 400 Bad Request"));
        await using var dispatcher = Dispatcher(channel);

        dispatcher.Offer(Pages.Page());

        var delivery = await reports.NextReport();
        Assert.False(delivery.Delivered);
        Assert.Equal((1, "answered 400 Bad Request"), (delivery.Attempts, delivery.Detail));
        await reports.NextSettled();
        Assert.False(log.Deliveries.Values.Single().Delivered);
    }

    [Fact]
    public async Task Offer_SlowChannel_HoldsUpNeitherAnotherChannelNorAnotherAlert()
    {
        var (slow, fast) = (new ScriptedChannel("slow"), new ScriptedChannel("fast"));
        var release = new TaskCompletionSource();
        slow.Hold = release.Task;
        await using var dispatcher = Dispatcher(slow, fast);

        dispatcher.Offer(Pages.Page("x"));
        dispatcher.Offer(Pages.Page("y"));

        await fast.NextAttempt();
        await fast.NextAttempt();
        // Both alerts are under way on the slow channel too: neither waits for the other.
        await slow.NextAttempt();
        await slow.NextAttempt();
        release.SetResult();
        await reports.NextSettled();
        await reports.NextSettled();
    }

    [Fact]
    public async Task Offer_ResolvedWhileFiringIsRetried_DoesNotOvertakeIt()
    {
        var channel = new ScriptedChannel("c");
        channel.Answers.Enqueue(SendResult.Retry("status_503", "answered 503"));
        await using var dispatcher = Dispatcher(channel);

        dispatcher.Offer(Pages.Page("x", firing: true));
        dispatcher.Offer(Pages.Page("x", firing: false));
        var order = new List<bool> { (await channel.NextAttempt()).Firing };
        await DelayArmed();
        Assert.False(channel.HasMore);
        clock.Advance(TimeSpan.FromSeconds(1));
        order.Add((await channel.NextAttempt()).Firing);
        order.Add((await channel.NextAttempt()).Firing);

        Assert.Equal([true, true, false], order);
    }

    [Fact]
    public async Task Offer_ResolvedAfterFiringFoundNoRoomOnOneChannel_DoesNotOvertakeItThere()
    {
        options.MaxWaiting = 2;
        var (full, slow) = (new ScriptedChannel("full", "P1", "P2"), new ScriptedChannel("slow", "P1"));
        var (releaseFull, releaseSlow) = (new TaskCompletionSource(), new TaskCompletionSource());
        (full.Hold, slow.Hold) = (releaseFull.Task, releaseSlow.Task);
        await using var dispatcher = Dispatcher(full, slow);
        dispatcher.Offer(Pages.Page("1", severity: "P2"));
        dispatcher.Offer(Pages.Page("2", severity: "P2"));
        await full.NextAttempt();
        await full.NextAttempt();

        // Under way on one channel, without room on the other.
        var (firing, resolved) = (Pages.Page("x", firing: true), Pages.Page("x", firing: false));
        dispatcher.Offer(firing);
        await slow.NextAttempt();
        releaseFull.SetResult();
        await Waiting.Until(() => Task.FromResult(dispatcher.WaitingFor("full") == 0), "there is room again");
        Assert.False(full.HasMore);
        Assert.False(dispatcher.IsUnderWay(firing.IdempotencyKey));
        dispatcher.Offer(firing, resolved);

        Assert.True((await full.NextAttempt()).Firing);
        Assert.False((await full.NextAttempt()).Firing);
        releaseSlow.SetResult();
        Assert.False((await slow.NextAttempt()).Firing);
        Assert.False(slow.HasMore);
    }

    [Fact]
    public async Task Offer_ResolvedWhileFiringStillFindsNoRoom_WaitsWithIt()
    {
        options.MaxWaiting = 1;
        var channel = new ScriptedChannel("c");
        var release = new TaskCompletionSource();
        channel.Hold = release.Task;
        await using var dispatcher = Dispatcher(channel);
        dispatcher.Offer(Pages.Page("1"));
        await channel.NextAttempt();
        var (firing, resolved) = (Pages.Page("x", firing: true), Pages.Page("x", firing: false));

        dispatcher.Offer(firing, resolved);
        release.SetResult();
        await Waiting.Until(() => Task.FromResult(dispatcher.WaitingFor("c") == 0), "there is room again");
        // Room for one: it is the first's.
        channel.Hold = new TaskCompletionSource().Task;
        dispatcher.Offer(firing, resolved);

        Assert.True((await channel.NextAttempt()).Firing);
        Assert.False(dispatcher.IsUnderWay(resolved.IdempotencyKey));
    }

    [Fact]
    public async Task Offer_ChannelThatThrows_IsTriedAgainBeforeTheAlertsNextPage()
    {
        var channel = new ScriptedChannel("c") { Throws = true };
        await using var dispatcher = Dispatcher(channel);

        dispatcher.Offer(Pages.Page("x", firing: true), Pages.Page("x", firing: false));
        Assert.True((await channel.NextAttempt()).Firing);
        await DelayArmed();
        channel.Throws = false;
        clock.Advance(TimeSpan.FromSeconds(1));

        Assert.True((await channel.NextAttempt()).Firing);
        Assert.False((await channel.NextAttempt()).Firing);
    }

    [Fact]
    public async Task Withdraw_PagesThatWait_AreNotToldAndAreDeadLetters()
    {
        options.MaxWaiting = 3;
        var channel = new ScriptedChannel("c");
        channel.Answers.Enqueue(SendResult.Retry("status_503", "answered 503"));
        await using var dispatcher = Dispatcher(channel);
        var (retried, queued) = (Pages.Page("x", firing: true), Pages.Page("x", firing: false));
        var (newest, without) = (Pages.Page("x") with { IdempotencyKey = "newest" }, Pages.Page("x") with { IdempotencyKey = "without room" });
        dispatcher.Offer(retried, queued, newest, without);
        Assert.Same(retried, await channel.NextAttempt());
        await DelayArmed();

        foreach (var page in (Page[])[retried, queued, without]) dispatcher.Withdraw(page, "too many");
        var dropped = new List<Delivery> { await reports.NextReport() };
        clock.Advance(TimeSpan.FromSeconds(1));

        Assert.Same(newest, await channel.NextAttempt());
        dropped.AddRange([await reports.NextReport(), await reports.NextReport()]);
        Assert.Equal([without, retried, queued], dropped.Select(d => d.Page));
        Assert.Equal([0, 1, 0], dropped.Select(d => d.Attempts));
        Assert.All(dropped, d => Assert.Equal((false, "too many"), (d.Delivered, d.Detail)));
    }

    [Fact]
    public async Task Offer_SamePageWhileUnderWay_IsSentOnce()
    {
        var channel = new ScriptedChannel("c");
        var release = new TaskCompletionSource();
        channel.Hold = release.Task;
        await using var dispatcher = Dispatcher(channel);

        dispatcher.Offer(Pages.Page());
        await channel.NextAttempt();
        dispatcher.Offer(Pages.Page());
        release.SetResult();

        await reports.NextSettled();
        Assert.False(channel.HasMore);
    }

    [Fact]
    public async Task Offer_AfterARestart_OnlyChannelsWithoutARecordAreTold()
    {
        var page = Pages.Page();
        log.Deliveries[(page.IdempotencyKey, "told")] = new Delivery(page, "told", Pages.Start, 1, true, "", TimeSpan.Zero);
        var (told, untold) = (new ScriptedChannel("told"), new ScriptedChannel("untold"));
        await using var dispatcher = Dispatcher(told, untold);

        dispatcher.Offer(page);

        await untold.NextAttempt();
        await reports.NextSettled();
        Assert.False(told.HasMore);
    }

    [Fact]
    public async Task Offer_BrokenDeliveryLog_StillTells()
    {
        log.Fails = true;
        var channel = new ScriptedChannel("c");
        await using var dispatcher = Dispatcher(channel);

        dispatcher.Offer(Pages.Page());

        await channel.NextAttempt();
        await reports.NextSettled();
    }

    [Fact]
    public async Task Offer_AtTheLimitOfWaitingPages_OneMoreIsNotSettledAndMayBeOfferedAgain()
    {
        options.MaxWaiting = 2;
        var channel = new ScriptedChannel("c");
        var release = new TaskCompletionSource();
        channel.Hold = release.Task;
        await using var dispatcher = Dispatcher(channel);
        dispatcher.Offer(Pages.Page("1"));
        dispatcher.Offer(Pages.Page("2"));

        dispatcher.Offer(Pages.Page("3"));

        Assert.Equal(2, dispatcher.WaitingFor("c"));
        release.SetResult();
        var settled = new[] { await reports.NextSettled(), await reports.NextSettled() };
        Assert.DoesNotContain(settled, p => p.Labels["instance"] == "3");
        await Waiting.Until(() => Task.FromResult(dispatcher.WaitingFor("c") == 0), "the lanes are empty");
        dispatcher.Offer(Pages.Page("3"));
        Assert.Equal("3", (await reports.NextSettled()).Labels["instance"]);
    }

    [Fact]
    public async Task Offer_SeverityThatNoChannelTakes_IsSettledAndNobodyIsTold()
    {
        var channel = new ScriptedChannel("c", "P1");
        await using var dispatcher = Dispatcher(channel);

        dispatcher.Offer(Pages.Page(severity: "P3"));

        await reports.NextSettled();
        Assert.False(channel.HasMore);
    }

    [Fact]
    public async Task Revive_DeadLetter_IsSentOnceMoreUnderItsOldKey()
    {
        var channel = new ScriptedChannel("c");
        channel.Answers.Enqueue(SendResult.Refused("status_400", "no"));
        await using var dispatcher = Dispatcher(channel);
        dispatcher.Offer(Pages.Page());
        var first = await channel.NextAttempt();
        await reports.NextReport();

        Assert.True(dispatcher.Revive("c", first));

        Assert.Equal(first.IdempotencyKey, (await channel.NextAttempt()).IdempotencyKey);
        Assert.True((await reports.NextReport()).Delivered);
        Assert.True(log.Deliveries.Values.Single().Delivered);
        Assert.False(dispatcher.Revive("nosuch", first));
    }

    [Fact]
    public async Task Dispose_WhileAPageLeaves_StillRecordsThatItDid()
    {
        var channel = new UnstoppableChannel();
        var dispatcher = Dispatcher(channel);
        dispatcher.Offer(Pages.Page());
        await channel.Sending.Task.DefaultTimeout();
        await dispatcher.DisposeAsync();
        channel.Answered.SetResult();
        await reports.NextReport();
        Assert.Single(log.Deliveries);
    }

    private sealed class UnstoppableChannel : IChannel
    {
        public TaskCompletionSource Sending { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Answered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string Name => "c";

        public string Kind => "test";

        public string Target => "nowhere";

        public IReadOnlyCollection<string> Severities => [];

        public async Task<SendResult> SendAsync(Page page, CancellationToken ct)
        {
            Sending.SetResult();
            await Answered.Task;
            return SendResult.Ok;
        }
    }

    [Theory]
    [InlineData(0, "Told firing ", "attempt 1")]
    [InlineData(40, "Told firing ", "40.0 ms after its cause")]
    public async Task Offer_DeliveredPage_IsLoggedWithItsLatencyOnlyWhereASampleCausedIt(int latencyMs, string starts, string ends)
    {
        var lines = new LineCollector();
        await using var dispatcher = new PageDispatcher([new ScriptedChannel("c")], log, reports, Options.Create(options), clock, Pages.Metrics(), lines);
        var cause = latencyMs == 0 ? 0 : (clock.GetUtcNow().ToUnixTimeMilliseconds() - latencyMs) * 1000;
        dispatcher.Offer(Pages.Page() with { CauseReceivedUnixUs = cause });
        await reports.NextSettled();
        var line = Assert.Single(lines.Lines);
        Assert.StartsWith(starts, line, StringComparison.Ordinal);
        Assert.EndsWith(ends, line, StringComparison.Ordinal);
    }

    private sealed class LineCollector : ILogger<PageDispatcher>
    {
        public List<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Lines.Add(formatter(state, exception));
    }

    private PageDispatcher Dispatcher(params IChannel[] channels) =>
        new(channels, log, reports, Options.Create(options), clock, Pages.Metrics(), NullLogger<PageDispatcher>.Instance);

    private Task DelayArmed() => Waiting.Until(() => Task.FromResult(clock.ArmedTimers > 0), "the delay before the next attempt has begun");
}

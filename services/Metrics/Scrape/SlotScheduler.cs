namespace Vigil.Metrics.Scrape;

/// <summary>
/// Runs every target at its moments (<see cref="ScrapeTarget.NextSlot"/>): one timer for all of them, a bound on how many run at once, and
/// none twice at a time. A target whose run is still under way, or waiting for its turn, when it is due again misses that moment.
/// </summary>
internal sealed class SlotScheduler(TimeProvider clock, int concurrency, Func<ScrapeTarget, long, CancellationToken, Task> run, Action<ScrapeTarget> missed) : IDisposable
{
    /// <summary>The longest sleep: that a clock was set back is noticed within it.</summary>
    private const long LongestSleepMs = 10_000;

    private readonly Lock gate = new();
    private readonly SemaphoreSlim places = new(concurrency);
    private readonly SemaphoreSlim wake = new(0);
    private readonly Dictionary<string, Task> running = new(StringComparer.Ordinal);
    private PriorityQueue<ScrapeTarget, long> due = new();
    private long lookedAt = long.MinValue;

    /// <summary>Brings other targets into force. Those that stay keep their moments.</summary>
    public void Replace(IEnumerable<ScrapeTarget> targets)
    {
        var all = targets.ToArray();
        lock (gate) Queue(all, Now());
        Wake();
    }

    /// <summary>Has it look at the clock.</summary>
    public void Wake() => wake.Release();

    /// <summary>Completes when no run of the target is under way.</summary>
    public Task WhenIdle(string key)
    {
        lock (gate) return running.GetValueOrDefault(key, Task.CompletedTask);
    }

    /// <summary>Runs until told to stop, and then until what is under way has ended.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        await using var timer = clock.CreateTimer(static state => ((SemaphoreSlim)state!).Release(), wake, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        try
        {
            while (true)
            {
                timer.Change(TimeSpan.FromMilliseconds(StartDue(ct)), Timeout.InfiniteTimeSpan);
                await wake.WaitAsync(ct).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            Task[] last;
            lock (gate) last = [.. running.Values];
            await Task.WhenAll(last).ConfigureAwait(false);
        }
    }

    /// <summary>Starts what is due; returns the milliseconds until the next is.</summary>
    private long StartDue(CancellationToken ct)
    {
        lock (gate)
        {
            var now = Now();
            // By more than the timer is early. The first look has none before it, and nothing may be taken from the least number there is.
            if (now + 1_000 < lookedAt) Queue([.. due.UnorderedItems.Select(d => d.Element)], now);
            lookedAt = now;
            while (due.TryPeek(out var target, out var slot) && slot <= now)
            {
                due.DequeueEnqueue(target, target.NextSlot(now));
                if (running.ContainsKey(target.Key)) missed(target);
                else Start(target, slot, ct);
            }
            return due.TryPeek(out _, out var next) ? Math.Clamp(next - now, 1, LongestSleepMs) : LongestSleepMs;
        }
    }

    private void Start(ScrapeTarget target, long slot, CancellationToken ct)
    {
        // Entered before the first step may end it.
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        running.Add(target.Key, ended.Task);
        _ = Task.Run(async () =>
        {
            try
            {
                await places.WaitAsync(ct).ConfigureAwait(false);
                try
                {
                    await run(target, slot, ct).ConfigureAwait(false);
                }
                finally
                {
                    places.Release();
                }
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                // Stopping.
            }
            finally
            {
                lock (gate) running.Remove(target.Key);
                ended.SetResult();
            }
        }, CancellationToken.None);
    }

    private void Queue(IReadOnlyCollection<ScrapeTarget> targets, long now)
    {
        due = new PriorityQueue<ScrapeTarget, long>(targets.Count);
        foreach (var target in targets) due.Enqueue(target, target.NextSlot(now));
    }

    private long Now() => clock.GetUtcNow().ToUnixTimeMilliseconds();

    public void Dispose()
    {
        places.Dispose();
        wake.Dispose();
    }
}

namespace Vigil.Alerting.Grains;

/// <summary>Keeps the newest changes in memory and wakes those who wait for the next, or when the service stops: a silo waits for calls that are under way.</summary>
internal sealed class AlertFeedGrain(TimeProvider clock, IHostApplicationLifetime lifetime) : Grain, IAlertFeedGrain
{
    /// <summary>Changes remembered.</summary>
    public const int Remembered = 1_000;

    private readonly Queue<FeedMessage> changes = new(Remembered);
    private readonly string feed = Guid.NewGuid().ToString("N");
    private TaskCompletionSource more = NewSignal();
    private long last;

    public Task Publish(FeedMessage[] published)
    {
        foreach (var change in published)
        {
            if (changes.Count == Remembered) changes.Dequeue();
            changes.Enqueue(change);
            last++;
        }
        var waiting = more;
        more = NewSignal();
        waiting.SetResult();
        return Task.CompletedTask;
    }

    public async Task<FeedPage> Next(string from, long after, TimeSpan patience)
    {
        // Minus one asks for new ones only, wherever the feed stands.
        if (after < 0) after = last;
        else if (from != feed) after = 0;
        if (after >= last && patience > TimeSpan.Zero)
        {
            try
            {
                await more.Task.WaitAsync(patience, clock, lifetime.ApplicationStopping);
            }
            catch (Exception e) when (e is TimeoutException or OperationCanceledException)
            {
                // Nothing happened; the caller asks again, later or elsewhere.
            }
        }
        var first = Math.Max(after, last - changes.Count) + 1;
        return new FeedPage(feed, first, [.. changes.Skip((int)(first - (last - changes.Count) - 1))]);
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

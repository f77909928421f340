using Orleans;

namespace Vigil.Metrics.Scrape;

/// <inheritdoc cref="IScrapeTargetGrain"/>
internal sealed class ScrapeTargetGrain(ScrapeTargets targets, TargetScraperParts parts) : Grain, IScrapeTargetGrain
{
    private TargetScraper? scraper;
    private TargetReport? newest;
    private long newestSlot;

    public async Task<TargetReport?> ScrapeAsync(long slotUnixMs)
    {
        if (!targets.TryGet(this.GetPrimaryKeyString(), out var target)) return null;
        var interval = (long)target.Interval.TotalMilliseconds;
        // Another process called first. Further back than that it is the clock that was set back.
        if (newest is not null && newestSlot - slotUnixMs is var ahead && ahead >= 0 && ahead < interval) return newest;
        newestSlot = slotUnixMs;
        // What was in the page before must be known until the next one.
        DelayDeactivation(3 * target.Interval + TimeSpan.FromMinutes(1));
        if (scraper is null) scraper = new TargetScraper(target, targets.ClientOf(target.Job), parts);
        else if (!scraper.Target.IsSameAs(target)) scraper.Change(target, targets.ClientOf(target.Job));
        return newest = await scraper.ScrapeAsync(slotUnixMs);
    }

    public Task<TargetMetadata[]> GetMetadataAsync() =>
        Task.FromResult<TargetMetadata[]>([.. (scraper?.Metadata ?? []).Select(m => new TargetMetadata { Metric = m.Metric, Type = m.Type, Help = m.Help, Unit = m.Unit })]);

    public async Task RetireAsync()
    {
        if (scraper is null) return;
        await scraper.EndAsync();
        scraper = null;
        DeactivateOnIdle();
    }
}

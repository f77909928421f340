using Microsoft.Extensions.Options;
using Vigil.Metrics.Api;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Probes;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Scrape;

/// <summary>What all targets' scrapers share.</summary>
internal sealed class TargetScraperParts(
    SeriesRouter router, SeriesRules rules, SampleColumnsPool pool, MetricsInstruments instruments, ScrapeInstruments scrapes, IOptions<ScrapeOptions> options, IOptions<MetricsOptions> limits, TimeProvider clock,
    ILogger<TargetScraper> log)
{
    public SeriesRouter Router => router;

    public SeriesRules Rules => rules;

    public SampleColumnsPool Pool => pool;

    public MetricsInstruments Instruments => instruments;

    public ScrapeInstruments Scrapes => scrapes;

    public ScrapeOptions Options => options.Value;

    public MetricsOptions Limits => limits.Value;

    public TimeProvider Clock => clock;

    public ILogger Log => log;
}

/// <summary>
/// Scrapes or probes one target, again and again: fetches what it says, adds what is known about the scrape itself, marks the series that
/// are no more, and stores all of it. Called in its grain's turns, one call after the other.
/// </summary>
internal sealed partial class TargetScraper
{
    /// <summary>How late a scrape may begin and still bear the time at which it was due: even steps are stored in less space.</summary>
    private const long AlignMs = 20;

    private static readonly (string Name, string Help)[] OwnSeries =
    [
        ("up", "1 when the target could be scraped."),
        ("scrape_duration_seconds", "How long the scrape took."),
        ("scrape_samples_scraped", "Samples that the target exposed."),
        ("scrape_samples_post_metric_relabeling", "Samples that were left after relabelling."),
        ("scrape_series_added", "Series that were not there in the scrape before."),
    ];

    private readonly TargetScraperParts parts;
    private readonly ExpositionIntake intake;
    private readonly TargetWriter writer;
    private readonly TargetSamples samples = new();
    private readonly Door door;
    private HttpClient client;
    private long newestMs;
    private string? refusedBefore;

    public TargetScraper(ScrapeTarget target, HttpClient client, TargetScraperParts parts)
    {
        Target = target;
        this.client = client;
        this.parts = parts;
        door = target.Job.Probe is null ? Door.Scrape : Door.Probe;
        intake = new ExpositionIntake(target, parts.Rules);
        writer = new TargetWriter(parts.Router, parts.Pool, parts.Instruments, parts.Limits, door);
    }

    /// <summary>What is scraped.</summary>
    public ScrapeTarget Target { get; private set; }

    /// <summary>What the target says about its metrics.</summary>
    public IEnumerable<MetricMetadata> Metadata => intake.Metadata;

    /// <summary>The settings changed; labels and address are the same.</summary>
    public void Change(ScrapeTarget changed, HttpClient changedClient)
    {
        Target = changed;
        client = changedClient;
        intake.Change(changed);
    }

    /// <summary>Scrapes once and stores what came of it.</summary>
    /// <param name="slotMs">When it was due, milliseconds since 1970.</param>
    public async Task<TargetReport> ScrapeAsync(long slotMs)
    {
        var now = parts.Clock.GetUtcNow();
        var start = parts.Clock.GetTimestamp();
        var late = now.ToUnixTimeMilliseconds() - slotMs;
        var time = late is >= 0 and <= AlignMs ? slotMs : now.ToUnixTimeMilliseconds();
        newestMs = time;
        samples.Clear();
        using var body = new PooledBytes(16 * 1024);
        // A probe that fails has something to tell too.
        var (error, fault, failed, format) = await FetchAsync(body);
        var result = default(IntakeResult);
        if (failed) intake.Miss();
        else result = intake.Read(body.Segment, format, time, samples);
        if (result.Error is not null) samples.Clear();
        if (result.Error is not null) (error, fault) = (result.Error, result.Fault);
        if (fault != ScrapeFault.None) parts.Scrapes.Failed(fault);
        foreach (var (cause, count) in intake.Refused.Counts) parts.Instruments.Refuse(door, cause, count);
        foreach (var ended in intake.Ended()) samples.Add(ended, time, Samples.Stale);
        var duration = parts.Clock.GetElapsedTime(start).TotalSeconds;
        AddOwn(time, [error is null ? 1 : 0, duration, result.Scraped, result.Kept, result.Added]);
        var refused = new ScrapeRefusals();
        refused.Add(intake.Refused);
        var notStored = await StoreAsync(now, refused);
        Tell(refused.Describe());
        parts.Scrapes.Done(door, error is not null ? "down" : notStored is not null ? "not_stored" : "up");
        return new TargetReport { Error = error ?? notStored, AtUnixMs = time, DurationSeconds = duration, Scraped = result.Scraped, Refused = refusedBefore };
    }

    /// <summary>Marks everything as ended.</summary>
    public async Task EndAsync()
    {
        var now = parts.Clock.GetUtcNow();
        // Two samples cannot be of one moment.
        var time = Math.Max(now.ToUnixTimeMilliseconds(), newestMs + 1);
        samples.Clear();
        intake.Miss();
        foreach (var ended in intake.Ended()) samples.Add(ended, time, Samples.Stale);
        AddOwn(time, [.. Enumerable.Repeat(Samples.Stale, OwnSeries.Length)]);
        await StoreAsync(now, new ScrapeRefusals());
    }

    private async Task<(string? Error, ScrapeFault Fault, bool Failed, PageFormat Format)> FetchAsync(PooledBytes body)
    {
        if (Target.Fault is { } fault) return (fault, ScrapeFault.TargetLimit, true, default);
        if (Target.Job.Probe is { } probe)
        {
            var probed = await ProbeRunner.RunAsync(Target, probe, parts.Clock);
            ProbeText.Write(probed, body);
            return (probed.Failure, ScrapeFault.None, false, PageFormat.Text);
        }
        var page = await PageFetcher.FetchAsync(Target, client, parts.Options.MaxScrapeBytes, body, parts.Clock);
        return (page.Error, page.Fault, page.Error is not null, page.Format);
    }

    /// <summary>What a page's samples are refused for is mostly the same from one to the next: it is told when it changes.</summary>
    private void Tell(string? refused)
    {
        if (refused is not null && refused != refusedBefore) LogRefused(parts.Log, Target.Key, refused);
        refusedBefore = refused;
    }

    private void AddOwn(long time, ReadOnlySpan<double> values)
    {
        // A probe's duration has a name of its own, and it has nothing to count.
        var count = Target.Job.Probe is null ? OwnSeries.Length : 1;
        for (var i = 0; i < count; i++) samples.Add(intake.Own(OwnSeries[i].Name, OwnSeries[i].Help), time, values[i]);
    }

    /// <summary>Null, or why it could not be stored. It is tried twice: a grain that failed starts again from the database, and what it has stored already counts once.</summary>
    private async Task<string?> StoreAsync(DateTimeOffset received, ScrapeRefusals refused)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await writer.WriteAsync(samples.Items, intake.Scrape, received.ToUnixTimeMilliseconds() * 1000 + received.Microsecond, refused);
                return null;
            }
            catch (RefusalException e)
            {
                if (attempt == 1) continue;
                intake.NotStored();
                LogNotStored(parts.Log, Target.Key, samples.Items.Count, e.Message);
                return e.Message;
            }
        }
    }

    [LoggerMessage(60, LogLevel.Warning, "{Target}: {Samples} samples were scraped and could not be stored: {Reason}", EventName = "ScrapeNotStored")]
    private static partial void LogNotStored(ILogger log, string target, int samples, string reason);

    [LoggerMessage(68, LogLevel.Warning, "{Target}: {Refused}", EventName = "ScrapedSamplesRefused")]
    private static partial void LogRefused(ILogger log, string target, string refused);
}

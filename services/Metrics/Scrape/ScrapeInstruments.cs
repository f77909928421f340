using System.Diagnostics.Metrics;
using Vigil.Metrics.Grains;

namespace Vigil.Metrics.Scrape;

/// <summary>What is counted about scraping.</summary>
internal sealed class ScrapeInstruments
{
    private readonly Counter<long> scrapes;
    private readonly Counter<long> failed;
    private readonly Counter<long> reloads;
    private readonly KeyValuePair<string, object?>[] faults =
        [.. Enum.GetNames<ScrapeFault>().Select(name => new KeyValuePair<string, object?>("cause", MetricsInstruments.Snake(name)))];

    public ScrapeInstruments(IMeterFactory meters)
    {
        var meter = meters.Create(MetricsInstruments.MeterName);
        scrapes = meter.CreateCounter<long>("vigil.metrics.scrapes", "{scrape}", "Targets scraped and probed, by door and outcome: up, down, not_stored.");
        Skipped = meter.CreateCounter<long>("vigil.metrics.scrapes.skipped", "{scrape}", "Scrapes left out because the one before was still under way or waiting for its turn.");
        failed = meter.CreateCounter<long>("vigil.metrics.scrapes.failed", "{scrape}", "Scrapes that failed as a whole, by cause.");
        LeftOut = meter.CreateUpDownCounter<long>("vigil.metrics.scrape.targets.left_out", "{target}", "Targets in the files of this process that are not scraped, because there are more than there may be.");
        reloads = meter.CreateCounter<long>("vigil.metrics.scrape.reloads", "{reload}", "Files read anew, by outcome: applied, refused.");
        Targets = meter.CreateUpDownCounter<long>("vigil.metrics.scrape.targets", "{target}", "Targets in the files of this process.");
    }

    public Counter<long> Skipped { get; }

    public UpDownCounter<long> Targets { get; }

    /// <summary>Targets that are not scraped because there are too many.</summary>
    public UpDownCounter<long> LeftOut { get; }

    /// <summary>Counts a scrape that failed as a whole.</summary>
    public void Failed(ScrapeFault fault) => failed.Add(1, faults[(int)fault]);

    /// <summary>Counts a scrape.</summary>
    public void Done(Door door, string outcome) =>
        scrapes.Add(1, new KeyValuePair<string, object?>("door", door == Door.Probe ? "probe" : "scrape"), new KeyValuePair<string, object?>("outcome", outcome));

    /// <summary>Counts a file that was read.</summary>
    public void Reloaded(bool applied) => reloads.Add(1, new KeyValuePair<string, object?>("outcome", applied ? "applied" : "refused"));
}

using Orleans;
using Orleans.Concurrency;

namespace Vigil.Metrics.Scrape;

/// <summary>
/// One target that is scraped or probed. Every process of a cluster has the same files and the same times, and calls it when it is due;
/// the first call scrapes, the others get the same report. So each target is asked once, by the process that its grain is in, and
/// another takes over when that process ends. The key is <see cref="ScrapeTarget.Key"/>.
/// </summary>
[Alias("vigil.metrics.IScrapeTargetGrain")]
internal interface IScrapeTargetGrain : IGrainWithStringKey
{
    /// <summary>Scrapes now, unless it was done for this moment already.</summary>
    /// <param name="slotUnixMs">The moment at which it is due, milliseconds since 1970.</param>
    /// <returns>Null where the process that the grain is in does not have the target in its files.</returns>
    [Alias("Scrape"), ResponseTimeout("00:15:00")]
    Task<TargetReport?> ScrapeAsync(long slotUnixMs);

    /// <summary>What the target says about its metrics.</summary>
    [Alias("GetMetadata"), AlwaysInterleave]
    Task<TargetMetadata[]> GetMetadataAsync();

    /// <summary>The target is no more: its series are marked as ended.</summary>
    [Alias("Retire"), ResponseTimeout("00:15:00")]
    Task RetireAsync();
}

/// <summary>How the newest scrape of a target went.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.TargetReport")]
internal sealed record TargetReport
{
    /// <summary>Why it failed; null where it did not.</summary>
    [Id(0)] public string? Error { get; init; }

    /// <summary>When it began, milliseconds since 1970.</summary>
    [Id(1)] public long AtUnixMs { get; init; }

    /// <summary>How long it took.</summary>
    [Id(2)] public double DurationSeconds { get; init; }

    /// <summary>Samples that were read.</summary>
    [Id(3)] public int Scraped { get; init; }

    /// <summary>Samples that were read and not stored, and why; null where there are none.</summary>
    [Id(4)] public string? Refused { get; init; }
}

/// <summary>What a target says about a metric.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.TargetMetadata")]
internal sealed record TargetMetadata
{
    [Id(0)] public required string Metric { get; init; }

    [Id(1)] public required string Type { get; init; }

    [Id(2)] public required string Help { get; init; }

    [Id(3)] public required string Unit { get; init; }
}

using System.ComponentModel.DataAnnotations;
using System.Reflection;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Scrape;

/// <summary>Settings of what the service fetches itself, from the configuration section <c>Metrics</c>.</summary>
internal sealed class ScrapeOptions : IValidatedOptions
{
    /// <summary>File with <c>scrape_configs</c> and <c>probe_configs</c>; empty where nothing is scraped.</summary>
    public string ScrapeFile { get; set; } = "";

    /// <summary>File with the graph of services; empty where there is none.</summary>
    public string DependencyFile { get; set; } = "";

    /// <summary>How often the files, and those with targets, are looked at for changes.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "01:00:00")]
    public TimeSpan ReloadPoll { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Targets of all jobs together; those beyond are not scraped, and logged.</summary>
    [Range(1, 1_000_000)]
    public int MaxTargets { get; set; } = 10_000;

    /// <summary>Targets scraped or probed at once.</summary>
    [Range(1, 10_000)]
    public int ScrapeConcurrency { get; set; } = 64;

    /// <summary>Bytes of a page of metrics after decompression, where the job sets no lower <c>body_size_limit</c>.</summary>
    [Range(1_024, 1_073_741_824)]
    public long MaxScrapeBytes { get; set; } = 64 * 1024 * 1024;

    /// <inheritdoc/>
    public IEnumerable<OptionFault> Validate()
    {
        foreach (var property in typeof(ScrapeOptions).GetProperties())
        {
            var value = property.GetValue(this);
            if (property.GetCustomAttribute<RangeAttribute>() is { } range && !range.IsValid(value))
                yield return new OptionFault(property.Name, value, $"{range.Minimum} to {range.Maximum}");
        }
    }
}

using Vigil.Metrics.Probes;

namespace Vigil.Metrics.Scrape;

/// <summary>Addresses with labels in common.</summary>
/// <param name="Source">Where they were read: the file, or the place in it.</param>
/// <param name="Targets">host:port, or for probes whatever the probe connects to.</param>
/// <param name="Labels">Put on each.</param>
internal sealed record TargetGroup(string Source, IReadOnlyList<string> Targets, IReadOnlyDictionary<string, string> Labels);

/// <summary>What one scrape may bring; 0 means no limit.</summary>
internal sealed record ScrapeLimits(int Samples = 0, int Labels = 0, int LabelNameLength = 0, int LabelValueLength = 0, long BodyBytes = 0, int Targets = 0);

/// <summary>One entry of <c>scrape_configs</c> or <c>probe_configs</c>: targets that are treated alike.</summary>
internal sealed record TargetJob
{
    /// <summary>Unique in the file; the label job by default.</summary>
    public required string Name { get; init; }

    /// <summary>Time from one scrape to the next.</summary>
    public required TimeSpan Interval { get; init; }

    /// <summary>A scrape that takes longer has failed; at most the interval.</summary>
    public required TimeSpan Timeout { get; init; }

    /// <summary>http or https.</summary>
    public string Scheme { get; init; } = "http";

    /// <summary>Path of the page.</summary>
    public string MetricsPath { get; init; } = "/metrics";

    /// <summary>Parameters of the URL.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Params { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>Labels of the target win over those of the configuration.</summary>
    public bool HonorLabels { get; init; }

    /// <summary>Times that the target gives are taken.</summary>
    public bool HonorTimestamps { get; init; } = true;

    /// <summary>Series with times of their own are marked as ended too.</summary>
    public bool TrackTimestampsStaleness { get; init; }

    /// <summary>Redirections are followed.</summary>
    public bool FollowRedirects { get; init; } = true;

    /// <summary>Who asks; null for nobody in particular.</summary>
    public HttpAuth? Auth { get; init; }

    /// <summary>What TLS takes.</summary>
    public TlsSettings Tls { get; init; } = new();

    /// <summary>Answers may be packed.</summary>
    public bool Compression { get; init; } = true;

    /// <summary>The formats that are asked for.</summary>
    public PageProtocols Protocols { get; init; } = PageProtocols.Of(PageProtocols.Default, PageProtocols.Escapings[0]);

    /// <summary>Native histograms are taken.</summary>
    public bool NativeHistograms { get; init; }

    /// <summary>The classic buckets of native histograms are taken too.</summary>
    public bool ClassicHistograms { get; init; }

    /// <summary>Only names of letters, digits, underscores and colons are taken.</summary>
    public bool LegacyNames { get; init; }

    /// <summary>What one scrape may bring.</summary>
    public ScrapeLimits Limits { get; init; } = new();

    /// <summary>Targets written in the file itself.</summary>
    public IReadOnlyList<TargetGroup> Static { get; init; } = [];

    /// <summary>Files with targets: paths, absolute, whose last part may have * and ?.</summary>
    public IReadOnlyList<string> TargetFiles { get; init; } = [];

    /// <summary>Applied to targets.</summary>
    public IReadOnlyList<RelabelRule> Relabel { get; init; } = [];

    /// <summary>Applied to series.</summary>
    public IReadOnlyList<RelabelRule> MetricRelabel { get; init; } = [];

    /// <summary>What is probed; null where a page of metrics is scraped.</summary>
    public ProbeSettings? Probe { get; init; }

    /// <summary>The text of the job's entry: what was the same before and after a reload goes on undisturbed.</summary>
    public required string Fingerprint { get; init; }
}

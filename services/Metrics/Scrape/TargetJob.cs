using Vigil.Metrics.Probes;

namespace Vigil.Metrics.Scrape;

/// <summary>Addresses with labels in common.</summary>
/// <param name="Source">Where they were read: the file, or the place in it.</param>
/// <param name="Targets">host:port, or for probes whatever the probe connects to.</param>
/// <param name="Labels">Put on each.</param>
internal sealed record TargetGroup(string Source, IReadOnlyList<string> Targets, IReadOnlyDictionary<string, string> Labels);

/// <summary>How to show who asks. At most one of user and bearer.</summary>
/// <param name="User">User of basic authentication, or null.</param>
/// <param name="Password">Its password, or null.</param>
/// <param name="PasswordFile">File that holds it, read with each request, or null.</param>
/// <param name="Scheme">First word of the header otherwise: Bearer.</param>
/// <param name="Credentials">What follows it, or null.</param>
/// <param name="CredentialsFile">File that holds it, read with each request, or null.</param>
internal sealed record HttpAuth(string? User, string? Password, string? PasswordFile, string Scheme, string? Credentials, string? CredentialsFile);

/// <summary>What TLS takes.</summary>
/// <param name="InsecureSkipVerify">Any certificate will do.</param>
/// <param name="ServerName">The name that it must be for, where it is not the address'; null otherwise.</param>
/// <param name="CaFile">PEM file of the authorities that are trusted instead of the machine's; null otherwise.</param>
internal sealed record TlsSettings(bool InsecureSkipVerify = false, string? ServerName = null, string? CaFile = null);

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

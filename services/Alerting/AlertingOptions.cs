using Vigil.ServiceDefaults;

namespace Vigil.Alerting;

/// <summary>Where policies come from and how they are watched. Section <c>Policies</c>.</summary>
public sealed class PoliciesOptions : IValidatedOptions
{
    /// <summary>The section's name.</summary>
    public const string Section = "Policies";

    /// <summary>The directory whose *.yaml and *.yml files are the policies. Default <c>policies</c>, below the working directory.</summary>
    public string Directory { get; set; } = "policies";

    /// <summary>Folders below it whose files are read too, e.g. <c>demo</c>. Others are not.</summary>
    public IList<string> Include { get; } = [];

    /// <summary>How often Metrics confirms a value that does not change, 0.1 s to 60 s. Three missed ones make it unknown. Default 1 s.</summary>
    public TimeSpan Heartbeat { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How often the directory is looked at for changes, 0.1 s to 1 h. Default 2 s.</summary>
    public TimeSpan ReloadPoll { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>The most alerts one policy may have at once, 1 to 1,000,000; beyond it the policy is unknown. Default 10,000.</summary>
    public int MaxAlertsPerPolicy { get; set; } = 10_000;

    /// <summary>Where people reach this service, for links in pages. Empty: http://localhost and the HTTP port.</summary>
    public string ExternalUrl { get; set; } = "";

    /// <inheritdoc/>
    public IEnumerable<OptionFault> Validate()
    {
        if (string.IsNullOrWhiteSpace(Directory)) yield return new(nameof(Directory), Directory, "a directory");
        for (var i = 0; i < Include.Count; i++)
            if (Include[i].Length == 0 || Path.IsPathRooted(Include[i]) || Include[i].Split('/', '\\').Contains(".."))
                yield return new($"{nameof(Include)}.{i}", Include[i], "a folder below Policies:Directory");
        if (Heartbeat < TimeSpan.FromSeconds(0.1) || Heartbeat > TimeSpan.FromSeconds(60)) yield return new(nameof(Heartbeat), Heartbeat, "00:00:00.1 to 00:01:00");
        if (ReloadPoll < TimeSpan.FromSeconds(0.1) || ReloadPoll > TimeSpan.FromHours(1)) yield return new(nameof(ReloadPoll), ReloadPoll, "00:00:00.1 to 01:00:00");
        if (MaxAlertsPerPolicy is < 1 or > 1_000_000) yield return new(nameof(MaxAlertsPerPolicy), MaxAlertsPerPolicy, "1 to 1000000");
        if (ExternalUrl.Length > 0 && !IsHttp(ExternalUrl)) yield return new(nameof(ExternalUrl), ExternalUrl, "an http or https URL");
    }

    internal static bool IsHttp(string url) => Uri.TryCreate(url, UriKind.Absolute, out var uri) && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps);
}

/// <summary>Where pages go. Section <c>Notify</c>.</summary>
public sealed class NotifyOptions : IValidatedOptions
{
    /// <summary>The section's name.</summary>
    public const string Section = "Notify";

    /// <summary>Print each page as a line on the console. Default true.</summary>
    public bool Console { get; set; } = true;

    /// <summary>Append each page to a file.</summary>
    public FileChannelOptions File { get; set; } = new();

    /// <summary>Post each page to these addresses.</summary>
    public IList<WebhookOptions> Webhooks { get; } = [];

    /// <summary>How a page that did not get through is tried again.</summary>
    public RetryOptions Retry { get; set; } = new();

    /// <summary>Pages that may wait per channel, 100 to 1,000,000. Beyond it they stay with their policies and are offered again. Default 10,000.</summary>
    public int MaxWaiting { get; set; } = 10_000;

    /// <summary>
    /// Pages that one policy keeps until they are told, 100 to 1,000,000. Beyond it those of alerts that are over are let go of, oldest
    /// first, and are dead letters; an alert that fires is told of all the same. Default 2,000.
    /// </summary>
    public int MaxUntoldPerPolicy { get; set; } = 2_000;

    /// <summary>Pages sent at the same time per channel, 1 to 1,000. Default 16.</summary>
    public int MaxConcurrent { get; set; } = 16;

    /// <inheritdoc/>
    public IEnumerable<OptionFault> Validate()
    {
        var names = new HashSet<string>(StringComparer.Ordinal) { "console", "file" };
        for (var i = 0; i < Webhooks.Count; i++)
        {
            var hook = Webhooks[i];
            if (!PoliciesOptions.IsHttp(hook.Url)) yield return new($"{nameof(Webhooks)}.{i}.Url", hook.Url.Length == 0 ? "" : "(not shown)", "an http or https URL");
            if (hook.Timeout < TimeSpan.FromSeconds(0.1) || hook.Timeout > TimeSpan.FromMinutes(2)) yield return new($"{nameof(Webhooks)}.{i}.Timeout", hook.Timeout, "00:00:00.1 to 00:02:00");
            if (!names.Add(hook.NameAt(i))) yield return new($"{nameof(Webhooks)}.{i}.Name", hook.NameAt(i), "a name that no other channel has");
        }
        if (MaxWaiting is < 100 or > 1_000_000) yield return new(nameof(MaxWaiting), MaxWaiting, "100 to 1000000");
        if (MaxUntoldPerPolicy is < 100 or > 1_000_000) yield return new(nameof(MaxUntoldPerPolicy), MaxUntoldPerPolicy, "100 to 1000000");
        if (MaxConcurrent is < 1 or > 1_000) yield return new(nameof(MaxConcurrent), MaxConcurrent, "1 to 1000");
        if (Retry.FirstDelay < TimeSpan.FromMilliseconds(10) || Retry.FirstDelay > Retry.LongestDelay) yield return new("Retry.FirstDelay", Retry.FirstDelay, "00:00:00.01 to Notify:Retry:LongestDelay");
        if (Retry.LongestDelay > TimeSpan.FromHours(1)) yield return new("Retry.LongestDelay", Retry.LongestDelay, "at most 01:00:00");
        if (Retry.MaxAttempts is < 1 or > 10_000) yield return new("Retry.MaxAttempts", Retry.MaxAttempts, "1 to 10000");
        if (Retry.MaxAge < TimeSpan.FromSeconds(1) || Retry.MaxAge > TimeSpan.FromDays(7)) yield return new("Retry.MaxAge", Retry.MaxAge, "00:00:01 to 7.00:00:00");
    }
}

/// <summary>A file that pages are appended to.</summary>
public sealed class FileChannelOptions
{
    /// <summary>Its path; empty for no file.</summary>
    public string Path { get; set; } = "";
}

/// <summary>An address that pages are posted to, in Alertmanager's webhook format.</summary>
public sealed class WebhookOptions
{
    /// <summary>The channel's name; empty: webhook-N, by position from 0.</summary>
    public string Name { get; set; } = "";

    /// <summary>Where to.</summary>
    public string Url { get; set; } = "";

    /// <summary>Severities, in the policies' own words, that go there; empty: all.</summary>
    public IList<string> Severities { get; } = [];

    /// <summary>Headers to add, such as Authorization.</summary>
    public IDictionary<string, string> Headers { get; } = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);

    /// <summary>How long one attempt may take, 0.1 s to 2 min. Default 10 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(10);

    internal string NameAt(int index) => Name.Length > 0 ? Name : $"webhook-{index}";
}

/// <summary>How a page that did not get through is tried again.</summary>
public sealed class RetryOptions
{
    /// <summary>The first delay, from 10 ms; each next one is twice as long, and each is varied by up to a half. Default 0.2 s.</summary>
    public TimeSpan FirstDelay { get; set; } = TimeSpan.FromSeconds(0.2);

    /// <summary>The longest delay, up to 1 h. Default 30 s.</summary>
    public TimeSpan LongestDelay { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Attempts until it is given up, 1 to 10,000. Default 1,000.</summary>
    public int MaxAttempts { get; set; } = 1_000;

    /// <summary>Age at which it is given up, 1 s to 7 d. Default 4 h.</summary>
    public TimeSpan MaxAge { get; set; } = TimeSpan.FromHours(4);
}

using Vigil.Metrics.Probes;
using Vigil.Metrics.PromQL;
using Vigil.ServiceDefaults.Yaml;
using YamlDotNet.RepresentationModel;

namespace Vigil.Metrics.Scrape;

/// <summary>
/// Reads the file that says what is scraped and probed: <c>scrape_configs</c> as in prometheus.yml, and <c>probe_configs</c> beside it.
/// A whole prometheus.yml is taken too: what it says about other matters has no effect here, and is warned of.
/// </summary>
internal static class ScrapeFile
{
    /// <summary>Most jobs of a file.</summary>
    public const int MaxJobs = 10_000;

    private static readonly TimeSpan DefaultInterval = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ShortestInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestInterval = TimeSpan.FromDays(1);
    private static readonly string[] Elsewhere = ["alerting", "rule_files", "remote_write", "remote_read", "storage", "tracing", "runtime", "otlp", "scrape_config_files"];
    private static readonly string[] OtherDiscoveries =
    [
        "azure_sd_configs", "consul_sd_configs", "digitalocean_sd_configs", "dns_sd_configs", "docker_sd_configs", "dockerswarm_sd_configs", "ec2_sd_configs",
        "eureka_sd_configs", "gce_sd_configs", "hetzner_sd_configs", "http_sd_configs", "ionos_sd_configs", "kubernetes_sd_configs", "kuma_sd_configs", "lightsail_sd_configs",
        "linode_sd_configs", "marathon_sd_configs", "nerve_sd_configs", "nomad_sd_configs", "openstack_sd_configs", "ovhcloud_sd_configs", "puppetdb_sd_configs",
        "scaleway_sd_configs", "serverset_sd_configs", "triton_sd_configs", "uyuni_sd_configs", "vultr_sd_configs",
    ];

    /// <summary>Reads a file's content.</summary>
    /// <param name="path">Its path: others that it names are relative to it.</param>
    /// <param name="content">YAML.</param>
    /// <param name="report">Takes the findings; with an error among them the jobs are not to be used.</param>
    public static IReadOnlyList<TargetJob> Parse(string path, string content, YamlReport report)
    {
        if (YamlFile.Load<YamlMappingNode>(content, "a mapping with the key 'scrape_configs' or 'probe_configs'", report) is not { } node) return [];
        var root = new YamlMap(node, "", report);
        var folder = Path.GetDirectoryName(Path.GetFullPath(path)) ?? "";
        var global = root.Map("global");
        var (interval, timeout) = (DefaultInterval, DefaultTimeout);
        var pages = new PageSettings();
        if (global is not null)
        {
            interval = Interval(global, "scrape_interval") ?? interval;
            timeout = Timeout(global, "scrape_timeout", interval) ?? (DefaultTimeout < interval ? DefaultTimeout : interval);
            pages = pages.Read(global);
            foreach (var key in (string[])["evaluation_interval", "external_labels", "query_log_file", "rule_query_offset", "scrape_failure_log_file"])
            {
                if (global.Touch(key)) global.Warn(key, "has no effect here");
            }
            global.RefuseUnknown();
        }
        var jobs = new List<TargetJob>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (list, isProbe) in new[] { ("scrape_configs", false), ("probe_configs", true) })
        {
            foreach (var entry in root.Maps(list))
            {
                var job = ReadJob(entry, isProbe, folder, interval, timeout, pages);
                entry.RefuseUnknown();
                if (job.Name.Length > 0 && !names.Add(job.Name)) entry.Error("job_name", $"another job is named '{job.Name}'");
                if (jobs.Count == MaxJobs) entry.Error("job_name", $"there are more than {MaxJobs:N0} jobs");
                jobs.Add(job);
            }
        }
        foreach (var key in Elsewhere)
        {
            if (root.Touch(key)) root.Warn(key, "has no effect here");
        }
        root.RefuseUnknown();
        return report.HasErrors ? [] : jobs;
    }

    /// <summary>Reads a file with targets: a list of {targets, labels}, in YAML or JSON.</summary>
    public static IReadOnlyList<TargetGroup> ParseTargets(string path, string content, YamlReport report)
    {
        if (YamlFile.Load<YamlSequenceNode>(content, "a list of groups with the key 'targets'", report) is not { } list) return [];
        var groups = new List<TargetGroup>();
        for (var i = 0; i < list.Children.Count; i++)
        {
            if (list.Children[i] is not YamlMappingNode mapping)
            {
                report.Error(list.Children[i].Start, $"[{i}]", "must be a mapping with the key 'targets'");
                continue;
            }
            var map = new YamlMap(mapping, $"[{i}]", report);
            groups.Add(ReadGroup(map, path));
            map.RefuseUnknown();
        }
        return report.HasErrors ? [] : groups;
    }

    private static TargetJob ReadJob(YamlMap entry, bool isProbe, string folder, TimeSpan globalInterval, TimeSpan globalTimeout, PageSettings pages)
    {
        var name = entry.Required("job_name", "the name of the job");
        if (name.Length > 0 && (string.IsNullOrWhiteSpace(name) || name.Contains('\0', StringComparison.Ordinal))) entry.Error("job_name", "is blank or contains the character 0");
        // What scrapes nothing has plainer keys.
        var interval = Interval(entry, isProbe ? "interval" : "scrape_interval") ?? globalInterval;
        var timeout = Timeout(entry, isProbe ? "timeout" : "scrape_timeout", interval) ?? (globalTimeout < interval ? globalTimeout : interval);
        var probe = isProbe ? ProbeSettings.Read(entry, folder) : null;
        foreach (var discovery in OtherDiscoveries)
        {
            if (entry.Touch(discovery)) entry.Error(discovery, "is not supported: list the targets in static_configs, or have them written to a file of file_sd_configs");
        }
        var job = new TargetJob
        {
            Name = name,
            Interval = interval,
            Timeout = timeout,
            Static = [.. entry.Maps("static_configs").Select((group, i) => Whole(group, g => ReadGroup(g, $"{name}/{i}")))],
            TargetFiles = [.. entry.Maps("file_sd_configs").SelectMany(files => Whole(files, f => ReadFiles(f, folder)))],
            Relabel = [.. entry.Maps("relabel_configs").Select(rule => Whole(rule, ReadRule))],
            MetricRelabel = [.. entry.Maps("metric_relabel_configs").Select(rule => Whole(rule, ReadRule))],
            Limits = isProbe ? new PageSettings().ReadLimits(entry, ofPages: false) : new(),
            Probe = probe,
            Tls = TlsSettings.Read(entry, folder),
            Fingerprint = entry.ToString() ?? "",
        };
        return isProbe ? job : ReadPage(entry, job, folder, pages);
    }

    private static TargetJob ReadPage(YamlMap entry, TargetJob job, string folder, PageSettings pages)
    {
        var settings = pages.Read(entry);
        var scheme = entry.Text("scheme") ?? "http";
        if (scheme is not ("http" or "https")) entry.Error("scheme", $"'{scheme}' must be http or https");
        var path = entry.Text("metrics_path") ?? "/metrics";
        var parameters = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        if (entry.Map("params") is { } map)
        {
            foreach (var key in map.Keys) parameters[key] = map.Words(key) ?? [];
        }
        return job with
        {
            Scheme = scheme,
            MetricsPath = path.StartsWith('/') ? path : "/" + path,
            Params = parameters,
            HonorLabels = entry.Flag("honor_labels") ?? false,
            HonorTimestamps = entry.Flag("honor_timestamps") ?? true,
            TrackTimestampsStaleness = entry.Flag("track_timestamps_staleness") ?? false,
            FollowRedirects = entry.Flag("follow_redirects") ?? true,
            Auth = HttpAuth.Read(entry, folder),
            Compression = entry.Flag("enable_compression") ?? true,
            Limits = settings.Limits,
            Protocols = settings.Asked,
            NativeHistograms = settings.NativeHistograms,
            ClassicHistograms = settings.ClassicHistograms,
            LegacyNames = settings.LegacyNames,
            // With what it has from 'global'.
            Fingerprint = $"{job.Fingerprint} {settings.Asked.Accept} {settings with { Protocols = null }}",
        };
    }

    private static TargetGroup ReadGroup(YamlMap group, string source)
    {
        var targets = group.Words("targets");
        if (targets is null) group.Error("targets", "is missing: a list of addresses");
        var labels = group.Texts("labels");
        foreach (var name in labels.Keys)
        {
            if (!LabelNames.IsValid(name)) group.Error("labels", $"'{name}' is no label name");
        }
        return new TargetGroup(source, targets ?? [], labels);
    }

    private static List<string> ReadFiles(YamlMap discovery, string folder)
    {
        // Files are looked at every few seconds whatever is written here.
        discovery.Duration("refresh_interval");
        var files = new List<string>();
        foreach (var pattern in discovery.Words("files") ?? [])
        {
            var path = PathOf(pattern, folder)!;
            if (Path.GetExtension(path) is not (".json" or ".yml" or ".yaml")) discovery.Error("files", $"'{pattern}' must end in .json, .yml or .yaml");
            else if ((Path.GetDirectoryName(path) ?? "").Contains('*', StringComparison.Ordinal)) discovery.Error("files", $"'{pattern}' may have * only in its last part");
            else files.Add(path);
        }
        return files;
    }

    private static RelabelRule ReadRule(YamlMap map)
    {
        var word = map.Text("action") ?? "replace";
        if (!Enum.TryParse<RelabelAction>(word, ignoreCase: true, out var action) || char.IsAsciiDigit(word[0]))
        {
            map.Error("action", $"'{word}' is none of {string.Join(", ", Enum.GetNames<RelabelAction>().Select(n => n.ToLowerInvariant()))}");
            action = RelabelAction.LabelDrop;
        }
        var sources = map.Words("source_labels") ?? [];
        foreach (var bad in sources.Where(s => !LabelNames.IsValid(s))) map.Error("source_labels", $"'{bad}' is no label name");
        var rule = new RelabelRule
        {
            Action = action,
            SourceLabels = sources,
            Separator = map.Text("separator") ?? ";",
            TargetLabel = map.Text("target_label") ?? "",
            Replacement = map.Text("replacement") ?? "$1",
            Modulus = (ulong)(map.WholeNumber("modulus", 1, int.MaxValue) ?? 0),
        };
        var needsTarget = action is RelabelAction.Replace or RelabelAction.HashMod or RelabelAction.Lowercase or RelabelAction.Uppercase or RelabelAction.KeepEqual or RelabelAction.DropEqual;
        if (needsTarget && rule.TargetLabel.Length == 0) map.Error("target_label", $"is missing: '{word}' needs it");
        if (needsTarget && rule.TargetLabel.Length > 0 && action != RelabelAction.Replace && !LabelNames.IsValid(rule.TargetLabel)) map.Error("target_label", $"'{rule.TargetLabel}' is no label name");
        if (action == RelabelAction.HashMod && rule.Modulus == 0 && !map.Has("modulus")) map.Error("modulus", "is missing: 'hashmod' needs it");
        if (map.Text("regex") is not { } pattern || pattern == "(.*)") return rule;
        try
        {
            return rule with { Pattern = Re2.Compile(pattern) };
        }
        catch (FormatException e)
        {
            map.Error("regex", e.Message);
            return rule;
        }
    }

    private static TimeSpan? Interval(YamlMap map, string key)
    {
        if (map.Duration(key) is not { } interval) return null;
        if (interval < ShortestInterval || interval > LongestInterval) map.Error(key, "must be from 100ms to 1d");
        return interval;
    }

    private static TimeSpan? Timeout(YamlMap map, string key, TimeSpan interval)
    {
        if (map.Duration(key) is not { } timeout) return null;
        if (timeout <= TimeSpan.Zero || timeout > interval)
            map.Error(key, $"{PrometheusDuration.Format(timeout)} must be more than 0 and at most the interval of {PrometheusDuration.Format(interval)}");
        return timeout;
    }

    /// <summary>Null stays null; another path is taken from the folder of the file that names it.</summary>
    public static string? PathOf(string? path, string folder) => path is null ? null : Path.GetFullPath(path, folder);

    private static T Whole<T>(YamlMap map, Func<YamlMap, T> read)
    {
        var value = read(map);
        map.RefuseUnknown();
        return value;
    }
}

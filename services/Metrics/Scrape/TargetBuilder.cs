using System.Text;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Probes;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Scrape;

/// <summary>What a job's groups of addresses come to.</summary>
/// <param name="Active">Targets to scrape, no two the same.</param>
/// <param name="Dropped">Those that relabelling dropped.</param>
/// <param name="Faults">Those that cannot be scraped, each as a sentence.</param>
internal sealed record BuiltTargets(IReadOnlyList<ScrapeTarget> Active, IReadOnlyList<DroppedTarget> Dropped, IReadOnlyList<string> Faults);

/// <summary>Makes targets of addresses, as Prometheus does: labels that begin with __ say how to ask, relabelling may change all of them, what is left goes on series.</summary>
internal static class TargetBuilder
{
    private const string Address = "__address__";
    private const string Scheme = "__scheme__";
    private const string Path = "__metrics_path__";
    private const string IntervalLabel = "__scrape_interval__";
    private const string TimeoutLabel = "__scrape_timeout__";
    private const string Param = "__param_";
    private const string Instance = "instance";

    /// <summary>Builds all targets of a job.</summary>
    public static BuiltTargets Build(TargetJob job, IEnumerable<TargetGroup> groups)
    {
        var active = new Dictionary<string, ScrapeTarget>(StringComparer.Ordinal);
        var dropped = new List<DroppedTarget>();
        var faults = new List<string>();
        foreach (var group in groups)
        {
            foreach (var address in group.Targets)
            {
                var discovered = Discovered(job, group, address);
                var labels = new Dictionary<string, string>(discovered, StringComparer.Ordinal);
                if (!RelabelRule.Apply(job.Relabel, labels))
                {
                    dropped.Add(new DroppedTarget(job.Name, Set(discovered)));
                    continue;
                }
                var fault = Finish(job, labels, Set(discovered), out var target);
                if (fault is not null) faults.Add($"{group.Source}: {address}: {fault}");
                else active.TryAdd(target!.Key, target);
            }
        }
        return new BuiltTargets([.. active.Values], dropped, faults);
    }

    private static Dictionary<string, string> Discovered(TargetJob job, TargetGroup group, string address)
    {
        var labels = new Dictionary<string, string>(group.Labels, StringComparer.Ordinal) { [Address] = address };
        labels.TryAdd(GrainKeys.JobLabel, job.Name);
        labels.TryAdd(IntervalLabel, Durations.Format((long)job.Interval.TotalMilliseconds));
        labels.TryAdd(TimeoutLabel, Durations.Format((long)job.Timeout.TotalMilliseconds));
        if (System.IO.Path.IsPathRooted(group.Source)) labels.TryAdd("__meta_filepath", group.Source);
        if (job.Probe is not null) return labels;
        labels.TryAdd(Scheme, job.Scheme);
        labels.TryAdd(Path, job.MetricsPath);
        foreach (var (name, values) in job.Params)
        {
            if (values.Count > 0) labels.TryAdd(Param + name, values[0]);
        }
        return labels;
    }

    private static string? Finish(TargetJob job, Dictionary<string, string> labels, LabelSet discovered, out ScrapeTarget? target)
    {
        target = null;
        if (!labels.TryGetValue(Address, out var address)) return "relabelling left it without an address";
        if (Durations.TryParse(labels.GetValueOrDefault(IntervalLabel, ""), out var interval) is not null || interval < 100) return $"{IntervalLabel} is no duration from 100ms";
        if (Durations.TryParse(labels.GetValueOrDefault(TimeoutLabel, ""), out var timeout) is not null || timeout <= 0 || timeout > interval)
            return $"{TimeoutLabel} is no duration up to {IntervalLabel}";
        string? fault = null;
        var place = job.Probe is { } probe ? ProbeAddress(probe, address, out fault) : Url(job, labels, address, out fault);
        if (fault is not null) return fault;
        labels.TryAdd(Instance, job.Probe is null ? WithPort(address, labels.GetValueOrDefault(Scheme, "http")) : address);
        foreach (var name in labels.Keys.Where(n => n.StartsWith("__", StringComparison.Ordinal)).ToArray()) labels.Remove(name);
        foreach (var name in labels.Keys)
        {
            if (!LabelNames.IsValid(name)) return $"'{name}' is no label name";
        }
        target = new ScrapeTarget(job, discovered, Set(labels), place, TimeSpan.FromMilliseconds(interval), TimeSpan.FromMilliseconds(timeout));
        return null;
    }

    private static string Url(TargetJob job, Dictionary<string, string> labels, string address, out string? fault)
    {
        fault = null;
        var scheme = labels.GetValueOrDefault(Scheme, "");
        if (address.Contains('/', StringComparison.Ordinal)) fault = "an address is host:port, without a path";
        else if (scheme is not ("http" or "https")) fault = $"{Scheme} '{scheme}' is neither http nor https";
        var url = new StringBuilder($"{scheme}://{WithPort(address, scheme)}{labels.GetValueOrDefault(Path, "/")}");
        var separator = '?';
        foreach (var (name, values) in Parameters(job, labels))
        {
            foreach (var value in values)
            {
                url.Append(separator).Append(Uri.EscapeDataString(name)).Append('=').Append(Uri.EscapeDataString(value));
                separator = '&';
            }
        }
        if (fault is null && !Uri.TryCreate(url.ToString(), UriKind.Absolute, out _)) fault = $"{url} is no URL";
        return url.ToString();
    }

    /// <summary>The job's parameters, the first value of each as relabelling left it.</summary>
    private static SortedDictionary<string, IEnumerable<string>> Parameters(TargetJob job, Dictionary<string, string> labels)
    {
        var parameters = new SortedDictionary<string, IEnumerable<string>>(StringComparer.Ordinal);
        foreach (var (label, value) in labels)
        {
            if (!label.StartsWith(Param, StringComparison.Ordinal)) continue;
            var name = label[Param.Length..];
            parameters[name] = job.Params.TryGetValue(name, out var all) ? all.Skip(1).Prepend(value) : [value];
        }
        return parameters;
    }

    private static string ProbeAddress(ProbeSettings probe, string address, out string? fault)
    {
        fault = null;
        switch (probe.Kind)
        {
            case ProbeKind.Http:
                // As blackbox_exporter: without a scheme it is http.
                var url = address.Contains("://", StringComparison.Ordinal) ? address : "http://" + address;
                if (!Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https")) fault = $"'{address}' is no http:// or https:// URL";
                else if (uri.UserInfo.Length > 0) fault = "a password has no place in an address, which becomes a label: use basic_auth";
                return url;
            case ProbeKind.Sqlite:
                if (address.Length == 0) fault = "the path of a file is expected";
                return address;
            default:
                if (address.LastIndexOf(':') is var colon && (colon <= 0 || !ushort.TryParse(address.AsSpan(colon + 1), out var port) || port == 0)) fault = $"'{address}' is not host:port";
                return address;
        }
    }

    // Prometheus adds the scheme's port, and the label instance shows it.
    private static string WithPort(string address, string scheme)
    {
        var colon = address.LastIndexOf(':');
        var hasPort = colon > 0 && (address[0] != '[' || address[colon - 1] == ']');
        return hasPort ? address : address + (scheme == "https" ? ":443" : ":80");
    }

    private static LabelSet Set(Dictionary<string, string> labels) => LabelSet.Create(labels.Select(l => new Label(l.Key, l.Value)));
}

using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace Vigil.Metrics.Scrape;

/// <summary>What this process' files say: replaced as a whole.</summary>
/// <param name="Active">Targets by key, in the files' order.</param>
/// <param name="Dropped">Those that relabelling dropped.</param>
internal sealed record TargetSet(IReadOnlyList<ScrapeTarget> Active, IReadOnlyList<DroppedTarget> Dropped)
{
    /// <summary>Nothing to scrape.</summary>
    public static readonly TargetSet None = new([], []);
}

/// <summary>The targets in this process' files, and how the newest scrape of each went.</summary>
internal sealed class ScrapeTargets
{
    private readonly ConcurrentDictionary<string, TargetReport> reports = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, (string Fingerprint, HttpClient Client)> clients = new(StringComparer.Ordinal);
    private ImmutableDictionary<string, ScrapeTarget> byKey = ImmutableDictionary<string, ScrapeTarget>.Empty;

    /// <summary>What is in force.</summary>
    public TargetSet Current { get; private set; } = TargetSet.None;

    /// <summary>Brings a set into force; returns the keys of the targets that are gone.</summary>
    public IReadOnlyList<string> Replace(TargetSet set)
    {
        var before = byKey;
        byKey = set.Active.ToImmutableDictionary(t => t.Key, StringComparer.Ordinal);
        Current = set;
        var gone = before.Keys.Where(k => !byKey.ContainsKey(k)).ToArray();
        foreach (var key in gone) reports.TryRemove(key, out _);
        var jobs = set.Active.Select(t => t.Job.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var job in clients.Keys.Where(j => !jobs.Contains(j))) clients.TryRemove(job, out _);
        return gone;
    }

    public bool TryGet(string key, [NotNullWhen(true)] out ScrapeTarget? target) => byKey.TryGetValue(key, out target);

    /// <summary>The connections of a job.</summary>
    public HttpClient ClientOf(TargetJob job)
    {
        if (clients.TryGetValue(job.Name, out var known) && known.Fingerprint == job.Fingerprint) return known.Client;
        return (clients[job.Name] = (job.Fingerprint, PageFetcher.CreateClient(job))).Client;
    }

    /// <summary>Notes how a scrape went.</summary>
    public void Report(string key, TargetReport report)
    {
        if (byKey.ContainsKey(key)) reports[key] = report;
    }

    /// <summary>How the newest scrape went; null where there was none yet.</summary>
    public TargetReport? ReportOf(string key) => reports.GetValueOrDefault(key);
}

using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Metrics.Scrape;

/// <summary>The files with targets that jobs name. One that cannot be read keeps its targets as they were; one that is deleted loses them.</summary>
internal sealed class TargetFiles
{
    private readonly Dictionary<string, WatchedFile<IReadOnlyList<TargetGroup>>> files = new(StringComparer.Ordinal);

    /// <summary>Looks at all files of the jobs.</summary>
    /// <returns>Whether anything changed, and what was found in files that were read anew.</returns>
    public async Task<(bool Changed, IReadOnlyList<Diagnostic> Findings)> ReadAsync(IReadOnlyList<TargetJob> jobs, CancellationToken ct)
    {
        var paths = jobs.SelectMany(j => j.TargetFiles).Distinct(StringComparer.Ordinal).SelectMany(Find).ToHashSet(StringComparer.Ordinal);
        var changed = false;
        foreach (var gone in files.Keys.Where(p => !paths.Contains(p)).ToArray()) changed |= files.Remove(gone);
        var findings = new List<Diagnostic>();
        foreach (var path in paths)
        {
            if (!files.TryGetValue(path, out var file)) files.Add(path, file = new(path, [], (content, report) => ScrapeFile.ParseTargets(path, content, report)));
            if (await file.ReadAsync(ct).ConfigureAwait(false) is not { } applied) continue;
            changed |= applied;
            findings.AddRange(file.Findings);
        }
        return (changed, findings);
    }

    /// <summary>The groups of a job, those in its own entry first.</summary>
    public IEnumerable<TargetGroup> GroupsOf(TargetJob job) =>
        job.Static.Concat(job.TargetFiles.SelectMany(Find).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).SelectMany(p => files.TryGetValue(p, out var file) ? file.Value : []));

    private static IEnumerable<string> Find(string pattern)
    {
        if (pattern.IndexOfAny(['*', '?']) < 0) return File.Exists(pattern) ? [pattern] : [];
        var folder = Path.GetDirectoryName(pattern);
        return Directory.Exists(folder) ? Directory.EnumerateFiles(folder, Path.GetFileName(pattern)) : [];
    }
}

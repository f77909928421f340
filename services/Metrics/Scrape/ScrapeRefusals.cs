using Vigil.Metrics.Series;

namespace Vigil.Metrics.Scrape;

/// <summary>Samples of a page that were not stored, by cause. Nobody waits for an answer to a page: the log and the counters tell of them.</summary>
internal sealed class ScrapeRefusals
{
    private readonly SortedDictionary<RefusalCause, (int Samples, string Detail)> causes = [];

    /// <summary>How many, by cause.</summary>
    public IEnumerable<(RefusalCause Cause, int Samples)> Counts => causes.Select(c => (c.Key, c.Value.Samples));

    /// <summary>Adds some; the first of each cause is named.</summary>
    public void Add(RefusalCause cause, int samples, string detail) =>
        causes[cause] = causes.TryGetValue(cause, out var before) ? (before.Samples + samples, before.Detail) : (samples, detail);

    /// <summary>Adds those of another.</summary>
    public void Add(ScrapeRefusals others)
    {
        foreach (var (cause, (samples, detail)) in others.causes) Add(cause, samples, detail);
    }

    public void Clear() => causes.Clear();

    /// <summary>All of it in words; null where there is nothing.</summary>
    public string? Describe() => causes.Count == 0 ? null : string.Join("; ", causes.Select(c => $"{c.Value.Samples} samples refused ({c.Key}), such as: {c.Value.Detail}"));
}

using Vigil.Metrics.Series;

namespace Vigil.Metrics.Scrape;

/// <summary>One target of a job: what is asked, how often, and the labels of what it answers.</summary>
/// <param name="Job">Its job.</param>
/// <param name="Discovered">Labels before relabelling.</param>
/// <param name="Labels">Labels of its series.</param>
/// <param name="Address">What is connected to, or for a page of metrics its URL.</param>
/// <param name="Interval">Time from one scrape to the next.</param>
/// <param name="Timeout">A scrape that takes longer has failed.</param>
internal sealed record ScrapeTarget(TargetJob Job, LabelSet Discovered, LabelSet Labels, string Address, TimeSpan Interval, TimeSpan Timeout)
{
    private readonly ulong hash = LabelSet.Of("address", Address, "labels", Labels.ToString()).Hash;

    /// <summary>Why it is not asked at all and counts as down; null as a rule.</summary>
    public string? Fault { get; init; }

    /// <summary>Key of its grain. The same after a restart, and in every process.</summary>
    public string Key => $"{Job.Name}/{hash:x16}";

    /// <summary>
    /// The first moment after <paramref name="nowMs"/> at which it is due. Targets are spread over the interval by their hash, so that they do
    /// not all answer at once, and each keeps its place across restarts.
    /// </summary>
    /// <param name="nowMs">Milliseconds since 1970.</param>
    public long NextSlot(long nowMs)
    {
        var interval = (long)Interval.TotalMilliseconds;
        var offset = (long)(hash % (ulong)interval);
        var slot = nowMs - ((nowMs - offset) % interval + interval) % interval;
        return slot + interval;
    }

    /// <summary>What is different in what is asked, or in what is done with the answer.</summary>
    public bool IsSameAs(ScrapeTarget other) =>
        Key == other.Key && Interval == other.Interval && Timeout == other.Timeout && Fault == other.Fault && Job.Fingerprint == other.Job.Fingerprint;
}

/// <summary>A target that relabelling dropped.</summary>
/// <param name="Job">Name of its job.</param>
/// <param name="Discovered">Labels before relabelling.</param>
internal sealed record DroppedTarget(string Job, LabelSet Discovered);

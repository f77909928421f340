namespace Vigil.Metrics.Series;

/// <summary>
/// What is sealed and saved of the series of a bucket and is still in memory: the same pages as in the database, oldest first. So samples take the few bits there that they take on
/// disk, times once for all that were sampled together, and no series has memory of its own for them.
/// </summary>
/// <param name="memory">Where pages lie.</param>
internal sealed class SealedPages(PageMemory memory)
{
    private readonly List<SealedPage> pages = [];

    /// <summary>Samples up to this moment may have left memory, or never were there, and are to be looked for in the database.</summary>
    public long EvictedThrough { get; set; } = long.MinValue;

    /// <summary>Samples in memory.</summary>
    public long Samples { get; private set; }

    /// <summary>Adds a page that is newer than the others.</summary>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public void Add(ReadOnlySpan<byte> data)
    {
        var page = new SealedPage(data, memory);
        pages.Add(page);
        Samples += page.Samples;
    }

    /// <summary>Adds the samples of a series in [from, to] to <paramref name="target"/>, oldest first.</summary>
    public void Read(int series, long from, long to, SampleBuffer target)
    {
        foreach (var page in pages)
        {
            if (page.Last >= from && page.First <= to) page.Read(series, from, to, target);
        }
    }

    /// <summary>Lets the oldest pages go: those that end before <paramref name="cutoff"/>, and more while there are over <paramref name="most"/> samples.</summary>
    public void Evict(long cutoff, long most)
    {
        var gone = 0;
        while (gone < pages.Count && (pages[gone].Last < cutoff || Samples > most))
        {
            var page = pages[gone++];
            EvictedThrough = Math.Max(EvictedThrough, page.Last);
            Samples -= page.Samples;
            page.Release(memory);
        }
        pages.RemoveRange(0, gone);
    }
}

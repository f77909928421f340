using Vigil.Metrics.Rollups;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Storage;

/// <summary>
/// Pages of one bucket that are unpacked together: first it is found out what each series has in them, and which series have the same times all the way, so that
/// these are unpacked and kept once; then the values go where they belong at once, several pages side by side.
/// </summary>
/// <param name="grain">The grain's key, for messages.</param>
/// <param name="range">What is wanted of each series.</param>
/// <param name="wanted">By series' number, where to.</param>
internal sealed class PageBatch(string grain, TimeRange range, IReadOnlyDictionary<int, SampleBuffer> wanted)
{
    private readonly List<Page> pages = [];

    // A tree: what has come so far of a series, by what had come before and the times that then came. Series that stand at the same place have the same times. 0 is the root.
    private readonly List<Run> runs = [new Run(0, 0, 0, [], 0, long.MinValue)];
    private readonly Dictionary<(int Before, int Page, int Column), int> next = [];
    private readonly Dictionary<int, int> reached = [];

    /// <summary>Bytes of the pages.</summary>
    public int Bytes { get; private set; }

    /// <summary>Adds a page, newer than those before.</summary>
    /// <returns>How many samples it holds of what is wanted.</returns>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public int Add(long row, byte[] data) => DamagedRow.Named("metric_pages", grain, row, () =>
    {
        var blocks = new List<int>();
        var page = new SamplePage(data);
        var samples = 0;
        while (page.Next())
        {
            if (!IsWanted(page)) continue;
            var run = Follow(reached.GetValueOrDefault(page.Series), ref page);
            reached[page.Series] = run;
            blocks.Add(run);
            samples += runs[run].Times.Length;
        }
        Bytes += data.Length;
        pages.Add(new Page(row, data, blocks));
        return samples;
    });

    /// <summary>Unpacks all pages.</summary>
    /// <exception cref="InvalidDataException">One is damaged in a way that its checksum does not show.</exception>
    public void Unpack(CancellationToken ct)
    {
        var shared = new Dictionary<int, SharedTimes>();
        var targets = new Dictionary<int, Memory<double>>(reached.Count);
        var late = new List<(int Series, int Run)>();
        var samples = 0L;
        foreach (var (series, run) in reached)
        {
            var (buffer, count) = (wanted[series], runs[run].End);
            samples += count;
            if (buffer.Count > 0) late.Add((series, run));
            targets.Add(series, buffer.Count > 0 ? new double[count] : buffer.Begin(TimesOf(run, buffer.Until, shared), count));
        }
        SideBySide.ForEach(pages.Count, samples, ct, number => DamagedRow.Named("metric_pages", grain, pages[number].Row, () => Unpack(pages[number], targets)));
        foreach (var (series, run) in late)
        {
            var (buffer, count) = (wanted[series], runs[run].End);
            var times = TimesOf(run, long.MinValue, shared).Times.AsSpan(0, count);
            var start = SampleBuffer.LowerBound(times, buffer.Times[^1] + 1);
            buffer.Add(times[start..], targets[series].Span[start..]);
        }
    }

    private void Unpack(Page read, Dictionary<int, Memory<double>> targets)
    {
        var page = new SamplePage(read.Data);
        Span<double> values = stackalloc double[SampleBlock.MaxCount];
        var block = 0;
        while (page.Next())
        {
            if (!IsWanted(page)) continue;
            var run = runs[read.Blocks[block++]];
            if (run.Times.Length == 0) continue;
            var target = targets[page.Series].Span.Slice(run.Start, run.Times.Length);
            if (page.Count == target.Length)
            {
                page.DecodeValues(target);
                continue;
            }
            page.DecodeValues(values);
            values.Slice(run.Skipped, target.Length).CopyTo(target);
        }
    }

    private bool IsWanted(in SamplePage page) => page.Last >= range.First && page.First <= range.Last && wanted.ContainsKey(page.Series);

    private int Follow(int before, ref SamplePage page)
    {
        var key = (before, pages.Count, page.ColumnNumber);
        if (next.TryGetValue(key, out var run)) return run;
        var (count, first, last) = (runs[before].End, runs[before].First, runs[before].Last);
        var times = page.Times;
        // What is there twice, as after a checkpoint that was cut short, is the same.
        var (start, end) = SampleBuffer.Range(times, last >= range.First ? last + 1 : range.First, range.Last);
        if (end > start) (first, last) = (count == 0 ? times[start] : first, times[end - 1]);
        runs.Add(new Run(before, start, count, times[start..end].ToArray(), first, last));
        next.Add(key, run = runs.Count - 1);
        return run;
    }

    private SharedTimes TimesOf(int run, long until, Dictionary<int, SharedTimes> shared)
    {
        if (shared.TryGetValue(run, out var known)) return known;
        var times = new long[runs[run].End + MoreUntil(until, runs[run])];
        for (var at = run; at > 0; at = runs[at].Before) runs[at].Times.CopyTo(times, runs[at].Start);
        shared.Add(run, known = new SharedTimes(times, runs[run].End));
        return known;
    }

    // As many as there would be at the same pace, so that what is in memory finds room behind.
    private static int MoreUntil(long until, Run run)
    {
        if (run.End < 2 || until <= run.Last) return 0;
        var pace = ((double)run.Last - run.First) / (run.End - 1);
        return (int)Math.Min((((double)until - run.Last) / pace * 1.02) + 8, Math.Max(run.End, SampleBlock.MaxCount));
    }

    /// <param name="Row">Its number in the database.</param>
    /// <param name="Data">As stored.</param>
    /// <param name="Blocks">The run of each block that is wanted.</param>
    private readonly record struct Page(long Row, byte[] Data, List<int> Blocks);

    /// <param name="Before">The run before.</param>
    /// <param name="Skipped">Samples at the block's beginning that are left out.</param>
    /// <param name="Start">Samples before.</param>
    /// <param name="Times">Of the samples that are not left out.</param>
    /// <param name="First">Time of the oldest sample up to here.</param>
    /// <param name="Last">Time of the newest one; <see cref="long.MinValue"/> where there is none.</param>
    private readonly record struct Run(int Before, int Skipped, int Start, long[] Times, long First, long Last)
    {
        /// <summary>Samples up to here.</summary>
        public int End => Start + Times.Length;
    }
}

using Vigil.Metrics.Rollups;
using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;

namespace Vigil.Metrics.Grains;

/// <summary>Reads the windows that one request asks for: from memory, and from the database what has left memory.</summary>
internal sealed class SelectionReader(string grain, SeriesTable table, MetricsStore store, SampleBuffer scratch, SelectRequest request)
{
    private readonly RollupSelection rollups = new(grain, store.Rollups, scratch, request.MaxSamples);
    private long[] times = [];
    private int series;
    private int samples;

    public async Task<SelectReply> ReadAsync(LabelMatcher[][] matchers)
    {
        var found = new SelectedSeries[matchers.Length][];
        for (var i = 0; i < matchers.Length; i++)
        {
            var entries = new List<SeriesEntry>();
            table.Find(matchers[i], entries);
            var selector = request.Selectors[i];
            var stored = entries.FindAll(e => NeedsDatabase(e, selector));
            // Native histograms are in no rollup.
            var foldable = selector.Boundaries is { } boundaries && new RollupRequest(selector.From, selector.To, boundaries).Useful().Count > 0 ? stored.FindAll(e => e.Histograms is null) : [];
            var folded = foldable.Count > 0 ? await rollups.FoldAsync(foldable, selector) : null;
            if (folded is not null) stored.RemoveAll(e => e.Histograms is null);
            var older = stored.Count > 0 ? await ReadOlderAsync(stored, selector) : null;
            var selected = new List<SelectedSeries>(entries.Count);
            foreach (var entry in entries)
            {
                // Its retention may have ended while another was read.
                if (!entry.IsThere) continue;
                SelectedSeries? read;
                if (folded is not null && folded.TryGetValue(entry.Id, out var fold)) read = fold;
                else if (older is not null && older.Buffers.TryGetValue(entry.Id, out var buffer)) read = Join(entry, selector, buffer, older);
                else read = Read(entry, selector);
                if (entry.Histograms is not null) read = await HistogramSelection.AddAsync(grain, store.Histograms, entry, selector, read);
                if (read is null) continue;
                selected.Add(read);
                series++;
                samples += read.Times.Length;
                if (series > request.MaxSeries) return Limit($"more than {request.MaxSeries} series (Metrics:{nameof(MetricsOptions.MaxSeriesPerQuery)})");
                if (samples > request.MaxSamples) return Limit($"more than {request.MaxSamples} samples (Metrics:{nameof(MetricsOptions.MaxSamplesPerQuery)})");
            }
            found[i] = [.. selected];
        }
        return new SelectReply { Found = found };
    }

    private static bool NeedsDatabase(SeriesEntry entry, SelectorSpec selector) =>
        selector.From <= entry.EvictedThrough
        && !(selector.NewestOnly && entry.Samples.LastTime > entry.EvictedThrough && selector.To >= entry.Samples.LastTime);

    private SelectedSeries? Read(SeriesEntry entry, SelectorSpec selector)
    {
        if (selector.NewestOnly)
        {
            return entry.TryReadLast(selector.From, selector.To, scratch, out var time, out var value)
                ? new SelectedSeries { Labels = entry.Labels, Times = new[] { time }, Values = new[] { value } }
                : null;
        }
        scratch.Clear();
        entry.Read(selector.From, selector.To, scratch);
        return Take(entry, scratch);
    }

    // What the database has of these series: for all at once, since those of a bucket are in the same pages.
    private async Task<Older> ReadOlderAsync(List<SeriesEntry> entries, SelectorSpec selector)
    {
        while (true)
        {
            // Buffers of their own: other calls use the shared one while this one waits.
            var older = new Dictionary<int, SampleBuffer>(entries.Count);
            var evicted = new long[entries.Count];
            for (var i = 0; i < entries.Count; i++)
            {
                if (!entries[i].IsThere) continue;
                older[entries[i].Id] = new SampleBuffer { Until = selector.NewestOnly ? long.MinValue : Math.Min(selector.To, entries[i].Samples.LastTime) };
                evicted[i] = entries[i].EvictedThrough;
            }
            var (gone, coarse) = await rollups.LastOfEachAsync(selector, older);
            await store.ReadSamplesAsync(grain, selector.From, Math.Min(evicted.Max(), selector.To), older, request.MaxSamples, CancellationToken.None);
            // A checkpoint may have let more leave memory meanwhile: then look again.
            var same = true;
            for (var i = 0; i < entries.Count; i++) same &= !entries[i].IsThere || evicted[i] == entries[i].EvictedThrough;
            if (same) return new Older(older, gone, coarse);
        }
    }

    private static SelectedSeries? Join(SeriesEntry entry, SelectorSpec selector, SampleBuffer buffer, Older older)
    {
        // Where a page reaches over into what is still in memory, the samples are the same.
        entry.Read(buffer.Count == 0 ? selector.From : buffer.Times[^1] + 1, selector.To, buffer);
        var read = buffer.Count == 0 ? null : new SelectedSeries { Labels = entry.Labels, Times = buffer.TakeTimes(), Values = buffer.TakeValues() };
        if (read is not null && selector.NewestOnly) read = read with { Times = read.Times[^1..].ToArray(), Values = read.Values[^1..].ToArray() };
        return read is null || !older.Coarse.TryGetValue(entry.Id, out var resolution) || read.Times.Span[0] > older.GoneThrough
            ? read
            : read with { ResolutionMs = resolution.PeriodMs(), RolledThrough = older.GoneThrough };
    }

    private SelectedSeries? Take(SeriesEntry entry, SampleBuffer buffer)
    {
        if (buffer.Count == 0) return null;
        // Series that are sampled together share their times: half the memory, and what is found out about them is found out once.
        if (!buffer.Times.SequenceEqual(times)) times = buffer.Times.ToArray();
        return new SelectedSeries { Labels = entry.Labels, Times = times, Values = buffer.Values.ToArray() };
    }

    private static SelectReply Limit(string what) => new() { Found = [], LimitHit = $"the query finds {what}" };

    /// <summary>What the database has of some series.</summary>
    /// <param name="Buffers">By number.</param>
    /// <param name="GoneThrough">Up to here rollups stand for samples.</param>
    /// <param name="Coarse">By number, their resolution; only where there are some.</param>
    private sealed record Older(Dictionary<int, SampleBuffer> Buffers, long GoneThrough, Dictionary<int, Resolution> Coarse);
}

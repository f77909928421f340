using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;

namespace Vigil.Metrics.Grains;

/// <summary>Reads the windows that one request asks for: from memory, and from the database what has left memory.</summary>
internal sealed class SelectionReader(string grain, SeriesTable table, MetricsStore store, SampleBuffer scratch, SelectRequest request)
{
    private int series;
    private int samples;

    public async Task<SelectReply> ReadAsync(LabelMatcher[][] matchers)
    {
        var found = new SelectedSeries[matchers.Length][];
        for (var i = 0; i < matchers.Length; i++)
        {
            var entries = new List<SeriesEntry>();
            table.Find(matchers[i], entries);
            var selected = new List<SelectedSeries>(entries.Count);
            foreach (var entry in entries)
            {
                var read = NeedsDatabase(entry, request.Selectors[i])
                    ? await ReadOlderAsync(entry, request.Selectors[i])
                    : Read(entry, request.Selectors[i]);
                if (entry.Histograms is not null) read = await HistogramSelection.AddAsync(grain, store.Histograms, entry, request.Selectors[i], read);
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
        selector.From <= entry.Samples.EvictedThrough
        && !(selector.NewestOnly && entry.Samples.LastTime > entry.Samples.EvictedThrough && selector.To >= entry.Samples.LastTime);

    private SelectedSeries? Read(SeriesEntry entry, SelectorSpec selector)
    {
        if (selector.NewestOnly)
        {
            return entry.Samples.TryReadLast(selector.From, selector.To, scratch, out var time, out var value)
                ? new SelectedSeries { Labels = entry.Labels, Times = [time], Values = [value] }
                : null;
        }
        scratch.Clear();
        entry.Samples.Read(selector.From, selector.To, scratch);
        return Take(entry, scratch);
    }

    private async Task<SelectedSeries?> ReadOlderAsync(SeriesEntry entry, SelectorSpec selector)
    {
        IReadOnlyList<SampleBlock> blocks;
        long through;
        do
        {
            through = Math.Min(entry.Samples.EvictedThrough, selector.To);
            blocks = await store.ReadBlocksAsync(grain, entry.Id, selector.From, through, CancellationToken.None);
        }
        // A checkpoint may have let more leave memory meanwhile: then look again.
        while (through < Math.Min(entry.Samples.EvictedThrough, selector.To));
        // A buffer of its own: other calls used the shared one while this one waited.
        var target = new SampleBuffer();
        foreach (var block in blocks) target.Add(block, selector.From, through);
        entry.Samples.Read(Math.Max(selector.From, through + 1), selector.To, target);
        var read = Take(entry, target);
        return read is null || !selector.NewestOnly ? read : read with { Times = [read.Times[^1]], Values = [read.Values[^1]] };
    }

    private static SelectedSeries? Take(SeriesEntry entry, SampleBuffer buffer) => buffer.Count == 0
        ? null
        : new SelectedSeries { Labels = entry.Labels, Times = buffer.Times.ToArray(), Values = buffer.Values.ToArray() };

    private static SelectReply Limit(string what) => new() { Found = [], LimitHit = $"the query finds {what}" };
}

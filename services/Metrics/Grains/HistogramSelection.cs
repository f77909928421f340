using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;

namespace Vigil.Metrics.Grains;

/// <summary>Puts the native histograms of a series beside the floats that a selector found of it.</summary>
internal static class HistogramSelection
{
    /// <summary>What the selector finds of a series altogether; null where that is nothing.</summary>
    /// <param name="grain">The grain's key.</param>
    /// <param name="store">What has left memory.</param>
    /// <param name="entry">A series that has histograms.</param>
    /// <param name="selector">The window.</param>
    /// <param name="floats">What it finds of the floats.</param>
    /// <exception cref="InvalidDataException">A saved row is damaged.</exception>
    public static async Task<SelectedSeries?> AddAsync(string grain, HistogramStore store, SeriesEntry entry, SelectorSpec selector, SelectedSeries? floats)
    {
        // What is put together when the database has answered must not need the series, which may be gone by then.
        var labels = entry.Labels;
        var points = await ReadAsync(grain, store, entry, selector);
        if (points.Count == 0) return floats;
        if (selector.NewestOnly)
        {
            var newest = points[^1];
            return floats is not null && floats.Times.Span[^1] > newest.Time
                ? floats
                : new SelectedSeries { Labels = labels, Times = new[] { newest.Time }, Values = new double[1], Histograms = [newest.Data] };
        }
        return Merge(labels, floats?.Times.ToArray() ?? [], floats?.Values.ToArray() ?? [], points);
    }

    private static async Task<List<HistogramPoint>> ReadAsync(string grain, HistogramStore store, SeriesEntry entry, SelectorSpec selector)
    {
        var buffer = entry.Histograms!;
        var points = new List<HistogramPoint>();
        if (selector.From > buffer.EvictedThrough || (selector.NewestOnly && selector.To >= buffer.LastTime && buffer.Count > 0))
        {
            buffer.Read(selector.From, selector.To, points);
            return points;
        }
        long through;
        do
        {
            through = Math.Min(buffer.EvictedThrough, selector.To);
            points = await store.ReadAsync(grain, entry.Id, selector.From, through, CancellationToken.None);
        }
        // A checkpoint may have let more leave memory meanwhile: then look again.
        while (through < Math.Min(buffer.EvictedThrough, selector.To));
        var memory = new List<HistogramPoint>();
        buffer.Read(Math.Max(selector.From, through + 1), selector.To, memory);
        return [.. points.Concat(memory).DistinctBy(p => p.Time).OrderBy(p => p.Time)];
    }

    // A moment that has both, which a sender may bring about, is the histogram's.
    private static SelectedSeries Merge(LabelSet labels, long[] times, double[] values, List<HistogramPoint> points)
    {
        var (mergedTimes, mergedValues, histograms) = (new List<long>(times.Length + points.Count), new List<double>(), new List<byte[]?>());
        int f = 0, h = 0;
        while (f < times.Length || h < points.Count)
        {
            var histogram = f == times.Length || (h < points.Count && points[h].Time <= times[f]);
            mergedTimes.Add(histogram ? points[h].Time : times[f]);
            mergedValues.Add(histogram ? 0 : values[f]);
            histograms.Add(histogram ? points[h].Data : null);
            if (histogram && f < times.Length && times[f] == points[h].Time) f++;
            if (histogram) h++;
            else f++;
        }
        return new SelectedSeries { Labels = labels, Times = mergedTimes.ToArray(), Values = mergedValues.ToArray(), Histograms = [.. histograms] };
    }
}

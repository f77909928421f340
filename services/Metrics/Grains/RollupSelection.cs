using Vigil.Metrics.PromQL;
using Vigil.Metrics.Rollups;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Grains;

/// <summary>What a selector finds with rollups in it: in place of samples that a function need not see one by one, and of those that are deleted.</summary>
internal sealed class RollupSelection(string grain, RollupStore store, SampleBuffer scratch, int maxSamples)
{
    /// <summary>Reads windows whose samples, between the selector's boundaries, a function folds into one value.</summary>
    /// <param name="entries">Series without native histograms.</param>
    /// <param name="selector">With boundaries.</param>
    /// <returns>By number; null where the window is empty.</returns>
    /// <exception cref="InvalidDataException">A page is damaged that nothing else stands in for.</exception>
    public async Task<Dictionary<int, SelectedSeries?>> FoldAsync(List<SeriesEntry> entries, SelectorSpec selector)
    {
        var request = new RollupRequest(selector.From, selector.To, selector.Boundaries);
        while (true)
        {
            // Its retention may have ended meanwhile.
            entries.RemoveAll(e => !e.IsThere);
            var evicted = entries.ToDictionary(e => e.Id, e => e.EvictedThrough);
            var read = await store.ReadAsync(grain, evicted, request, maxSamples, CancellationToken.None);
            // A checkpoint may have let more leave memory meanwhile: then look again.
            if (entries.Exists(e => e.IsThere && e.EvictedThrough != evicted[e.Id])) continue;
            var selected = new Dictionary<int, SelectedSeries?>();
            foreach (var entry in entries.Where(e => e.IsThere)) selected.Add(entry.Id, read.TryGetValue(entry.Id, out var rolled) ? Join(entry, selector, rolled) : null);
            return selected;
        }
    }

    /// <summary>Reads what stands for samples that are deleted: the last of each rollup.</summary>
    /// <param name="selector">Its window may begin after what is deleted.</param>
    /// <param name="into">By number, where to.</param>
    /// <returns>By number, the resolution of what was found.</returns>
    public async Task<(long Through, Dictionary<int, Resolution> Found)> LastOfEachAsync(SelectorSpec selector, Dictionary<int, SampleBuffer> into)
    {
        var found = new Dictionary<int, Resolution>();
        // Where samples are a day apart, that of the day before may still be the newest.
        var from = selector.From - (selector.LooksBack ? Resolution.Day.PeriodMs() : 0);
        var (gone, series) = await store.ReadGoneAsync(grain, [.. into.Keys], from, selector.To, CancellationToken.None);
        foreach (var (id, rolled) in series)
        {
            var buffer = into[id];
            foreach (var rollup in rolled.Taken)
            {
                // What ends later is there as samples.
                if (rollup.Through > Math.Min(gone, selector.To)) break;
                if (rollup.LastTime < from || (buffer.Count > 0 && rollup.LastTime <= buffer.Times[^1])) continue;
                if (rollup.Count > 0) buffer.Add(rollup.LastTime, rollup.Last);
                if (rollup.EndedAfterMs > 0 || rollup is { Count: 0, EndedAfterMs: 0 }) buffer.Add(rollup.Through, Samples.Stale);
            }
            if (buffer.Count > 0) found.Add(id, rolled.Inexact);
        }
        return (gone, found);
    }

    private SelectedSeries? Join(SeriesEntry entry, SelectorSpec selector, RolledSeries rolled)
    {
        scratch.Clear();
        scratch.Add(rolled.Samples.Times, rolled.Samples.Values);
        entry.Read(Math.Max(rolled.MemoryFrom, scratch.Count == 0 ? long.MinValue : scratch.Times[^1] + 1), selector.To, scratch);
        var taken = rolled.Rollups.Taken.FindAll(r => r.Count > 0);
        var (times, values) = (new List<long>(taken.Count + scratch.Count), new List<double>(taken.Count + scratch.Count));
        var next = 0;
        for (var i = 0; i < scratch.Count; i++)
        {
            var time = scratch.Times[i];
            while (next < taken.Count && taken[next].LastTime < time) Add(taken[next++]);
            // It is in a rollup.
            if (next < taken.Count && taken[next].FirstTime <= time) continue;
            times.Add(time);
            values.Add(scratch.Values[i]);
        }
        while (next < taken.Count) Add(taken[next++]);
        return times.Count == 0 ? null : new SelectedSeries
        {
            Labels = entry.Labels,
            Times = times.ToArray(),
            Values = values.ToArray(),
            Rollups = taken.Count == 0 ? null : [.. taken],
            ResolutionMs = rolled.Rollups.Inexact == Resolution.Raw ? 0 : rolled.Rollups.Inexact.PeriodMs(),
        };

        void Add(Rollup rollup)
        {
            times.Add(rollup.LastTime);
            values.Add(rollup.Last);
        }
    }
}

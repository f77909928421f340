using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;

namespace Vigil.Metrics.Grains;

/// <summary>The part of a checkpoint that is about native histograms.</summary>
internal sealed class HistogramCheckpoint(string grain, SeriesTable table, HistogramStore store)
{
    private const int SeriesPerStep = 200;
    private const int RowsPerStep = 1_000;

    /// <summary>Writes what is not in the database yet.</summary>
    public async Task SaveAsync()
    {
        foreach (var entries in table.All.Where(e => e.Histograms is { Unsaved: true }).ToArray().Chunk(SeriesPerStep))
        {
            var saved = Array.ConvertAll(entries, e => new SavedHistograms(e.Id, e.Histograms!.TakeUnsaved()));
            try
            {
                await store.SaveAsync(grain, Array.FindAll(saved, s => s.Points.Length > 0), CancellationToken.None);
            }
            catch
            {
                for (var i = 0; i < entries.Length; i++) entries[i].Histograms!.RestoreUnsaved(saved[i].Points);
                throw;
            }
        }
    }

    /// <summary>Deletes what ended before the cut-off.</summary>
    public async Task RetainAsync(long cutoff)
    {
        int deleted;
        do deleted = await store.DeleteAsync(grain, cutoff, RowsPerStep, CancellationToken.None);
        while (deleted == RowsPerStep);
    }
}

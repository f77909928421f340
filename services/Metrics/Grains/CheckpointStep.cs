using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;

namespace Vigil.Metrics.Grains;

/// <summary>A bucket of series as it is at one moment, to be written in one transaction while it goes on changing. Used again for the next one.</summary>
internal sealed class CheckpointStep
{
    private readonly SamplePageWriter open = new();
    private readonly SamplePageWriter complete = new();
    private readonly List<(SeriesEntry Entry, int Mark)> saved = [];
    private byte[] head = [];

    /// <summary>Series written that had changed.</summary>
    public int Count => saved.Count;

    /// <summary>Takes the series of a bucket and marks them as saved.</summary>
    /// <param name="table">All series.</param>
    /// <param name="bucket">Which.</param>
    /// <param name="declare">Also the declarations, where none is new: some series is gone.</param>
    public SavedBucket Fill(SeriesTable table, int bucket, bool declare)
    {
        open.Clear();
        complete.Clear();
        saved.Clear();
        foreach (var entry in table.InBucket(bucket))
        {
            ref var samples = ref entry.Samples;
            if (samples.MaxHeadBytes > head.Length) head = new byte[samples.MaxHeadBytes * 2];
            open.Add(entry.Id, head.AsSpan(0, samples.CopyHead(head)), samples.SealedThrough);
            declare |= !entry.DeclarationSaved;
            if (!samples.Unsaved) continue;
            complete.Add(entry.Id, samples.UnsavedBlocks);
            saved.Add((entry, samples.MarkSaved()));
        }
        var declarations = declare
            ? DeclarationPage.Write([.. table.InBucket(bucket).Select(e => new DeclaredSeries(e.Id, e.Labels, e.Kind, e.Unit, e.Help))])
            : default;
        return new SavedBucket(bucket, declarations, complete.Count == 0 ? default : complete.Finish(), complete.First, complete.Last, open.Finish());
    }

    /// <summary>It was written.</summary>
    public void Succeeded()
    {
        foreach (var (saved, _) in this.saved)
        {
            var entry = saved;
            entry.DeclarationSaved = true;
        }
        saved.Clear();
    }

    /// <summary>It was not.</summary>
    public void Failed()
    {
        foreach (var (entry, mark) in saved) entry.Samples.RestoreUnsaved(mark);
        saved.Clear();
    }
}

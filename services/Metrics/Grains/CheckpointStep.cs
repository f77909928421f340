using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;

namespace Vigil.Metrics.Grains;

/// <summary>A bucket of series as it is at one moment, to be written in one transaction while it goes on changing. Used again for the next one.</summary>
internal sealed class CheckpointStep
{
    private readonly SamplePageWriter open = new();
    private readonly SamplePageWriter complete = new();
    private readonly List<(SeriesEntry Entry, int Sealed)> saved = [];
    private byte[] scratch = [];
    private SeriesBucket? filled;

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
        filled = table.BucketOf(bucket);
        foreach (var entry in table.InBucket(bucket))
        {
            ref var samples = ref entry.Samples;
            open.Add(entry.Id, Head(samples, entry.Cells), samples.SealedThrough);
            declare |= !entry.DeclarationSaved;
            if (!samples.Unsaved) continue;
            complete.Add(entry.Id, Sealed(samples, entry.Cells, samples.SealedBytes));
            saved.Add((entry, samples.SealedBytes));
            samples.MarkSaved();
        }
        var declarations = declare
            ? DeclarationPage.Write([.. table.InBucket(bucket).Select(e => new DeclaredSeries(e.Id, e.Labels, e.Kind, e.Unit, e.Help))])
            : default;
        return new SavedBucket(bucket, declarations, complete.Count == 0 ? default : complete.Finish(), complete.First, complete.Last, open.Finish());
    }

    /// <summary>It was written: what is sealed stays in memory as the page that is in the database.</summary>
    /// <param name="cutoff">Pages that end before this moment leave memory.</param>
    /// <param name="mostPerSeries">Samples of a series in memory, on average over the bucket.</param>
    public void Succeeded(long cutoff, int mostPerSeries)
    {
        // Before the new one comes, which then takes the memory of one that went.
        filled?.Evict(cutoff, mostPerSeries);
        if (complete.Count > 0) Keep(cutoff);
        foreach (var (series, bytes) in saved)
        {
            var entry = series;
            entry.DeclarationSaved = true;
            entry.Samples.DropSealed(entry.Cells, bytes);
        }
        saved.Clear();
    }

    // After a burst, or when old samples are sent, a page reaches back further than memory: then one is made for memory with the rest.
    private void Keep(long cutoff)
    {
        if (filled is null) return;
        if (complete.First < cutoff)
        {
            complete.Clear();
            foreach (var (series, bytes) in saved)
            {
                var blocks = Sealed(series.Samples, series.Cells, bytes);
                var position = 0;
                while (position < blocks.Length)
                {
                    var start = position;
                    var block = SampleBlock.Read(blocks, ref position);
                    if (block.Last >= cutoff) complete.Add(series.Id, blocks[start..position]);
                    else filled.Pages.EvictedThrough = Math.Max(filled.Pages.EvictedThrough, block.Last);
                }
            }
        }
        if (complete.Count > 0) filled.Pages.Add(complete.Finish().Span);
    }

    private ReadOnlySpan<byte> Head(in SeriesBuffer samples, CellMemory memory)
    {
        Reserve(samples.MaxHeadBytes);
        return scratch.AsSpan(0, samples.CopyHead(memory, scratch));
    }

    private ReadOnlySpan<byte> Sealed(in SeriesBuffer samples, CellMemory memory, int bytes)
    {
        Reserve(bytes);
        samples.CopySealed(memory, scratch.AsSpan(0, bytes));
        return scratch.AsSpan(0, bytes);
    }

    private void Reserve(int bytes)
    {
        if (scratch.Length < bytes) scratch = new byte[bytes * 2];
    }

    /// <summary>It was not.</summary>
    public void Failed()
    {
        foreach (var (entry, _) in saved) entry.Samples.RestoreUnsaved();
        saved.Clear();
    }
}

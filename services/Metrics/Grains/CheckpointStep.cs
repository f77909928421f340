using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;

namespace Vigil.Metrics.Grains;

/// <summary>Series as they are at one moment, to be written in one transaction while they go on changing. Used again for the next ones.</summary>
internal sealed class CheckpointStep
{
    private SavedSeries[] saved = [];
    private int[] marks = [];
    private SampleBlock[] blocks = [];
    private int count;

    /// <summary>What is to be written.</summary>
    public ArraySegment<SavedSeries> Saved => new(saved, 0, count);

    /// <summary>For each series what <see cref="SeriesBuffer.RestoreUnsaved"/> is given where writing fails.</summary>
    public ReadOnlySpan<int> Marks => marks.AsSpan(0, count);

    /// <summary>Takes series and marks them as saved.</summary>
    public void Fill(ArraySegment<SeriesEntry> entries)
    {
        if (saved.Length < entries.Count) (saved, marks) = (new SavedSeries[entries.Count], new int[entries.Count]);
        var unsaved = 0;
        foreach (var entry in entries) unsaved += entry.Samples.UnsavedBlocks.Length;
        if (blocks.Length < unsaved) blocks = new SampleBlock[Math.Max(unsaved, 2 * blocks.Length)];
        var start = 0;
        foreach (var entry in entries)
        {
            var samples = entry.Samples;
            var declaration = entry.DeclarationSaved
                ? null
                : JournalCodec.WriteSeries([new DeclaredSeries(entry.Id, entry.Labels, entry.Kind, entry.Unit, entry.Help)]);
            var end = start + samples.UnsavedBlocks.Length;
            samples.UnsavedBlocks.CopyTo(blocks.AsSpan(start));
            saved[count] = new SavedSeries(entry.Id, declaration, blocks.AsMemory(start..end), samples.EncodeHead(), samples.SealedThrough);
            marks[count++] = samples.MarkSaved();
            start = end;
        }
    }

    /// <summary>Lets go of the series and gives the memory of their heads back.</summary>
    public void Clear(BlockPool pool)
    {
        foreach (ref readonly var series in Saved.AsSpan()) pool.Return(series.Head.Data);
        Array.Clear(saved);
        Array.Clear(blocks);
        count = 0;
    }
}

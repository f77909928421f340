using System.Buffers;

namespace Vigil.Metrics.Series;

/// <summary>
/// A page that <see cref="SamplePageWriter"/> wrote, in memory, where single series are looked for in it: it has marks at each eighth column and block, and
/// what lies between two marks is read together.
/// </summary>
internal sealed class SealedPage
{
    private const int Stride = 8;

    // Most runs of columns or blocks fit; the stack has room for more, but clearing it takes time.
    private const int SmallRun = 1024;

    private readonly byte[][] chunks;
    private readonly int columns;
    private readonly int blocks;

    // Where each run begins, then where the last one ends.
    private readonly int[] columnMarks;
    private readonly BlockMark[] blockMarks;

    /// <param name="page">Is copied.</param>
    /// <param name="memory">Where to.</param>
    /// <exception cref="InvalidDataException">The page is damaged.</exception>
    public SealedPage(ReadOnlySpan<byte> page, PageMemory memory)
    {
        var content = PageFrame.Open(page, SamplePageWriter.Version);
        var position = 0;
        columns = Varint.ReadCount(content, ref position, content.Length);
        columnMarks = new int[Runs(columns) + 1];
        for (var i = 0; i < columns; i++)
        {
            if (i % Stride == 0) columnMarks[i / Stride] = position;
            PageColumn.Read(content, ref position);
        }
        columnMarks[^1] = position;
        blocks = Varint.ReadCount(content, ref position, content.Length);
        blockMarks = new BlockMark[Runs(blocks) + 1];
        var series = 0;
        var (number, column) = (-1, default(PageColumn));
        for (var i = 0; i < blocks; i++)
        {
            if (i % Stride == 0) blockMarks[i / Stride] = new BlockMark(series, position);
            var block = PageBlock.Read(content, ref position, series, columns);
            // Mostly the same as before.
            if (block.Column != number) (number, column) = (block.Column, ColumnIn(content[columnMarks[block.Column / Stride]..], block.Column));
            block.Check(column);
            series = block.Series;
            Samples += column.Count;
            First = Math.Min(First, column.First);
            Last = Math.Max(Last, column.Last);
        }
        blockMarks[^1] = new BlockMark(series, position);
        if (position != content.Length) throw new InvalidDataException("a stored page goes on behind its end");
        chunks = memory.Store(content);
    }

    /// <summary>Time of the oldest sample.</summary>
    public long First { get; } = long.MaxValue;

    /// <summary>Time of the newest sample.</summary>
    public long Last { get; } = long.MinValue;

    /// <summary>Number of samples, of all series.</summary>
    public long Samples { get; }

    /// <summary>Gives its memory back. It must not be used from here on.</summary>
    public void Release(PageMemory memory) => memory.Release(chunks);

    /// <summary>Adds the samples of a series in [from, to] to <paramref name="target"/>, oldest first.</summary>
    /// <exception cref="InvalidDataException">The page is damaged in a way that its checksum does not show.</exception>
    public void Read(int series, long from, long to, SampleBuffer target)
    {
        // A long series may have blocks in several runs.
        for (var run = RunOf(series); run < Runs(blocks) && blockMarks[run].SeriesBefore <= series; run++) ReadRun(run, series, from, to, target);
    }

    private void ReadRun(int run, int series, long from, long to, SampleBuffer target)
    {
        var (before, start) = blockMarks[run];
        var length = blockMarks[run + 1].Position - start;
        var rented = length > SmallRun ? ArrayPool<byte>.Shared.Rent(length) : null;
        var data = (rented ?? stackalloc byte[SmallRun])[..length];
        PageMemory.Load(chunks, start, data);
        var position = 0;
        for (var i = run * Stride; i < blocks && position < length && before <= series; i++)
        {
            var block = PageBlock.Read(data, ref position, before, columns);
            before = block.Series;
            if (before == series) ReadBlock(block, from, to, target);
        }
        if (rented is not null) ArrayPool<byte>.Shared.Return(rented);
    }

    private void ReadBlock(in PageBlock block, long from, long to, SampleBuffer target)
    {
        var run = block.Column / Stride;
        var length = columnMarks[run + 1] - columnMarks[run];
        var rented = length > SmallRun ? ArrayPool<byte>.Shared.Rent(length) : null;
        var data = (rented ?? stackalloc byte[SmallRun])[..length];
        PageMemory.Load(chunks, columnMarks[run], data);
        var column = ColumnIn(data, block.Column);
        if (column.Last >= from && column.First <= to)
        {
            var (times, values) = target.Room(column.Count);
            column.Decode(data, times);
            block.Decode(values);
            target.Keep(column.Count, from, to);
        }
        if (rented is not null) ArrayPool<byte>.Shared.Return(rented);
    }

    // The last run with only lower numbers before it.
    private int RunOf(int series)
    {
        var (low, high) = (0, Runs(blocks) - 1);
        while (low < high)
        {
            var middle = (low + high + 1) / 2;
            if (blockMarks[middle].SeriesBefore < series) low = middle;
            else high = middle - 1;
        }
        return low;
    }

    // A column, in the run that it belongs to.
    private static PageColumn ColumnIn(ReadOnlySpan<byte> run, int number)
    {
        var position = 0;
        for (var i = number % Stride; i > 0; i--) PageColumn.Read(run, ref position);
        return PageColumn.Read(run, ref position);
    }

    private static int Runs(int count) => (count + Stride - 1) / Stride;

    private readonly record struct BlockMark(int SeriesBefore, int Position);
}

namespace Vigil.Metrics.Series;

/// <summary>
/// Puts blocks of many series into one page. Series that were sampled at the same moments share a column of times, so that a block costs its values and a few
/// bytes. The page: version, checksum, columns, then for each block the step to its series' number, its column, shape and values. Used again for the next page.
/// </summary>
internal sealed class SamplePageWriter
{
    /// <summary>Of this layout.</summary>
    public const byte Version = 1;

    private readonly Dictionary<Column, (int Number, Range Body)> columns = [];
    private readonly byte[] bits = new byte[BlockBits.MaxBytes];
    private readonly long[] times = new long[SampleBlock.MaxCount];
    private readonly double[] values = new double[SampleBlock.MaxCount];
    private byte[] columnBytes = new byte[256];
    private byte[] blockBytes = new byte[4096];
    private byte[] page = [];
    private int columnCount;
    private int columnLength;
    private int blockLength;
    private int lastSeries;

    /// <summary>Blocks in the page.</summary>
    public int Count { get; private set; }

    /// <summary>Time of the oldest sample.</summary>
    public long First { get; private set; } = long.MaxValue;

    /// <summary>Time of the newest sample.</summary>
    public long Last { get; private set; } = long.MinValue;

    /// <summary>Adds blocks of one series, oldest first. Numbers must not fall from call to call.</summary>
    /// <param name="series">The series' number.</param>
    /// <param name="blocks">One after the other.</param>
    /// <param name="sealedThrough">Up to when the series is sealed, where it is a head that is saved.</param>
    public void Add(int series, ReadOnlySpan<byte> blocks, long sealedThrough = long.MinValue)
    {
        var position = 0;
        while (position < blocks.Length) Add(series, SampleBlock.Read(blocks, ref position), sealedThrough);
    }

    /// <summary>The page, until the next one is begun.</summary>
    public ReadOnlyMemory<byte> Finish()
    {
        var length = PageFrame.Length + 2 * Varint.MaxBytes + columnLength + blockLength;
        if (page.Length < length) page = new byte[length + length / 4];
        var position = Varint.Write(page, PageFrame.Length, (ulong)columnCount);
        columnBytes.AsSpan(0, columnLength).CopyTo(page.AsSpan(position));
        position = Varint.Write(page, position + columnLength, (ulong)Count);
        blockBytes.AsSpan(0, blockLength).CopyTo(page.AsSpan(position));
        position += blockLength;
        PageFrame.Seal(page.AsSpan(0, position), Version);
        return page.AsMemory(0, position);
    }

    /// <summary>Begins a new page.</summary>
    public void Clear()
    {
        columns.Clear();
        (columnCount, columnLength, blockLength, lastSeries, Count) = (0, 0, 0, 0, 0);
        (First, Last) = (long.MaxValue, long.MinValue);
    }

    private void Add(int series, SampleBlock block, long sealedThrough)
    {
        var body = block.Body;
        var irregular = block.Shape.Irregular;
        if (irregular) block.Decode(times, values);
        var column = ColumnOf(block, irregular);
        if (irregular) body = block.Shape.IsSame ? default : bits.AsSpan(0, BlockBits.Write(block.Shape, default, values.AsSpan(0, block.Count), bits));
        Reserve(ref blockBytes, blockLength + body.Length + 7 * Varint.MaxBytes);
        blockLength = Varint.Write(blockBytes, blockLength, (ulong)(series - lastSeries));
        // 0 stands for "nothing is sealed".
        if (series != lastSeries) blockLength = Varint.Write(blockBytes, blockLength, sealedThrough == long.MinValue ? 0 : unchecked((ulong)(block.First - sealedThrough)));
        blockLength = Varint.Write(blockBytes, blockLength, (ulong)column);
        blockBytes[blockLength++] = block.Shape.Flags;
        blockLength = SampleBlock.WriteSame(blockBytes, blockLength, block.Shape, block.Same);
        if (!block.Shape.IsSame)
        {
            blockLength = Varint.Write(blockBytes, blockLength, (ulong)body.Length);
            body.CopyTo(blockBytes.AsSpan(blockLength));
            blockLength += body.Length;
        }
        lastSeries = series;
        Count++;
        First = Math.Min(First, block.First);
        Last = Math.Max(Last, block.Last);
    }

    private int ColumnOf(SampleBlock block, bool irregular)
    {
        var body = irregular ? bits.AsSpan(0, BlockBits.Write(block.Shape, times.AsSpan(0, block.Count), default, bits)) : default;
        var hash = new HashCode();
        hash.AddBytes(body);
        var key = new Column(irregular, block.Count, block.First, block.Last, hash.ToHashCode());
        if (columns.TryGetValue(key, out var known) && body.SequenceEqual(columnBytes.AsSpan(known.Body))) return known.Number;
        var number = columnCount++;
        Reserve(ref columnBytes, columnLength + body.Length + 4 * Varint.MaxBytes);
        columnLength = Varint.Write(columnBytes, columnLength, ((ulong)block.Count << 1) | (irregular ? 1u : 0u));
        columnLength = Varint.WriteSigned(columnBytes, columnLength, block.First);
        columnLength = Varint.Write(columnBytes, columnLength, unchecked((ulong)(block.Last - block.First)));
        if (irregular)
        {
            columnLength = Varint.Write(columnBytes, columnLength, (ulong)body.Length);
            body.CopyTo(columnBytes.AsSpan(columnLength));
            columnLength += body.Length;
        }
        // Another column with the same ends and the same hash gives way.
        columns[key] = (number, (columnLength - body.Length)..columnLength);
        return number;
    }

    private static void Reserve(ref byte[] bytes, int length)
    {
        if (length > bytes.Length) Array.Resize(ref bytes, Math.Max(length, bytes.Length * 2));
    }

    private readonly record struct Column(bool Irregular, int Count, long First, long Last, int Hash);
}

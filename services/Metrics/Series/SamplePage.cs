using System.Runtime.CompilerServices;

namespace Vigil.Metrics.Series;

/// <summary>Times in a page, which all blocks share whose series were sampled at the same moments.</summary>
/// <param name="Irregular">Each time is stored, in <paramref name="Body"/>. Otherwise all steps are the same.</param>
/// <param name="Count">Number of times.</param>
/// <param name="First">The oldest.</param>
/// <param name="Last">The newest.</param>
/// <param name="Body">Where the bits are.</param>
internal readonly record struct PageColumn(bool Irregular, int Count, long First, long Last, Range Body)
{
    /// <summary>Reads the column at <paramref name="position"/>, which is moved behind it.</summary>
    /// <exception cref="InvalidDataException">There is none.</exception>
    public static PageColumn Read(ReadOnlySpan<byte> data, scoped ref int position)
    {
        var head = Varint.Read(data, ref position);
        if (head >> 1 is 0 or > SampleBlock.MaxCount) throw new InvalidDataException("a stored page has an impossible column");
        var first = Varint.ReadSigned(data, ref position);
        var last = unchecked(first + (long)Varint.Read(data, ref position));
        if (last < first || (head >> 1 == 1 && last != first)) throw new InvalidDataException("a stored page has a column that ends before it begins");
        var body = default(Range);
        if ((head & 1) != 0)
        {
            var length = SampleBlock.ReadBody(data, ref position).Length;
            body = (position - length)..position;
        }
        return new PageColumn((head & 1) != 0, (int)(head >> 1), first, last, body);
    }

    /// <summary>Unpacks the times to the front of the span.</summary>
    /// <exception cref="InvalidDataException">They are not what the column says.</exception>
    public void Decode(ReadOnlySpan<byte> data, Span<long> times)
    {
        if (!Irregular)
        {
            SampleBlock.FillTimes(First, Last, times[..Count]);
            return;
        }
        var bits = new BitSource(data[Body]);
        var model = new RiceModel();
        var time = times[0] = First;
        for (var i = 1; i < Count; i++) times[i] = time = SampleBlock.ReadTime(ref model, ref bits, time, i);
        if (time != Last) throw SampleBlock.WrongEnd();
    }
}

/// <summary>Values in a page.</summary>
internal ref struct PageBlock
{
    /// <summary>Number of its series.</summary>
    public int Series { get; private init; }

    /// <summary>It is the first one of its series.</summary>
    public bool IsFirst { get; private init; }

    /// <summary>From the sealed end of the series to the block's oldest sample; 0 where that is not known, or it is not the first one.</summary>
    public ulong SinceSealed { get; private init; }

    /// <summary>Number of its column.</summary>
    public int Column { get; private init; }

    /// <summary>How the values are stored.</summary>
    public BlockShape Shape { get; private init; }

    /// <summary>The value, where all are the same.</summary>
    public double Same { get; private init; }

    /// <summary>The bits of the values, where they are not.</summary>
    public ReadOnlySpan<byte> Values { get; private init; }

    /// <summary>Reads the block at <paramref name="position"/>, which is moved behind it.</summary>
    /// <param name="data">The page.</param>
    /// <param name="position">Where.</param>
    /// <param name="series">Number of the series of the block before.</param>
    /// <param name="columns">How many there are.</param>
    /// <exception cref="InvalidDataException">There is none.</exception>
    public static PageBlock Read(ReadOnlySpan<byte> data, scoped ref int position, int series, int columns)
    {
        var step = Varint.ReadCount(data, ref position, int.MaxValue);
        var sinceSealed = step > 0 ? Varint.Read(data, ref position) : 0;
        if (series > int.MaxValue - step) throw new InvalidDataException("a stored page names an impossible series");
        var column = Varint.ReadCount(data, ref position, columns - 1);
        var shape = SampleBlock.ReadShape(data, ref position);
        var same = SampleBlock.ReadSame(shape, data, ref position);
        return new PageBlock
        {
            Series = series + step,
            IsFirst = step > 0,
            SinceSealed = sinceSealed,
            Column = column,
            Shape = shape,
            Same = same,
            Values = shape.IsSame ? default : SampleBlock.ReadBody(data, ref position),
        };
    }

    /// <summary>Unpacks the values: as many as the span has room for.</summary>
    public readonly void Decode(Span<double> target)
    {
        var bits = new BitSource(Values);
        SampleBlock.DecodeValues(Shape, Same, ref bits, target);
    }

    /// <exception cref="InvalidDataException">Its times are of the other kind.</exception>
    public readonly void Check(in PageColumn column)
    {
        if (Shape.Irregular != column.Irregular) throw new InvalidDataException("a stored page gives a block the wrong times");
    }
}

/// <summary>A page that <see cref="SamplePageWriter"/> wrote, read block by block.</summary>
internal ref struct SamplePage
{
    private readonly ReadOnlySpan<byte> data;
    private readonly PageColumn[] columns;
    private readonly long[] columnTimes = new long[SampleBlock.MaxCount];
    private int unpackedColumn = -1;
    private int position;
    private int left;
    private PageBlock block;

    /// <exception cref="InvalidDataException">The page is damaged.</exception>
    public SamplePage(ReadOnlySpan<byte> page)
    {
        data = PageFrame.Open(page, SamplePageWriter.Version);
        columns = new PageColumn[Varint.ReadCount(data, ref position, data.Length)];
        for (var i = 0; i < columns.Length; i++) columns[i] = PageColumn.Read(data, ref position);
        left = Varint.ReadCount(data, ref position, data.Length);
    }

    /// <summary>Number of the present block's series.</summary>
    public readonly int Series => block.Series;

    /// <summary>Up to when that series is sealed; <see cref="long.MinValue"/> where nothing is, or it was not said.</summary>
    public long SealedThrough { get; private set; } = long.MinValue;

    /// <summary>Number of the present block's times: blocks of one page that have the same number have the same times.</summary>
    public readonly int ColumnNumber => block.Column;

    /// <summary>Number of the present block's samples.</summary>
    public readonly int Count => columns[block.Column].Count;

    /// <summary>Time of the present block's oldest sample.</summary>
    public readonly long First => columns[block.Column].First;

    /// <summary>Time of the present block's newest sample.</summary>
    public readonly long Last => columns[block.Column].Last;

    /// <summary>Goes to the next block; false at the end.</summary>
    /// <exception cref="InvalidDataException">The page is damaged.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public bool Next()
    {
        if (left == 0) return position == data.Length ? false : throw new InvalidDataException("a stored page goes on behind its end");
        left--;
        block = PageBlock.Read(data, ref position, block.Series, columns.Length);
        block.Check(columns[block.Column]);
        if (block.IsFirst) SealedThrough = block.SinceSealed == 0 ? long.MinValue : unchecked(First - (long)block.SinceSealed);
        return true;
    }

    /// <summary>Unpacks the present block to the front of the two spans, which must hold <see cref="Count"/>.</summary>
    public void Decode(Span<long> times, Span<double> target)
    {
        Times.CopyTo(times);
        DecodeValues(target);
    }

    /// <summary>The present block's times, until the next ones are asked for.</summary>
    public ReadOnlySpan<long> Times
    {
        get
        {
            UnpackColumn();
            return columnTimes.AsSpan(0, Count);
        }
    }

    /// <summary>Unpacks the present block's values to the front of a span, which must hold <see cref="Count"/>.</summary>
    public readonly void DecodeValues(Span<double> target) => block.Decode(target[..Count]);

    /// <summary>Writes the present block as it is in memory; returns the length. The target must hold a block with its header.</summary>
    /// <param name="target">At least <see cref="BlockBits.MaxBytes"/> and a header.</param>
    /// <param name="scratch">At least <see cref="Count"/>.</param>
    public int CopyBlock(Span<byte> target, Span<double> scratch)
    {
        var one = columns[block.Column];
        if (!block.Shape.Irregular)
        {
            var start = SampleBlock.WriteHeader(target, block.Shape, one.Count, one.First, one.Last, block.Same, block.Values.Length);
            block.Values.CopyTo(target[start..]);
            return start + block.Values.Length;
        }
        UnpackColumn();
        block.Decode(scratch[..one.Count]);
        Span<byte> bits = new byte[BlockBits.MaxBytes];
        var length = BlockBits.Write(block.Shape, columnTimes.AsSpan(0, one.Count), block.Shape.IsSame ? default : scratch[..one.Count], bits);
        var at = SampleBlock.WriteHeader(target, block.Shape, one.Count, one.First, one.Last, block.Same, length);
        bits[..length].CopyTo(target[at..]);
        return at + length;
    }

    private void UnpackColumn()
    {
        if (unpackedColumn == block.Column) return;
        unpackedColumn = -1;
        columns[block.Column].Decode(data, columnTimes);
        unpackedColumn = block.Column;
    }
}

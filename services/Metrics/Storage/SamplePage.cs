using System.Runtime.CompilerServices;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Storage;

/// <summary>A page that <see cref="SamplePageWriter"/> wrote, read block by block.</summary>
internal ref struct SamplePage
{
    private readonly ReadOnlySpan<byte> data;
    private readonly Column[] columns;
    private readonly long[] columnTimes = new long[SampleBlock.MaxCount];
    private int unpackedColumn = -1;
    private int position;
    private int left;
    private int column;
    private BlockShape shape;
    private double same;
    private ReadOnlySpan<byte> values;

    /// <exception cref="InvalidDataException">The page is damaged.</exception>
    public SamplePage(ReadOnlySpan<byte> page)
    {
        data = PageFrame.Open(page, SamplePageWriter.Version);
        columns = new Column[Varint.ReadCount(data, ref position, data.Length)];
        for (var i = 0; i < columns.Length; i++) columns[i] = ReadColumn();
        left = Varint.ReadCount(data, ref position, data.Length);
    }

    /// <summary>Number of the present block's series.</summary>
    public int Series { get; private set; }

    /// <summary>Up to when that series is sealed; <see cref="long.MinValue"/> where nothing is, or it was not said.</summary>
    public long SealedThrough { get; private set; } = long.MinValue;

    /// <summary>Number of the present block's times: blocks of one page that have the same number have the same times.</summary>
    public readonly int ColumnNumber => column;

    /// <summary>Number of the present block's samples.</summary>
    public readonly int Count => columns[column].Count;

    /// <summary>Time of the present block's oldest sample.</summary>
    public readonly long First => columns[column].First;

    /// <summary>Time of the present block's newest sample.</summary>
    public readonly long Last => columns[column].Last;

    /// <summary>Goes to the next block; false at the end.</summary>
    /// <exception cref="InvalidDataException">The page is damaged.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public bool Next()
    {
        if (left == 0) return position == data.Length ? false : throw new InvalidDataException("a stored page goes on behind its end");
        left--;
        var step = Varint.ReadCount(data, ref position, int.MaxValue);
        ulong open = 0;
        if (step > 0) open = Varint.Read(data, ref position);
        if (Series > int.MaxValue - step) throw new InvalidDataException("a stored page names an impossible series");
        Series += step;
        column = Varint.ReadCount(data, ref position, columns.Length - 1);
        if (step > 0) SealedThrough = open == 0 ? long.MinValue : unchecked(First - (long)open);
        shape = SampleBlock.ReadShape(data, ref position);
        if (shape.Irregular != columns[column].Irregular) throw new InvalidDataException("a stored page gives a block the wrong times");
        same = SampleBlock.ReadSame(shape, data, ref position);
        values = shape.IsSame ? default : SampleBlock.ReadBody(data, ref position);
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
    public readonly void DecodeValues(Span<double> target)
    {
        var bits = new BitSource(values);
        SampleBlock.DecodeValues(shape, same, ref bits, target[..Count]);
    }

    /// <summary>Writes the present block as it is in memory; returns the length. The target must hold a block with its header.</summary>
    /// <param name="target">At least <see cref="BlockBits.MaxBytes"/> and a header.</param>
    /// <param name="scratch">At least <see cref="Count"/>.</param>
    public int CopyBlock(Span<byte> target, Span<double> scratch)
    {
        var one = columns[column];
        if (!shape.Irregular)
        {
            var start = SampleBlock.WriteHeader(target, shape, one.Count, one.First, one.Last, same, values.Length);
            values.CopyTo(target[start..]);
            return start + values.Length;
        }
        UnpackColumn();
        DecodeValues(scratch);
        Span<byte> bits = new byte[BlockBits.MaxBytes];
        var length = BlockBits.Write(shape, columnTimes.AsSpan(0, one.Count), shape.IsSame ? default : scratch[..one.Count], bits);
        var at = SampleBlock.WriteHeader(target, shape, one.Count, one.First, one.Last, same, length);
        bits[..length].CopyTo(target[at..]);
        return at + length;
    }

    private void UnpackColumn()
    {
        if (unpackedColumn == column) return;
        unpackedColumn = -1;
        var one = columns[column];
        if (one.Irregular)
        {
            var bits = new BitSource(data[one.Body]);
            var model = new RiceModel();
            var time = columnTimes[0] = one.First;
            for (var i = 1; i < one.Count; i++) columnTimes[i] = time = SampleBlock.ReadTime(ref model, ref bits, time, i);
            if (time != one.Last) throw SampleBlock.WrongEnd();
        }
        else
        {
            SampleBlock.FillTimes(one.First, one.Last, columnTimes.AsSpan(0, one.Count));
        }
        unpackedColumn = column;
    }

    private Column ReadColumn()
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
        return new Column((head & 1) != 0, (int)(head >> 1), first, last, body);
    }

    private readonly record struct Column(bool Irregular, int Count, long First, long Last, Range Body);
}

using System.Buffers;

namespace Vigil.Metrics.Series;

/// <summary>
/// The bytes of journal rows, and of saved rows, of native histograms: series number and time as differences from the one before, in variable-length zigzag, then the
/// length of the histogram and the histogram as <see cref="HistogramCodec"/> writes it. The first byte is the format's version.
/// </summary>
internal static class HistogramRows
{
    private const byte Version = 1;

    /// <summary>The most that is written beside the histogram itself: 5 + 10 + 5 bytes.</summary>
    public const int MaxOverhead = 20;

    /// <summary>Begins a row.</summary>
    public static int WriteHeader(Span<byte> target)
    {
        target[0] = Version;
        return 1;
    }

    /// <summary>Appends one histogram; returns the position after it.</summary>
    public static int Write(Span<byte> target, int position, int id, long time, ReadOnlySpan<byte> histogram, ref int previousId, ref long previousTime)
    {
        position = WriteVarint(target, position, ZigZag(id - (long)previousId));
        position = WriteVarint(target, position, ZigZag(unchecked(time - previousTime)));
        position = WriteVarint(target, position, (ulong)histogram.Length);
        histogram.CopyTo(target[position..]);
        (previousId, previousTime) = (id, time);
        return position + histogram.Length;
    }

    /// <summary>The histograms of one series as one row.</summary>
    public static byte[] Write(int id, IReadOnlyCollection<HistogramPoint> points)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(1 + points.Sum(p => p.Data.Length + MaxOverhead));
        var length = WriteHeader(buffer);
        var (previousId, previousTime) = (0, 0L);
        foreach (var point in points) length = Write(buffer, length, id, point.Time, point.Data, ref previousId, ref previousTime);
        var row = buffer.AsSpan(0, length).ToArray();
        ArrayPool<byte>.Shared.Return(buffer);
        return row;
    }

    /// <summary>The histograms of one series from its row.</summary>
    /// <exception cref="InvalidDataException">The row is damaged or of a newer version.</exception>
    public static List<HistogramPoint> Read(ReadOnlySpan<byte> row)
    {
        var points = new List<HistogramPoint>();
        var reader = new HistogramRowReader(row);
        while (reader.Next(out _, out var time, out var histogram)) points.Add(new HistogramPoint(time, histogram.ToArray()));
        return points;
    }

    internal static void CheckVersion(ReadOnlySpan<byte> row)
    {
        if (row.IsEmpty) throw new InvalidDataException("a saved row of histograms is empty");
        if (row[0] != Version) throw new InvalidDataException($"a saved row of histograms has format {row[0]}; this program reads {Version}");
    }

    private static ulong ZigZag(long value) => (ulong)((value << 1) ^ (value >> 63));

    private static int WriteVarint(Span<byte> target, int position, ulong value)
    {
        for (; value >= 0x80; value >>= 7) target[position++] = (byte)(value | 0x80);
        target[position++] = (byte)value;
        return position;
    }
}

/// <summary>Reads the histograms of a row one by one.</summary>
internal ref struct HistogramRowReader
{
    private readonly ReadOnlySpan<byte> row;
    private int position = 1;
    private int id;
    private long time;

    /// <exception cref="InvalidDataException">The row is of a newer version.</exception>
    public HistogramRowReader(ReadOnlySpan<byte> row)
    {
        HistogramRows.CheckVersion(row);
        this.row = row;
    }

    /// <summary>False at the end.</summary>
    /// <exception cref="InvalidDataException">The row is damaged.</exception>
    public bool Next(out int nextId, out long nextTime, out ReadOnlySpan<byte> histogram)
    {
        (nextId, nextTime) = (0, 0);
        histogram = default;
        if (position == row.Length) return false;
        nextId = id = (int)(id + UnZigZag(ReadVarint()));
        nextTime = time = unchecked(time + UnZigZag(ReadVarint()));
        var length = ReadVarint();
        if (length > (ulong)(row.Length - position)) throw Damaged();
        histogram = row.Slice(position, (int)length);
        position += (int)length;
        return true;
    }

    private ulong ReadVarint()
    {
        ulong value = 0;
        for (var shift = 0; shift < 70 && position < row.Length; shift += 7)
        {
            var b = row[position++];
            value |= (ulong)(b & 0x7f) << shift;
            if (b < 0x80) return value;
        }
        throw Damaged();
    }

    private static long UnZigZag(ulong value) => (long)(value >> 1) ^ -(long)(value & 1);

    private static InvalidDataException Damaged() => new("a saved row of histograms is damaged");
}

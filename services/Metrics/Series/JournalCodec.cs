using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Text;

namespace Vigil.Metrics.Series;

/// <summary>A series as it is declared and saved.</summary>
internal readonly record struct DeclaredSeries(int Id, LabelSet Labels, SeriesKind Kind, string Unit, string Help);

/// <summary>
/// The bytes of journal rows and of saved series. Samples: series number and time as differences from the sample before, in
/// variable-length zigzag, and the value's eight bytes: about ten bytes a sample. The first byte is the format's version.
/// </summary>
internal static class JournalCodec
{
    private const byte Version = 1;

    /// <summary>The most that <see cref="WriteSample"/> writes: 5 + 10 + 8 bytes.</summary>
    public const int MaxSampleBytes = 23;

    /// <summary>Bytes before the first sample.</summary>
    public const int HeaderBytes = 1;

    /// <summary>Begins a row of samples.</summary>
    public static int WriteHeader(Span<byte> target)
    {
        target[0] = Version;
        return HeaderBytes;
    }

    /// <summary>Appends one sample; returns the position after it.</summary>
    public static int WriteSample(Span<byte> target, int position, int id, long time, double value, ref int previousId, ref long previousTime)
    {
        position = Varint.WriteSigned(target, position, id - (long)previousId);
        position = Varint.WriteSigned(target, position, unchecked(time - previousTime));
        BinaryPrimitives.WriteDoubleLittleEndian(target[position..], value);
        previousId = id;
        previousTime = time;
        return position + sizeof(double);
    }

    /// <summary>Series declarations as bytes.</summary>
    public static byte[] WriteSeries(IReadOnlyCollection<DeclaredSeries> series)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream, Encoding.UTF8);
        writer.Write(Version);
        writer.Write7BitEncodedInt(series.Count);
        foreach (var (id, labels, kind, unit, help) in series)
        {
            writer.Write7BitEncodedInt(id);
            writer.Write((byte)kind);
            writer.Write(unit);
            writer.Write(help);
            writer.Write7BitEncodedInt(labels.Count);
            foreach (var (name, value) in labels.AsLabels())
            {
                writer.Write(name);
                writer.Write(value);
            }
        }
        writer.Flush();
        return stream.ToArray();
    }

    /// <summary>Reads what <see cref="WriteSeries"/> wrote.</summary>
    /// <exception cref="InvalidDataException">The bytes are damaged or of a newer version.</exception>
    public static IReadOnlyList<DeclaredSeries> ReadSeries(ReadOnlySpan<byte> data)
    {
        using var reader = new BinaryReader(new MemoryStream(data.ToArray()), Encoding.UTF8);
        try
        {
            CheckVersion(reader.ReadByte());
            var series = new DeclaredSeries[Checked(reader.Read7BitEncodedInt(), data.Length)];
            for (var i = 0; i < series.Length; i++)
            {
                var id = reader.Read7BitEncodedInt();
                var kind = (SeriesKind)reader.ReadByte();
                var unit = reader.ReadString();
                var help = reader.ReadString();
                var pairs = new string[2 * Checked(reader.Read7BitEncodedInt(), data.Length)];
                for (var p = 0; p < pairs.Length; p++) pairs[p] = reader.ReadString();
                series[i] = new DeclaredSeries(id, LabelSet.FromSortedPairs(pairs), kind, unit, help);
            }
            return series;
        }
        catch (Exception e) when (e is EndOfStreamException or FormatException)
        {
            throw new InvalidDataException("a saved row of series declarations is damaged", e);
        }
    }

    internal static void CheckVersion(byte version)
    {
        if (version != Version) throw new InvalidDataException($"a saved row has format {version}; this program reads {Version}");
    }

    private static int Checked(int count, int bytes) =>
        count >= 0 && count <= bytes ? count : throw new InvalidDataException("a saved row of series declarations is damaged");
}

/// <summary>Reads the samples of a row one by one.</summary>
internal ref struct SampleReader
{
    private readonly ReadOnlySpan<byte> data;
    private int position;
    private int id;
    private long time;

    /// <exception cref="InvalidDataException">The row is of a newer version.</exception>
    public SampleReader(ReadOnlySpan<byte> data)
    {
        this.data = data;
        if (data.Length == 0) throw new InvalidDataException("a saved row of samples is empty");
        JournalCodec.CheckVersion(data[0]);
        position = JournalCodec.HeaderBytes;
    }

    /// <summary>False at the end.</summary>
    /// <exception cref="InvalidDataException">The row ends in the middle of a sample.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public bool Next(out int nextId, out long nextTime, out double value)
    {
        if (position == data.Length)
        {
            (nextId, nextTime, value) = (0, 0, 0);
            return false;
        }
        nextId = id = (int)(id + Varint.ReadSigned(data, ref position));
        nextTime = time = unchecked(time + Varint.ReadSigned(data, ref position));
        if (position + sizeof(double) > data.Length) throw Cut();
        value = BinaryPrimitives.ReadDoubleLittleEndian(data[position..]);
        position += sizeof(double);
        return true;
    }

    private static InvalidDataException Cut() => new("a saved row of samples ends in the middle of one");
}

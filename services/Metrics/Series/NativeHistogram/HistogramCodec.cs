using System.Buffers;
using System.Buffers.Binary;

namespace Vigil.Metrics.Series;

/// <summary>
/// The stored form of a histogram. Byte 0: version 1 in the upper nibble, then 4 for custom bounds, then the hint. What follows are varints (7 bits
/// a byte, low ones first) and counts: a count is a varint of twice its ZigZag value where it is whole and below 2^53, else a 1 and 8 bytes. Buckets are
/// written as runs, then counts, each whole one as the difference from the whole one before. Everything else is 8 bytes, little-endian.
/// </summary>
internal static class HistogramCodec
{
    private const int Version = 1;
    private const double WholeLimit = 1L << 53;

    /// <summary>Writes a histogram; what is read back is equal, its hint too.</summary>
    public static void Encode(FloatHistogram histogram, IBufferWriter<byte> output)
    {
        var writer = new Writer(output);
        writer.Byte((byte)(Version << 4 | (histogram.IsCustom ? 4 : 0) | (int)histogram.Hint));
        writer.Double(histogram.Sum);
        writer.Count(histogram.Count);
        if (histogram.IsCustom)
        {
            writer.Varint((ulong)histogram.CustomBounds.Length);
            foreach (var bound in histogram.CustomBounds) writer.Double(bound);
        }
        else
        {
            writer.Varint(ZigZag(histogram.Schema));
            writer.Double(histogram.ZeroThreshold);
            writer.Count(histogram.ZeroCount);
            Write(ref writer, histogram.Negative);
        }
        Write(ref writer, histogram.Positive);
    }

    /// <summary>The stored form as an array of its own.</summary>
    public static byte[] Encode(FloatHistogram histogram)
    {
        var buffer = new ArrayBufferWriter<byte>(64);
        Encode(histogram, buffer);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>
    /// Reads what <see cref="Encode(FloatHistogram)"/> wrote, and nothing else: false for bytes that are cut short, too long, of another version, or that break the rules on
    /// schemas, bounds and numbers of buckets. Counts may be negative: a difference of histograms is stored too.
    /// </summary>
    public static bool TryDecode(ReadOnlySpan<byte> input, out FloatHistogram? histogram)
    {
        histogram = null;
        var reader = new Reader(input);
        var head = reader.Byte();
        if (head >> 4 != Version || (head & 8) != 0) return false;
        var custom = (head & 4) != 0;
        var (hint, sum, count) = ((CounterResetHint)(head & 3), reader.Double(), reader.Count());
        if (custom)
        {
            var length = reader.Length(HistogramRules.MaxCustomBounds);
            if (length > reader.Left / 8) return false;
            var bounds = new double[length];
            for (var i = 0; i < length; i++) bounds[i] = reader.Double();
            var positive = Read(ref reader);
            histogram = new() { Hint = hint, Schema = BucketBounds.CustomSchema, Sum = sum, Count = count, CustomBounds = bounds, Positive = positive };
        }
        else
        {
            var schema = reader.Signed();
            var (threshold, zeroCount) = (reader.Double(), reader.Count());
            var negative = Read(ref reader);
            var positive = Read(ref reader);
            if (schema is < BucketBounds.MinSchema or > BucketBounds.MaxSchema) return false;
            histogram = new()
            {
                Hint = hint,
                Schema = (int)schema,
                Sum = sum,
                Count = count,
                ZeroThreshold = threshold,
                ZeroCount = zeroCount,
                Negative = negative,
                Positive = positive,
            };
        }
        if (reader.Failed || reader.Left > 0 || !IsSound(histogram)) histogram = null;
        return histogram is not null;
    }

    private static bool IsSound(FloatHistogram histogram)
    {
        if (!histogram.IsCustom) return double.IsFinite(histogram.ZeroThreshold) && histogram.ZeroThreshold >= 0;
        var bounds = histogram.CustomBounds;
        for (var i = 0; i < bounds.Length; i++)
        {
            if (!double.IsFinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1])) return false;
        }
        var indexes = histogram.Positive.Indexes;
        return indexes.Length == 0 || (indexes[0] >= 0 && indexes[^1] <= bounds.Length);
    }

    private static void Write(ref Writer writer, HistogramBuckets buckets)
    {
        var spans = buckets.ToSpans();
        writer.Varint((ulong)spans.Length);
        foreach (var span in spans)
        {
            writer.Varint(ZigZag(span.Offset));
            writer.Varint((ulong)span.Length);
        }
        long before = 0;
        foreach (var count in buckets.Counts)
        {
            if (IsWhole(count))
            {
                writer.Varint(ZigZag((long)count - before) << 1);
                before = (long)count;
            }
            else
            {
                writer.Count(count);
            }
        }
    }

    private static HistogramBuckets Read(ref Reader reader)
    {
        var spans = new BucketSpan[reader.Length(Math.Min(HistogramRules.MaxBuckets, reader.Left / 2))];
        long buckets = 0;
        for (var i = 0; i < spans.Length; i++)
        {
            spans[i] = new((int)Math.Clamp(reader.Signed(), int.MinValue, int.MaxValue), reader.Length(HistogramRules.MaxBuckets));
            buckets += spans[i].Length;
        }
        // Each count takes a byte at least.
        if (reader.Failed || buckets > Math.Min(HistogramRules.MaxBuckets, reader.Left)) return reader.Fail();
        var counts = new double[buckets];
        long before = 0;
        for (var i = 0; i < counts.Length; i++) counts[i] = reader.Count(ref before);
        return HistogramBuckets.FromSpans(spans, counts) ?? reader.Fail();
    }

    private static bool IsWhole(double value) => Math.Abs(value) < WholeLimit && value == Math.Floor(value) && !(value == 0 && double.IsNegative(value));

    private static ulong ZigZag(long value) => (ulong)((value << 1) ^ (value >> 63));

    private readonly ref struct Writer(IBufferWriter<byte> output)
    {
        public void Byte(byte value)
        {
            output.GetSpan(1)[0] = value;
            output.Advance(1);
        }

        public void Double(double value)
        {
            BinaryPrimitives.WriteDoubleLittleEndian(output.GetSpan(8), value);
            output.Advance(8);
        }

        public void Count(double value)
        {
            if (IsWhole(value))
            {
                Varint(ZigZag((long)value) << 1);
                return;
            }
            Byte(1);
            Double(value);
        }

        public void Varint(ulong value)
        {
            var span = output.GetSpan(10);
            var length = 0;
            while (value >= 0x80)
            {
                span[length++] = (byte)(value | 0x80);
                value >>= 7;
            }
            span[length++] = (byte)value;
            output.Advance(length);
        }
    }

    /// <summary>Reads until something does not fit; from then on all that is read is zero.</summary>
    private ref struct Reader(ReadOnlySpan<byte> input)
    {
        private ReadOnlySpan<byte> rest = input;

        public bool Failed { get; private set; }

        public readonly int Left => rest.Length;

        public HistogramBuckets Fail()
        {
            Failed = true;
            rest = default;
            return HistogramBuckets.None;
        }

        public byte Byte()
        {
            if (rest.IsEmpty)
            {
                Fail();
                return 0;
            }
            var value = rest[0];
            rest = rest[1..];
            return value;
        }

        public double Double()
        {
            if (!BinaryPrimitives.TryReadDoubleLittleEndian(rest, out var value))
            {
                Fail();
                return 0;
            }
            rest = rest[8..];
            return value;
        }

        public ulong Varint()
        {
            ulong value = 0;
            for (var shift = 0; shift < 64; shift += 7)
            {
                var next = Byte();
                value |= (ulong)(next & 0x7f) << shift;
                if (next < 0x80) return value;
            }
            Fail();
            return 0;
        }

        public long Signed() => Undo(Varint());

        public int Length(int max)
        {
            var value = Varint();
            if (value <= (ulong)max) return (int)value;
            Fail();
            return 0;
        }

        public double Count()
        {
            long before = 0;
            return Count(ref before);
        }

        public double Count(ref long before)
        {
            var value = Varint();
            if ((value & 1) == 0) return before += Undo(value >> 1);
            if (value != 1) Fail();
            return Double();
        }

        private static long Undo(ulong zigZag) => (long)(zigZag >> 1) ^ -(long)(zigZag & 1);
    }
}

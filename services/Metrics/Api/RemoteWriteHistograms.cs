using Vigil.Metrics.Series;

namespace Vigil.Metrics.Api;

/// <summary>
/// Native histograms of remote write, the same in both versions: of whole numbers, whose buckets are differences from the one before, or of floats with counts.
/// </summary>
internal static class RemoteWriteHistograms
{
    private const int Varint = 0;
    private const int Fixed64 = 1;
    private const int Bytes = 2;

    /// <summary>Reads one. False, with the reason, where it is none that can be stored.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out long time, out FloatHistogram? histogram, out string fault)
    {
        histogram = null;
        fault = "the bytes are no histogram";
        var read = new Fields();
        time = 0;
        var input = new WireReader(bytes);
        while (!input.IsAtEnd)
        {
            if (!input.TryVarint(out var tag) || !read.TryTake(ref input, tag)) return false;
        }
        time = read.Time;
        // Which of the two it is shows in its count, in whose absence both are 0.
        var positive = Buckets(read.PositiveSpans, read.IsFloat ? read.PositiveCounts : Sum(read.PositiveDeltas));
        var negative = Buckets(read.NegativeSpans, read.IsFloat ? read.NegativeCounts : Sum(read.NegativeDeltas));
        fault = "the spans do not fit the buckets, or there are too many of them";
        if (positive is null || negative is null) return false;
        var built = new FloatHistogram
        {
            Hint = (CounterResetHint)(read.Hint & 3),
            Schema = read.Schema,
            Count = read.Count,
            Sum = read.Total,
            ZeroThreshold = read.ZeroThreshold,
            ZeroCount = read.ZeroCount,
            Positive = positive,
            Negative = negative,
            CustomBounds = [.. read.CustomBounds],
        };
        if (HistogramRules.Refuse(built) is { } reason)
        {
            fault = reason;
            return false;
        }
        histogram = built;
        return true;
    }

    private static HistogramBuckets? Buckets(List<BucketSpan> spans, List<double> counts) =>
        counts.Count > HistogramRules.MaxBuckets ? null : HistogramBuckets.FromSpans([.. spans], [.. counts]);

    private static List<double> Sum(List<long> deltas)
    {
        var counts = new List<double>(deltas.Count);
        long count = 0;
        foreach (var delta in deltas) counts.Add(unchecked(count += delta));
        return counts;
    }

    /// <summary>The fields by their numbers.</summary>
    private sealed class Fields
    {
        public double Count { get; private set; }

        public bool IsFloat { get; private set; }

        public double Total { get; private set; }

        public int Schema { get; private set; }

        public double ZeroThreshold { get; private set; }

        public double ZeroCount { get; private set; }

        public List<BucketSpan> NegativeSpans { get; } = [];

        public List<long> NegativeDeltas { get; } = [];

        public List<double> NegativeCounts { get; } = [];

        public List<BucketSpan> PositiveSpans { get; } = [];

        public List<long> PositiveDeltas { get; } = [];

        public List<double> PositiveCounts { get; } = [];

        public int Hint { get; private set; }

        public long Time { get; private set; }

        public List<double> CustomBounds { get; } = [];

        public bool TryTake(ref WireReader input, ulong tag)
        {
            ulong number;
            double value;
            ReadOnlySpan<byte> bytes;
            switch (tag)
            {
                case 1 << 3 | Varint when input.TryVarint(out number):
                    (Count, IsFloat) = (number, false);
                    return true;
                case 2 << 3 | Fixed64 when input.TryDouble(out value):
                    (Count, IsFloat) = (value, true);
                    return true;
                case 3 << 3 | Fixed64 when input.TryDouble(out value):
                    Total = value;
                    return true;
                case 4 << 3 | Varint when input.TryVarint(out number):
                    Schema = (int)Math.Clamp(WireReader.UnZigZag(number), int.MinValue, int.MaxValue);
                    return true;
                case 5 << 3 | Fixed64 when input.TryDouble(out value):
                    ZeroThreshold = value;
                    return true;
                case 6 << 3 | Varint when input.TryVarint(out number):
                    ZeroCount = number;
                    return true;
                case 7 << 3 | Fixed64 when input.TryDouble(out value):
                    ZeroCount = value;
                    return true;
                case 14 << 3 | Varint when input.TryVarint(out number):
                    Hint = (int)number;
                    return true;
                case 15 << 3 | Varint when input.TryVarint(out number):
                    Time = (long)number;
                    return true;
                case 8 << 3 | Bytes when input.TryBytes(out bytes):
                    return TrySpan(bytes, NegativeSpans);
                case 11 << 3 | Bytes when input.TryBytes(out bytes):
                    return TrySpan(bytes, PositiveSpans);
                case 9 << 3 | Bytes when input.TryBytes(out bytes):
                    return TryDeltas(bytes, NegativeDeltas);
                case 12 << 3 | Bytes when input.TryBytes(out bytes):
                    return TryDeltas(bytes, PositiveDeltas);
                case 10 << 3 | Bytes when input.TryBytes(out bytes):
                    return TryDoubles(bytes, NegativeCounts);
                case 13 << 3 | Bytes when input.TryBytes(out bytes):
                    return TryDoubles(bytes, PositiveCounts);
                case 16 << 3 | Bytes when input.TryBytes(out bytes):
                    return TryDoubles(bytes, CustomBounds);
                // Not packed, as senders may write them too.
                case 9 << 3 | Varint when input.TryVarint(out number):
                    NegativeDeltas.Add(WireReader.UnZigZag(number));
                    return true;
                case 12 << 3 | Varint when input.TryVarint(out number):
                    PositiveDeltas.Add(WireReader.UnZigZag(number));
                    return true;
                case 10 << 3 | Fixed64 when input.TryDouble(out value):
                    NegativeCounts.Add(value);
                    return true;
                case 13 << 3 | Fixed64 when input.TryDouble(out value):
                    PositiveCounts.Add(value);
                    return true;
                case 16 << 3 | Fixed64 when input.TryDouble(out value):
                    CustomBounds.Add(value);
                    return true;
                default:
                    // Of a newer contract; a known field of another type is none of these.
                    return tag >= 17 << 3 && tag <= uint.MaxValue && input.TrySkip((int)(tag & 7));
            }
        }

        private static bool TrySpan(ReadOnlySpan<byte> bytes, List<BucketSpan> spans)
        {
            var (offset, length) = (0L, 0UL);
            var input = new WireReader(bytes);
            while (!input.IsAtEnd)
            {
                if (!input.TryVarint(out var tag) || (tag & 7) != Varint || !input.TryVarint(out var number)) return false;
                if (tag == 1 << 3) offset = WireReader.UnZigZag(number);
                if (tag == 2 << 3) length = number;
            }
            if (Math.Abs(Math.Clamp(offset, -int.MaxValue, int.MaxValue)) != Math.Abs(offset) || length > int.MaxValue) return false;
            spans.Add(new BucketSpan((int)offset, (int)length));
            return true;
        }

        private static bool TryDeltas(ReadOnlySpan<byte> packed, List<long> deltas)
        {
            var input = new WireReader(packed);
            while (!input.IsAtEnd)
            {
                if (!input.TryVarint(out var number)) return false;
                deltas.Add(WireReader.UnZigZag(number));
            }
            return true;
        }

        private static bool TryDoubles(ReadOnlySpan<byte> packed, List<double> values)
        {
            var input = new WireReader(packed);
            while (!input.IsAtEnd)
            {
                if (!input.TryDouble(out var value)) return false;
                values.Add(value);
            }
            return true;
        }
    }
}

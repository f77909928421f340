using System.Buffers;
using System.Text;
using Google.Protobuf;
using Prometheus.Client.V1;
using Vigil.Metrics.Api;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Scrape;

/// <summary>
/// Reads a page in Prometheus' protobuf format, one family after the other. Series become the text they would be in a text page, names in quotes, so that
/// what is known of them is found by it there too. A histogram that has native buckets is one sample, and only where <paramref name="classic"/> says so its classic ones beside it.
/// </summary>
/// <param name="body">The page.</param>
/// <param name="native">Native histograms are wanted; otherwise only what is classic in them counts.</param>
/// <param name="classic">The classic buckets of native histograms are wanted as well.</param>
internal sealed class ProtobufReader(ReadOnlyMemory<byte> body, bool native, bool classic) : IPageReader
{
    private readonly ArrayBufferWriter<byte> text = new(1024);
    private readonly List<Item> items = [];
    private readonly StringBuilder line = new();
    private int position;
    private int next;
    private Item current;

    public ExpositionEntry Entry => current.Entry;

    public byte[]? Expected { get; set; }

    public bool IsExpected => Expected is { } expected && Series.SequenceEqual(expected);

    public ReadOnlySpan<byte> Series => text.WrittenSpan[current.First];

    public double Value => current.Value;

    public byte[]? Histogram => current.Histogram;

    public long? TimeMs => current.TimeMs;

    public ReadOnlySpan<byte> Name => text.WrittenSpan[current.First];

    public ReadOnlySpan<byte> Detail => text.WrittenSpan[current.Second];

    public string? Error { get; private set; }

    public string Place { get; private set; } = "the page";

    public bool Read()
    {
        while (next == items.Count)
        {
            if (position == body.Length || Error is not null || !ReadFamily()) return false;
        }
        current = items[next++];
        return true;
    }

    private bool ReadFamily()
    {
        items.Clear();
        text.ResetWrittenCount();
        next = 0;
        var input = new WireReader(body.Span[position..]);
        if (!input.TryBytes(out var message)) return Fail("a family is cut short");
        position += input.Position;
        MetricFamily family;
        try
        {
            family = MetricFamily.Parser.ParseFrom(message);
        }
        catch (InvalidProtocolBufferException e)
        {
            return Fail($"no metric family: {e.Message}");
        }
        Place = $"family \"{(family.Name.Length <= 64 ? family.Name : family.Name[..64])}\"";
        if (family.Name.Length == 0) return Fail("a metric name is expected");
        Describe(family);
        foreach (var metric in family.Metric)
        {
            if (!Add(family, metric)) return false;
        }
        return true;
    }

    private void Describe(MetricFamily family)
    {
        var name = Write(Escaped(family.Name));
        items.Add(new Item(ExpositionEntry.Type) { First = name, Second = Write(family.Type switch { MetricType.GaugeHistogram => "gaugehistogram", MetricType.Untyped => "unknown", var type => type.ToString().ToLowerInvariant() }) });
        if (family.Help.Length > 0) items.Add(new Item(ExpositionEntry.Help) { First = name, Second = Write(Escaped(family.Help)) });
        if (family.Unit.Length > 0) items.Add(new Item(ExpositionEntry.Unit) { First = name, Second = Write(family.Unit) });
    }

    private bool Add(MetricFamily family, Metric metric)
    {
        if (metric.Gauge is { } gauge) Sample(metric, family.Name, null, gauge.Value);
        else if (metric.Counter is { } counter) Sample(metric, family.Name, null, counter.Value);
        else if (metric.Untyped is { } untyped) Sample(metric, family.Name, null, untyped.Value);
        else if (metric.Summary is { } summary) AddSummary(family, metric, summary);
        else if (metric.Histogram is { } histogram) return AddHistogram(family, metric, histogram);
        return true;
    }

    private void AddSummary(MetricFamily family, Metric metric, Summary summary)
    {
        foreach (var quantile in summary.Quantile) Sample(metric, family.Name, ("quantile", GoText.FloatOpenMetrics(quantile.Quantile_)), quantile.Value);
        Sample(metric, family.Name + "_sum", null, summary.SampleSum);
        Sample(metric, family.Name + "_count", null, summary.SampleCount);
    }

    private bool AddHistogram(MetricFamily family, Metric metric, Histogram histogram)
    {
        var isNative = native && (histogram.PositiveSpan.Count > 0 || histogram.NegativeSpan.Count > 0 || histogram.ZeroThreshold > 0 || histogram.ZeroCount > 0 || histogram.ZeroCountFloat > 0);
        if (isNative)
        {
            if (Native(family, histogram, out var fault) is not { } built) return Fail(fault);
            items.Add(new Item(ExpositionEntry.Sample) { First = Named(metric, family.Name, null), TimeMs = Time(metric), Histogram = HistogramCodec.Encode(built) });
            if (!classic || histogram.Bucket.Count == 0) return true;
        }
        var count = Or(histogram.SampleCountFloat, histogram.SampleCount);
        foreach (var bucket in histogram.Bucket)
        {
            Sample(metric, family.Name + "_bucket", ("le", GoText.FloatOpenMetrics(bucket.UpperBound)), Or(bucket.CumulativeCountFloat, bucket.CumulativeCount));
        }
        if (histogram.Bucket.Count == 0 || !double.IsPositiveInfinity(histogram.Bucket[^1].UpperBound)) Sample(metric, family.Name + "_bucket", ("le", "+Inf"), count);
        Sample(metric, family.Name + "_sum", null, histogram.SampleSum);
        Sample(metric, family.Name + "_count", null, count);
        return true;
    }

    private static FloatHistogram? Native(MetricFamily family, Histogram histogram, out string fault)
    {
        fault = "the spans of a histogram do not fit its buckets, or there are too many of them";
        if (Buckets(histogram.PositiveSpan, histogram.PositiveDelta, histogram.PositiveCount) is not { } positive) return null;
        if (Buckets(histogram.NegativeSpan, histogram.NegativeDelta, histogram.NegativeCount) is not { } negative) return null;
        var built = new FloatHistogram
        {
            Hint = family.Type == MetricType.GaugeHistogram ? CounterResetHint.Gauge : CounterResetHint.Unknown,
            Schema = histogram.Schema,
            Count = Or(histogram.SampleCountFloat, histogram.SampleCount),
            Sum = histogram.SampleSum,
            ZeroThreshold = histogram.ZeroThreshold,
            ZeroCount = Or(histogram.ZeroCountFloat, histogram.ZeroCount),
            Positive = positive,
            Negative = negative,
        };
        fault = HistogramRules.Refuse(built) ?? "";
        return fault.Length == 0 ? built : null;
    }

    private static HistogramBuckets? Buckets(IList<Prometheus.Client.V1.BucketSpan> spans, IList<long> deltas, IList<double> counts)
    {
        if (Math.Max(deltas.Count, counts.Count) > HistogramRules.MaxBuckets) return null;
        long sum = 0;
        return HistogramBuckets.FromSpans(
            [.. spans.Select(s => new Metrics.Series.BucketSpan(s.Offset, (int)Math.Min(s.Length, int.MaxValue)))],
            deltas.Count > 0 ? [.. deltas.Select(d => (double)unchecked(sum += d))] : [.. counts]);
    }

    private void Sample(Metric metric, string name, (string Name, string Value)? label, double value) =>
        items.Add(new Item(ExpositionEntry.Sample) { First = Named(metric, name, label), TimeMs = Time(metric), Value = value });

    private Range Named(Metric metric, string name, (string Name, string Value)? label)
    {
        line.Clear().Append("{\"").Append(Escaped(name)).Append('"');
        foreach (var pair in metric.Label) Append(pair.Name, pair.Value);
        if (label is { } more) Append(more.Name, more.Value);
        return Write(line.Append('}').ToString());

        void Append(string labelName, string value) => line.Append(",\"").Append(Escaped(labelName)).Append("\"=\"").Append(Escaped(value)).Append('"');
    }

    private Range Write(string piece)
    {
        var start = text.WrittenCount;
        Encoding.UTF8.GetBytes(piece, text);
        return start..text.WrittenCount;
    }

    private static string Escaped(string value) => value.AsSpan().IndexOfAny('\\', '"', '\n') < 0
        ? value
        : value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    private static long? Time(Metric metric) => metric.TimestampMs == 0 ? null : metric.TimestampMs;

    private static double Or(double counted, ulong whole) => counted > 0 ? counted : whole;

    private bool Fail(string reason)
    {
        Error = $"{Place}: {reason}";
        return false;
    }

    /// <summary>An entry, whose text lies in the family's buffer.</summary>
    private readonly record struct Item(ExpositionEntry Entry)
    {
        public Range First { get; init; }

        public Range Second { get; init; }

        public long? TimeMs { get; init; }

        public double Value { get; init; }

        public byte[]? Histogram { get; init; }
    }
}

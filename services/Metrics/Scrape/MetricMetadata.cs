using System.Text;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Scrape;

/// <summary>What a target says about a metric family.</summary>
/// <param name="Metric">The family's name.</param>
/// <param name="Type">counter, gauge, histogram, summary, ...; "unknown" where it is not said.</param>
/// <param name="Help">A sentence for people, or empty.</param>
/// <param name="Unit">OpenMetrics' unit, or empty.</param>
internal sealed record MetricMetadata(string Metric, string Type, string Help, string Unit)
{
    private static readonly string[] OfHistograms = ["_bucket", "_count", "_sum", "_created"];

    /// <summary>What nothing is said about.</summary>
    public static MetricMetadata None(string metric) => new(metric, "unknown", "", "");

    /// <summary>Whether a word names a type of the format.</summary>
    public static bool IsType(ReadOnlySpan<byte> word, bool openMetrics) =>
        word.SequenceEqual("counter"u8) || word.SequenceEqual("gauge"u8) || word.SequenceEqual("histogram"u8) || word.SequenceEqual("summary"u8)
        || (openMetrics
            ? word.SequenceEqual("unknown"u8) || word.SequenceEqual("info"u8) || word.SequenceEqual("stateset"u8) || word.SequenceEqual("gaugehistogram"u8)
            : word.SequenceEqual("untyped"u8) || word.SequenceEqual("unknown"u8));

    /// <summary>The metadata with what a line adds.</summary>
    public MetricMetadata With(ExpositionEntry entry, ReadOnlySpan<byte> detail) => entry switch
    {
        // The text format's word for what OpenMetrics calls unknown.
        ExpositionEntry.Type => this with { Type = Encoding.UTF8.GetString(detail) is var type && type == "untyped" ? "unknown" : type },
        ExpositionEntry.Help => this with { Help = SeriesText.Unescape(detail) },
        ExpositionEntry.Unit => this with { Unit = Encoding.UTF8.GetString(detail) },
        _ => this,
    };

    /// <summary>The family that a series' metric name belongs to, and what kind of series it is there.</summary>
    public static (MetricMetadata? Family, SeriesKind Kind) Of(string metric, IReadOnlyDictionary<string, MetricMetadata> families)
    {
        if (families.TryGetValue(metric, out var family)) return (family, family.Type switch { "counter" or "histogram" => SeriesKind.Counter, "gauge" or "gaugehistogram" => SeriesKind.Gauge, _ => SeriesKind.Unknown });
        // OpenMetrics names a counter's family without the ending.
        if (Base(metric, "_total") is { } counter && families.TryGetValue(counter, out family) && family.Type == "counter") return (family, SeriesKind.Counter);
        foreach (var ending in OfHistograms)
        {
            if (Base(metric, ending) is not { } name || !families.TryGetValue(name, out family) || family.Type is not ("histogram" or "summary" or "gaugehistogram" or "counter")) continue;
            return (family, ending == "_created" || family.Type == "gaugehistogram" ? SeriesKind.Gauge : SeriesKind.Counter);
        }
        return (null, SeriesKind.Unknown);
    }

    private static string? Base(string metric, string ending) =>
        metric.Length > ending.Length && metric.EndsWith(ending, StringComparison.Ordinal) ? metric[..^ending.Length] : null;
}

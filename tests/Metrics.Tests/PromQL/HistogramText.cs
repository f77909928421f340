using System.Globalization;
using System.Text.RegularExpressions;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>Histograms as the scripts write them: {{schema:1 sum:-3 count:22 buckets:[5 10 7] counter_reset_hint:gauge}}, keys in any order.</summary>
internal static partial class HistogramText
{
    /// <param name="hintGiven">The hint was named, so that an expected one is compared.</param>
    public static FloatHistogram Read(string text, out bool hintGiven)
    {
        if (!text.StartsWith("{{", StringComparison.Ordinal) || !text.EndsWith("}}", StringComparison.Ordinal)) throw new FormatException($"no histogram: {text}");
        var (offset, negativeOffset) = (0, 0);
        double[] buckets = [], negativeBuckets = [];
        var histogram = new FloatHistogram();
        hintGiven = false;
        var inside = text[2..^2].Trim();
        foreach (Match item in Item().Matches(inside))
        {
            var value = item.Groups["value"].Value;
            switch (item.Groups["key"].Value.ToLowerInvariant())
            {
                case "schema": histogram = histogram with { Schema = Whole(value) }; break;
                case "sum": histogram = histogram with { Sum = Number(value) }; break;
                case "count": histogram = histogram with { Count = Number(value) }; break;
                case "z_bucket": histogram = histogram with { ZeroCount = Number(value) }; break;
                case "z_bucket_w": histogram = histogram with { ZeroThreshold = Number(value) }; break;
                case "custom_values": histogram = histogram with { CustomBounds = Numbers(value) }; break;
                case "buckets": buckets = Numbers(value); break;
                case "offset": offset = Whole(value); break;
                case "n_buckets": negativeBuckets = Numbers(value); break;
                case "n_offset": negativeOffset = Whole(value); break;
                case "counter_reset_hint":
                    hintGiven = true;
                    histogram = histogram with
                    {
                        Hint = value switch
                        {
                            "unknown" => CounterResetHint.Unknown,
                            "reset" => CounterResetHint.Reset,
                            "not_reset" => CounterResetHint.NotReset,
                            "gauge" => CounterResetHint.Gauge,
                            _ => throw new FormatException($"no hint: {value}"),
                        },
                    };
                    break;
                case var key: throw new FormatException($"unknown key {key} in {text}");
            }
        }
        if (Item().Replace(inside, "").Trim() is { Length: > 0 } rest) throw new FormatException($"left over: {rest} of {text}");
        return histogram with { Positive = Buckets(offset, buckets), Negative = Buckets(negativeOffset, negativeBuckets) };
    }

    public static FloatHistogram Read(string text) => Read(text, out _);

    private static HistogramBuckets Buckets(int offset, double[] counts) =>
        HistogramBuckets.FromSpans(counts.Length == 0 ? [] : [new(offset, counts.Length)], counts)!;

    private static double[] Numbers(string list) =>
        [.. list.Trim('[', ']').Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Number)];

    private static double Number(string text) => NumberText.TryParse(text, out var value) ? value : throw new FormatException($"no number: {text}");

    private static int Whole(string text) => int.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"(?<key>[a-zA-Z_]+):(?<value>\[[^\]]*\]|[^\s\[]+)")]
    private static partial Regex Item();
}

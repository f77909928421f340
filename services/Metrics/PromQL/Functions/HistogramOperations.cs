using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Arithmetic on histograms within functions, with the remarks that come of it.</summary>
/// <param name="metric">The name of the series at work.</param>
/// <param name="at">Where in the expression to remark.</param>
internal sealed class HistogramOperations(Annotations annotations, string metric, PositionRange at)
{
    /// <summary>The sum; null where there is none.</summary>
    public FloatHistogram? Add(FloatHistogram left, FloatHistogram right)
    {
        var sum = left.Add(right, out var remarks);
        Report(remarks, "addition");
        return sum;
    }

    /// <summary>The difference; null where there is none.</summary>
    public FloatHistogram? Subtract(FloatHistogram left, FloatHistogram right)
    {
        var difference = left.Subtract(right, out var remarks);
        Report(remarks, "subtraction");
        return difference;
    }

    public void Report(HistogramRemarks remarks, string operation)
    {
        if ((remarks & HistogramRemarks.Incompatible) != 0) WarnMixedSchemas();
        if ((remarks & HistogramRemarks.BoundsReconciled) != 0) annotations.Info($"mismatched custom buckets were reconciled during {operation}", at);
    }

    public void WarnCollision(string operation) => annotations.Warn($"conflicting counter resets during histogram {operation}", at);

    public void WarnMixedSchemas() =>
        annotations.Warn($"vector contains a mix of histograms with exponential and custom buckets schemas for metric name {GoText.Quote(metric)}", at);

    public void WarnMixedRange() => annotations.Warn($"encountered a mix of histograms and floats for metric name {GoText.Quote(metric)}", at);

    public void WarnNotCounter() => annotations.Warn($"this native histogram metric is not a counter: {GoText.Quote(metric)}", at);

    public void WarnNotGauge() => annotations.Warn($"this native histogram metric is not a gauge: {GoText.Quote(metric)}", at);

    public void WarnStartTimeOverlap() =>
        annotations.WarnCounted($"sample has start time that overlaps with previous sample timestamp for metric {GoText.Quote(metric)}", at);

    public void InfoIgnored() =>
        annotations.Info($"ignored histograms in a range containing both floats and histograms for metric name {GoText.Quote(metric)}", at);
}

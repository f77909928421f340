using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>
/// Functions over range vectors where a window holds histograms, or is no plain one. Those that are not named here work on floats alone, and remark on the
/// histograms they leave out.
/// </summary>
internal static class MixedRangeFunctions
{
    /// <param name="floats">The same function on floats.</param>
    public static Sample Evaluate(string name, RangeFunction floats, Window window, ReadOnlySpan<double> scalars, HistogramOperations operations)
    {
        switch (name)
        {
            case "count_over_time": return window.Count + window.Histograms.Length;
            case "present_over_time" or "absent_over_time": return 1;
            case "first_over_time": return FloatIsFirst(window) ? window.Values[0] : window.Histograms[0];
            case "last_over_time": return FloatIsLast(window) ? window.Values[^1] : window.Histograms[^1];
            case "ts_of_first_over_time": return (FloatIsFirst(window) ? window.Times[0] : window.HistogramTimes[0]) / 1000d;
            case "ts_of_last_over_time": return (FloatIsLast(window) ? window.Times[^1] : window.HistogramTimes[^1]) / 1000d;
            case "sum_over_time" or "avg_over_time" when window.Count > 0 && window.Histograms.Length > 0:
                operations.WarnMixedRange();
                return Sample.Absent;
            case "sum_over_time" when window.Count == 0: return Sum(window, operations);
            case "avg_over_time" when window.Count == 0: return Average(window, operations);
            case "rate": return HistogramRates.Change(window, isCounter: true, perSecond: true, operations);
            case "increase": return HistogramRates.Change(window, isCounter: true, perSecond: false, operations);
            case "delta": return HistogramRates.Change(window, isCounter: false, perSecond: false, operations);
            case "irate": return HistogramRates.LastTwo(window, isRate: true, operations);
            case "idelta": return HistogramRates.LastTwo(window, isRate: false, operations);
            case "changes": return HistogramRates.Changes(window);
            case "resets": return HistogramRates.Resets(window);
            default:
                if (window.Count == 0) return Sample.Absent;
                if (window.Histograms.Length > 0) operations.InfoIgnored();
                return floats(window, scalars);
        }
    }

    private static bool FloatIsFirst(Window window) => window.Histograms.IsEmpty || (window.Count > 0 && window.Times[0] < window.HistogramTimes[0]);

    private static bool FloatIsLast(Window window) => window.Histograms.IsEmpty || (window.Count > 0 && window.Times[^1] > window.HistogramTimes[^1]);

    private static Sample Sum(Window window, HistogramOperations operations)
    {
        var sum = new HistogramSum(window.Histograms[0]);
        var remarks = new HintsSeen(window.Histograms[0]);
        foreach (var histogram in window.Histograms[1..])
        {
            if (!remarks.Add(histogram, sum.Add(histogram), operations)) return Sample.Absent;
        }
        remarks.Report(operations);
        return sum.Total();
    }

    private static Sample Average(Window window, HistogramOperations operations)
    {
        var mean = new HistogramMean(window.Histograms[0]);
        var remarks = new HintsSeen(window.Histograms[0]);
        foreach (var histogram in window.Histograms[1..])
        {
            if (!remarks.Add(histogram, mean.Add(histogram), operations)) return Sample.Absent;
        }
        remarks.Report(operations);
        return mean.Value();
    }
}

/// <summary>What was seen of the histograms that an aggregation added up.</summary>
internal struct HintsSeen
{
    private HistogramRemarks remarks;
    private bool reset;
    private bool notReset;

    public HintsSeen(FloatHistogram first) => See(first);

    /// <summary>Notes a histogram, and what adding it led to. False where it was incompatible.</summary>
    public bool Add(FloatHistogram histogram, HistogramRemarks told, HistogramOperations operations)
    {
        if ((told & HistogramRemarks.Incompatible) != 0)
        {
            operations.WarnMixedSchemas();
            return false;
        }
        See(histogram);
        remarks |= told & HistogramRemarks.BoundsReconciled;
        return true;
    }

    public readonly void Report(HistogramOperations operations)
    {
        if (reset && notReset) operations.WarnCollision("aggregation");
        operations.Report(remarks, "aggregation");
    }

    private void See(FloatHistogram histogram)
    {
        reset |= histogram.Hint == CounterResetHint.Reset;
        notReset |= histogram.Hint == CounterResetHint.NotReset;
    }
}

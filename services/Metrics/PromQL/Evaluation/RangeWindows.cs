using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Windows cut out of a series as series of their own.</summary>
internal static class RangeWindows
{
    /// <summary>The samples after a moment, up to another, floats and histograms in one row again.</summary>
    public static SeriesSamples Cut(RangeSeries series, long afterMs, long toMs)
    {
        var times = series.Times.Span;
        var (from, to) = (Evaluator.UpperBound(times, afterMs), Evaluator.UpperBound(times, toMs));
        var floats = new SeriesSamples(series.Labels, series.Times[from..to], series.Values[from..to]);
        if (!series.HasHistograms) return floats;
        var histogramTimes = series.Histograms.Times.Span;
        var (first, last) = (Evaluator.UpperBound(histogramTimes, afterMs), Evaluator.UpperBound(histogramTimes, toMs));
        if (first == last) return floats;
        var count = to - from + last - first;
        var (allTimes, values, histograms) = (new long[count], new double[count], new FloatHistogram?[count]);
        for (var i = 0; i < count; i++)
        {
            if (first == last || (from < to && times[from] <= histogramTimes[first]))
            {
                (allTimes[i], values[i]) = (times[from], series.Values.Span[from]);
                from++;
            }
            else
            {
                (allTimes[i], values[i], histograms[i]) = (histogramTimes[first], double.NaN, series.Histograms.Values.Span[first]);
                first++;
            }
        }
        return new(series.Labels, allTimes, values) { Histograms = histograms };
    }
}

using System.Collections.Frozen;

namespace Vigil.Metrics.PromQL;

/// <summary>The value of a function in one window, or <see cref="Samples.Absent"/>.</summary>
/// <param name="scalars">The other arguments, at this step.</param>
internal delegate double RangeFunction(in Window window, ReadOnlySpan<double> scalars);

/// <summary>Functions over range vectors. Those over time are here, those of change in <see cref="RateFunctions"/>.</summary>
internal static class RangeFunctions
{
    public static readonly FrozenDictionary<string, RangeFunction> All = new Dictionary<string, RangeFunction>
    {
        ["avg_over_time"] = (in w, _) => Average(w.Values),
        ["sum_over_time"] = (in w, _) => Sum(w.Values),
        ["min_over_time"] = (in w, _) => w.Values[Extreme(w.Values, static (value, best) => value < best)],
        ["max_over_time"] = (in w, _) => w.Values[Extreme(w.Values, static (value, best) => value > best)],
        // Of equals the last.
        ["ts_of_min_over_time"] = (in w, _) => w.Times[Extreme(w.Values, static (value, best) => value <= best)] / 1000d,
        ["ts_of_max_over_time"] = (in w, _) => w.Times[Extreme(w.Values, static (value, best) => value >= best)] / 1000d,
        ["count_over_time"] = (in w, _) => w.Count,
        ["first_over_time"] = (in w, _) => w.Values[0],
        ["last_over_time"] = (in w, _) => w.Values[^1],
        ["ts_of_first_over_time"] = (in w, _) => w.Times[0] / 1000d,
        ["ts_of_last_over_time"] = (in w, _) => w.Times[^1] / 1000d,
        ["present_over_time"] = (in _, _) => 1,
        ["absent_over_time"] = (in _, _) => 1,
        ["stddev_over_time"] = (in w, _) => Math.Sqrt(Variance(w.Values)),
        ["stdvar_over_time"] = (in w, _) => Variance(w.Values),
        ["quantile_over_time"] = (in w, scalars) => Quantiles.Of(scalars[0], w.Values.ToArray()),
        ["mad_over_time"] = MedianDeviation,
        ["double_exponential_smoothing"] = Smoothed,
        ["rate"] = (in w, _) => RateFunctions.Extrapolated(w, isCounter: true, perSecond: true),
        ["increase"] = (in w, _) => RateFunctions.Extrapolated(w, isCounter: true, perSecond: false),
        ["delta"] = (in w, _) => RateFunctions.Extrapolated(w, isCounter: false, perSecond: false),
        ["irate"] = (in w, _) => RateFunctions.LastTwo(w, isRate: true),
        ["idelta"] = (in w, _) => RateFunctions.LastTwo(w, isRate: false),
        ["deriv"] = (in w, _) => w.Count < 2 ? Samples.Absent : RateFunctions.Regression(w, w.Times[0]).Slope,
        ["predict_linear"] = RateFunctions.Predict,
        ["changes"] = RateFunctions.Changes,
        ["resets"] = RateFunctions.Resets,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    public static double Average(ReadOnlySpan<double> values)
    {
        var mean = default(Mean);
        foreach (var value in values) mean.Add(value);
        return mean.Value;
    }

    public static double Sum(ReadOnlySpan<double> values)
    {
        var sum = default(KahanSum);
        foreach (var value in values) sum.Add(value);
        return sum.Total;
    }

    /// <summary>The first of the best; a NaN gives way to any number.</summary>
    private static int Extreme(ReadOnlySpan<double> values, Func<double, double, bool> better)
    {
        var best = 0;
        for (var i = 1; i < values.Length; i++)
        {
            if (better(values[i], values[best]) || double.IsNaN(values[best])) best = i;
        }
        return best;
    }

    /// <summary>Population variance by Welford's method, with compensated sums.</summary>
    private static double Variance(ReadOnlySpan<double> values)
    {
        KahanSum mean = default, squares = default;
        var count = 0;
        foreach (var value in values)
        {
            count++;
            var delta = value - (mean.Sum + mean.Compensation);
            mean.Add(delta / count);
            squares.Add(delta * (value - (mean.Sum + mean.Compensation)));
        }
        return (squares.Sum + squares.Compensation) / count;
    }

    private static double MedianDeviation(in Window window, ReadOnlySpan<double> scalars)
    {
        var values = window.Values.ToArray();
        // Without an order among them there is no median.
        if (values.Any(double.IsNaN)) return double.NaN;
        var median = Quantiles.Of(0.5, values);
        for (var i = 0; i < values.Length; i++) values[i] = Math.Abs(values[i] - median);
        return Quantiles.Of(0.5, values);
    }

    /// <summary>Holt's linear method: a level and a trend, each smoothed exponentially.</summary>
    private static double Smoothed(in Window window, ReadOnlySpan<double> scalars)
    {
        var (smoothing, trendFactor) = (scalars[0], scalars[1]);
        if (smoothing is not (> 0 and < 1))
            throw new EvaluationException(FormattableString.Invariant($"invalid smoothing factor. Expected: 0 < sf < 1, got: {smoothing:F6}"));
        if (trendFactor is not (> 0 and < 1))
            throw new EvaluationException(FormattableString.Invariant($"invalid trend factor. Expected: 0 < tf < 1, got: {trendFactor:F6}"));
        var values = window.Values;
        if (values.Length < 2) return Samples.Absent;
        double previous = 0, level = values[0], trend = values[1] - values[0];
        for (var i = 1; i < values.Length; i++)
        {
            if (i > 1) trend = trendFactor * (level - previous) + (1 - trendFactor) * trend;
            (previous, level) = (level, smoothing * values[i] + (1 - smoothing) * (level + trend));
        }
        return level;
    }
}

using Vigil.Metrics.Rollups;

namespace Vigil.Metrics.PromQL;

/// <summary>Functions of how a series changes within a window.</summary>
internal static class RateFunctions
{
    /// <summary>
    /// How much the series changed over the whole window, extrapolated from its samples to the window's ends where they come near
    /// enough (1.1 times their mean distance), else by half that distance. A counter that falls was reset and counts from zero;
    /// its extrapolation to the left stops where it would have been zero.
    /// </summary>
    public static double Extrapolated(in Window window, bool isCounter, bool perSecond)
    {
        if (window.Count < 2 && window.StartTimes.IsEmpty) return Samples.Absent;
        var times = window.Times;
        var values = window.Values;
        var change = values[^1] - values[0];
        if (isCounter && !(window.NeverFalls && window.StartTimes.IsEmpty)) change = WithResets(change, values, times, window.StartTimes);
        var zero = isCounter ? StartTimes.OfZero(window.StartTimes, times, window.StartMs) : null;
        if (Factor(window, times, values[0], change, isCounter, perSecond, zero) is not { } factor) return Samples.Absent;
        if (zero is not null) change += values[0];
        return change * factor;
    }

    /// <summary>The same of samples of which only a rollup is known.</summary>
    public static double Extrapolated(in Rollup all, in Window window, bool isCounter, bool perSecond)
    {
        if (all.Count < 2) return Samples.Absent;
        var change = all.Last - all.First + (isCounter ? all.Dropped : 0);
        return Factor(window, all.FirstTime, all.LastTime, all.Count, all.First, change, isCounter, perSecond, null) is { } factor ? change * factor : Samples.Absent;
    }

    /// <summary>A counter's change with what it had counted before each of its resets.</summary>
    private static double WithResets(double change, ReadOnlySpan<double> values, ReadOnlySpan<long> times, ReadOnlySpan<long> starts)
    {
        var before = values[0];
        for (var i = 1; i < values.Length; i++)
        {
            var value = values[i];
            if (value < before || (!starts.IsEmpty && StartTimes.IsReset(starts, times, i))) change += before;
            before = value;
        }
        return change;
    }

    /// <summary>What the change between samples is multiplied by to be that of the whole window; null where one sample alone tells nothing.</summary>
    /// <param name="zero">When the first sample's counter was zero: it is one sample more, and nothing is extrapolated to the left of it.</param>
    public static double? Factor(in Window window, ReadOnlySpan<long> times, double first, double change, bool isCounter, bool perSecond, long? zero) =>
        Factor(window, times[0], times[^1], times.Length, first, change, isCounter, perSecond, zero);

    private static double? Factor(in Window window, long firstTime, long lastTime, int count, double first, double change, bool isCounter, bool perSecond, long? zero)
    {
        if (count < 2 && zero is null) return null;
        var toEnd = (window.EndMs - lastTime) / 1000d;
        var sampled = (lastTime - firstTime) / 1000d;
        var between = count > 1 ? sampled / (count - 1) : 0;
        var near = between * 1.1;
        double toStart = 0;
        if (zero is { } start)
        {
            sampled = (lastTime - start) / 1000d;
        }
        else
        {
            toStart = (firstTime - window.StartMs) / 1000d;
            if (toStart >= near) toStart = between / 2;
            var toZero = isCounter && change > 0 && first >= 0 ? sampled * (first / change) : toStart;
            if (toZero < toStart) toStart = toZero;
        }
        if (toEnd >= near) toEnd = between / 2;
        var factor = (sampled + toStart + toEnd) / sampled;
        return perSecond ? factor / (window.RangeMs / 1000d) : factor;
    }

    public static double LastTwo(in Window window, bool isRate)
    {
        if (window.Count < 2) return Samples.Absent;
        var milliseconds = window.Times[^1] - window.Times[^2];
        var (before, last) = (window.Values[^2], window.Values[^1]);
        // After a reset a counter counted from zero.
        var reset = isRate && (last < before || StartTimes.IsReset(window.StartTimes, window.Times, window.Count - 1));
        var change = reset ? last : last - before;
        return isRate ? change / (milliseconds / 1000d) : change;
    }

    public static double Predict(in Window window, ReadOnlySpan<double> scalars)
    {
        if (window.Count < 2) return Samples.Absent;
        var (slope, intercept) = Regression(window, window.EvaluatedAtMs);
        return slope * scalars[0] + intercept;
    }

    /// <summary>Least squares: the change per second and the value at a time. Times are counted from it, as sums of large ones lose digits.</summary>
    public static (double Slope, double Intercept) Regression(in Window window, long atMs)
    {
        KahanSum sumX = default, sumY = default, sumXY = default, sumXX = default;
        var constant = true;
        for (var i = 0; i < window.Count; i++)
        {
            constant &= window.Values[i] == window.Values[0];
            var x = (window.Times[i] - atMs) / 1000d;
            var y = window.Values[i];
            sumX.Add(x);
            sumY.Add(y);
            sumXY.Add(x * y);
            sumXX.Add(x * x);
        }
        if (constant) return double.IsInfinity(window.Values[0]) ? (double.NaN, double.NaN) : (0, window.Values[0]);
        var n = (double)window.Count;
        var (totalX, totalY) = (sumX.Sum + sumX.Compensation, sumY.Sum + sumY.Compensation);
        var covariance = sumXY.Sum + sumXY.Compensation - totalX * totalY / n;
        var variance = sumXX.Sum + sumXX.Compensation - totalX * totalX / n;
        var slope = covariance / variance;
        return (slope, totalY / n - slope * totalX / n);
    }

    public static double Changes(in Window window, ReadOnlySpan<double> scalars)
    {
        var changes = 0;
        for (var i = 1; i < window.Count; i++)
        {
            var (before, now) = (window.Values[i - 1], window.Values[i]);
            if (now != before && !(double.IsNaN(now) && double.IsNaN(before))) changes++;
        }
        return changes;
    }

    public static double Resets(in Window window, ReadOnlySpan<double> scalars)
    {
        var resets = 0;
        for (var i = 1; i < window.Count; i++)
        {
            if (window.Values[i] < window.Values[i - 1] || StartTimes.IsReset(window.StartTimes, window.Times, i)) resets++;
        }
        return resets;
    }
}

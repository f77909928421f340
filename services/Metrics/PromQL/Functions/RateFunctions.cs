namespace Vigil.Metrics.PromQL;

/// <summary>Functions of how a series changes within a window.</summary>
internal static class RateFunctions
{
    /// <summary>
    /// How much the series changed over the whole window, extrapolated from its samples to the window's ends where they come near
    /// enough (1.1 times their mean distance), else by half that distance. A counter that falls was reset and counts from zero;
    /// its extrapolation to the left stops where it would have been zero.
    /// </summary>
    public static double Extrapolated(Window window, bool isCounter, bool perSecond)
    {
        if (window.Count < 2) return Samples.Absent;
        var times = window.Times;
        var values = window.Values;
        var change = values[^1] - values[0];
        if (isCounter)
        {
            for (var i = 1; i < values.Length; i++)
            {
                if (values[i] < values[i - 1]) change += values[i - 1];
            }
        }
        var toStart = (times[0] - window.StartMs) / 1000d;
        var toEnd = (window.EndMs - times[^1]) / 1000d;
        var sampled = (times[^1] - times[0]) / 1000d;
        var between = sampled / (values.Length - 1);
        var near = between * 1.1;
        if (toStart >= near) toStart = between / 2;
        if (isCounter)
        {
            var toZero = change > 0 && values[0] >= 0 ? sampled * (values[0] / change) : toStart;
            if (toZero < toStart) toStart = toZero;
        }
        if (toEnd >= near) toEnd = between / 2;
        var factor = (sampled + toStart + toEnd) / sampled;
        if (perSecond) factor /= window.RangeMs / 1000d;
        return change * factor;
    }

    public static double LastTwo(Window window, bool isRate)
    {
        if (window.Count < 2) return Samples.Absent;
        var milliseconds = window.Times[^1] - window.Times[^2];
        var (before, last) = (window.Values[^2], window.Values[^1]);
        // After a reset a counter counted from zero.
        var change = isRate && last < before ? last : last - before;
        return isRate ? change / (milliseconds / 1000d) : change;
    }

    public static double Predict(Window window, ReadOnlySpan<double> scalars)
    {
        if (window.Count < 2) return Samples.Absent;
        var (slope, intercept) = Regression(window, window.EvaluatedAtMs);
        return slope * scalars[0] + intercept;
    }

    /// <summary>Least squares: the change per second and the value at a time. Times are counted from it, as sums of large ones lose digits.</summary>
    public static (double Slope, double Intercept) Regression(Window window, long atMs)
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

    public static double Changes(Window window, ReadOnlySpan<double> scalars)
    {
        var changes = 0;
        for (var i = 1; i < window.Count; i++)
        {
            var (before, now) = (window.Values[i - 1], window.Values[i]);
            if (now != before && !(double.IsNaN(now) && double.IsNaN(before))) changes++;
        }
        return changes;
    }

    public static double Resets(Window window, ReadOnlySpan<double> scalars)
    {
        var resets = 0;
        for (var i = 1; i < window.Count; i++)
        {
            if (window.Values[i] < window.Values[i - 1]) resets++;
        }
        return resets;
    }
}

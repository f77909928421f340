using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>
/// Ranges that count from their very start to their very end: anchored (the last sample before the start stands for it) or smoothed (values at both ends
/// are interpolated between the samples around them). Nothing is extrapolated.
/// </summary>
internal static class ExtendedRanges
{
    private static readonly string[] ForAnchored = ["changes", "delta", "increase", "rate", "resets"];
    private static readonly string[] ForSmoothed = ["delta", "increase", "rate"];

    /// <exception cref="EvaluationException">The function cannot work on such a range.</exception>
    public static void Check(Boundary boundary, string function)
    {
        if (boundary == Boundary.Plain) return;
        var (word, allowed) = boundary == Boundary.Anchored ? ("anchored", ForAnchored) : ("smoothed", ForSmoothed);
        if (!allowed.Contains(function))
            throw new EvaluationException($"{word} modifier can only be used with: {string.Join(", ", allowed)} - not with {function}");
    }

    /// <summary>The position of the first time at or after a moment.</summary>
    public static int FirstAtOrAfter(ReadOnlySpan<long> times, long time) => Evaluator.UpperBound(times, time - 1);

    /// <summary>The value at a moment on the line between two samples. A counter that was reset between them counted from zero.</summary>
    public static double Interpolate(long time1, double value1, long time2, double value2, long at, bool isCounter)
    {
        if (isCounter && value2 < value1) value1 = 0;
        return value1 + (value2 - value1) * (at - time1) / (time2 - time1);
    }

    /// <summary>The same of histograms; null where they cannot be combined.</summary>
    public static FloatHistogram? Interpolate(
        long time1, FloatHistogram value1, long time2, FloatHistogram value2, long at, bool isCounter, HistogramOperations operations)
    {
        if (at == time1) return value1;
        if (at == time2) return value2;
        var fraction = (double)(at - time1) / (time2 - time1);
        if (isCounter && CounterResets.IsReset(value1, value2)) return value2.Multiply(fraction);
        return operations.Subtract(value2, value1) is { } difference ? operations.Add(difference.Multiply(fraction), value1) : null;
    }

    /// <summary>The samples of a window with one at each of its ends.</summary>
    /// <exception cref="EvaluationException">There are histograms among them.</exception>
    public static SeriesSamples Extend(SeriesSamples samples, Boundary boundary, long startMs, long endMs)
    {
        var smoothed = boundary == Boundary.Smoothed;
        if (!samples.Histograms.IsEmpty)
            throw new EvaluationException($"{(smoothed ? "smoothed" : "anchored")} modifier is not supported with histograms");
        var times = samples.Times.Span;
        var values = samples.Values.Span;
        if (times.IsEmpty) return samples;
        var (first, last) = Ends(times, startMs, endMs, smoothed);
        if (times[last] <= startMs) return samples with { Times = default, Values = default };
        var left = Left(times, values, first, startMs, smoothed, isCounter: false);
        var right = Right(times, values, last, endMs, smoothed, isCounter: false);
        if (times[first] <= startMs) first++;
        if (times[last] >= endMs) last--;
        long[] allTimes = [startMs, .. times[first..Math.Max(first, last + 1)], endMs];
        double[] allValues = [left, .. values[first..Math.Max(first, last + 1)], right];
        return samples with { Times = allTimes, Values = allValues };
    }

    /// <summary>rate, increase and delta of floats.</summary>
    public static double Change(Window window, bool isCounter, bool perSecond)
    {
        var times = window.Times;
        var values = window.Values;
        var smoothed = window.Boundary == Boundary.Smoothed;
        var (first, last) = Ends(times, window.StartMs, window.EndMs, smoothed);
        if (times[last] <= window.StartMs || (smoothed && times[first] > window.EndMs)) return Samples.Absent;
        var left = Left(times, values, first, window.StartMs, smoothed, isCounter);
        var right = Right(times, values, last, window.EndMs, smoothed, isCounter);
        var change = right - left;
        if (isCounter)
        {
            if (times[first] <= window.StartMs) first++;
            if (times[last] >= window.EndMs) last--;
            var previous = left;
            for (var i = first; i <= last; i++)
            {
                if (values[i] < previous) change += previous;
                previous = values[i];
            }
            if (right < previous) change += previous;
        }
        return perSecond ? change / (window.RangeMs / 1000d) : change;
    }

    /// <summary>rate, increase and delta of histograms.</summary>
    public static Sample Change(Window window, bool isCounter, bool perSecond, HistogramOperations operations)
    {
        var times = window.HistogramTimes;
        var values = window.Histograms;
        var smoothed = window.Boundary == Boundary.Smoothed;
        var (first, last) = Ends(times, window.StartMs, window.EndMs, smoothed);
        if (times[last] <= window.StartMs || (smoothed && times[first] > window.EndMs)) return Sample.Absent;
        for (var i = first; i <= last; i++)
        {
            if (values[i].IsCustom != values[first].IsCustom)
            {
                operations.WarnMixedSchemas();
                return Sample.Absent;
            }
            if (isCounter && values[i].Hint == CounterResetHint.Gauge) operations.WarnNotCounter();
        }
        var left = smoothed && times[first] < window.StartMs
            ? Interpolate(times[first], values[first], times[first + 1], values[first + 1], window.StartMs, isCounter, operations)
            : values[first];
        var right = smoothed && last > 0 && times[last] > window.EndMs
            ? Interpolate(times[last - 1], values[last - 1], times[last], values[last], window.EndMs, isCounter, operations)
            : values[last];
        if (left is null || right is null) return Sample.Absent;
        if (!isCounter && (left.Hint != CounterResetHint.Gauge || right.Hint != CounterResetHint.Gauge)) operations.WarnNotGauge();
        var change = operations.Subtract(right, left);
        if (change is not null && isCounter)
        {
            var previous = left;
            var at = first + 1;
            if (smoothed && times[first] < window.StartMs && CounterResets.IsReset(values[first], values[first + 1]))
            {
                // The interpolated left end has that reset behind it.
                previous = values[first + 1];
                at++;
            }
            // The last sample is the right end itself, or one of the two that it lies between: compared once, as the right end.
            for (; at <= last && change is not null; at++)
            {
                var current = at == last ? right : values[at];
                if (CounterResets.IsReset(previous, current)) change = operations.Add(change, previous);
                previous = current;
            }
        }
        if (change is null) return Sample.Absent;
        if (perSecond) change = change.Divide(window.RangeMs / 1000d);
        return (change with { Hint = CounterResetHint.Gauge }).Compact();
    }

    /// <summary>The last sample at or before the window's start (else the first), and the first at or after its end (else the last).</summary>
    private static (int First, int Last) Ends(ReadOnlySpan<long> times, long startMs, long endMs, bool smoothed)
    {
        var last = times.Length - 1;
        var first = Math.Max(0, Evaluator.UpperBound(times[..last], startMs) - 1);
        return (first, smoothed ? FirstAtOrAfter(times[..last], endMs) : last);
    }

    private static double Left(ReadOnlySpan<long> times, ReadOnlySpan<double> values, int first, long startMs, bool smoothed, bool isCounter) =>
        smoothed && times[first] < startMs
            ? Interpolate(times[first], values[first], times[first + 1], values[first + 1], startMs, isCounter)
            : values[first];

    private static double Right(ReadOnlySpan<long> times, ReadOnlySpan<double> values, int last, long endMs, bool smoothed, bool isCounter) =>
        smoothed && last > 0 && times[last] > endMs
            ? Interpolate(times[last - 1], values[last - 1], times[last], values[last], endMs, isCounter)
            : values[last];
}

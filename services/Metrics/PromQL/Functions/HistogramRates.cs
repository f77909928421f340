using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Functions of how a series changes within a window, where there are histograms in it, or start times are known, or its ends are extended.</summary>
internal static class HistogramRates
{
    /// <summary>rate, increase and delta.</summary>
    public static Sample Change(Window window, bool isCounter, bool perSecond, HistogramOperations operations)
    {
        if (window.Count > 0 && window.Histograms.Length > 0)
        {
            operations.WarnMixedRange();
            return Sample.Absent;
        }
        if (window.Histograms.IsEmpty)
        {
            if (window.Boundary != Boundary.Plain) return ExtendedRanges.Change(window, isCounter, perSecond);
            if (isCounter) WarnOverlap(window.StartTimes, window.Times, operations);
            return RateFunctions.Extrapolated(window, isCounter, perSecond);
        }
        return window.Boundary == Boundary.Plain
            ? Extrapolated(window, isCounter, perSecond, operations)
            : ExtendedRanges.Change(window, isCounter, perSecond, operations);
    }

    /// <summary>irate and idelta: between the last two samples.</summary>
    public static Sample LastTwo(Window window, bool isRate, HistogramOperations operations)
    {
        if (window.Count + window.Histograms.Length < 2) return Sample.Absent;
        var lastIsFloat = window.Histograms.IsEmpty || (window.Count > 0 && window.Times[^1] > window.HistogramTimes[^1]);
        var (floats, histograms) = (window.Count - (lastIsFloat ? 1 : 0), window.Histograms.Length - (lastIsFloat ? 0 : 1));
        var previousIsFloat = histograms == 0 || (floats > 0 && window.Times[floats - 1] > window.HistogramTimes[histograms - 1]);
        if (lastIsFloat != previousIsFloat)
        {
            operations.WarnMixedRange();
            return Sample.Absent;
        }
        if (lastIsFloat) return RateFunctions.LastTwo(window, isRate);
        var (before, last) = (window.Histograms[^2], window.Histograms[^1]);
        var gauges = (before.Hint == CounterResetHint.Gauge ? 1 : 0) + (last.Hint == CounterResetHint.Gauge ? 1 : 0);
        if (isRate && gauges > 0) operations.WarnNotCounter();
        if (!isRate && gauges < 2) operations.WarnNotGauge();
        var change = last;
        if (!isRate || !(StartTimes.IsReset(window.HistogramStartTimes, window.HistogramTimes, window.Histograms.Length - 1) || CounterResets.IsReset(before, last)))
        {
            if (operations.Subtract(last, before) is not { } difference) return Sample.Absent;
            change = difference;
        }
        change = (change with { Hint = CounterResetHint.Gauge }).Compact();
        return isRate ? change.Divide((window.HistogramTimes[^1] - window.HistogramTimes[^2]) / 1000d) : change;
    }

    /// <summary>How often a value differs from the one before; a float and a histogram always do.</summary>
    public static Sample Changes(Window window)
    {
        var changes = 0;
        return Walk(window, (previous, current) =>
        {
            var same = previous.Histogram is { } before ? before.Equals(current.Histogram)
                : current.Histogram is null && (previous.Number == current.Number || (double.IsNaN(previous.Number) && double.IsNaN(current.Number)));
            if (!same) changes++;
        }) ? changes : Sample.Absent;
    }

    /// <summary>How often the counter was reset; between a float and a histogram it always is.</summary>
    public static Sample Resets(Window window)
    {
        var resets = 0;
        return Walk(window, (previous, current) =>
        {
            var reset = (previous.Histogram, current.Histogram) switch
            {
                (null, null) => current.Number < previous.Number || current.StartsAfter(previous),
                ({ } before, { } now) => current.StartsAfter(previous) || CounterResets.IsReset(before, now),
                _ => true,
            };
            if (reset) resets++;
        }) ? resets : Sample.Absent;
    }

    private readonly record struct Point(long Time, long Start, double Number, FloatHistogram? Histogram)
    {
        public bool StartsAfter(Point previous) => StartTimes.IsReset(previous.Start, previous.Time, Start, Time);
    }

    /// <summary>Visits each sample with the one before it. False where there is nothing to judge: an anchored window without a sample of its own.</summary>
    private static bool Walk(Window window, Action<Point, Point> visit)
    {
        var (f, h) = (0, 0);
        if (window.Boundary == Boundary.Anchored)
        {
            (f, h) = (Evaluator.UpperBound(window.Times, window.StartMs), Evaluator.UpperBound(window.HistogramTimes, window.StartMs));
            if (f == window.Count && h == window.Histograms.Length) return false;
            // The last one before the window is the anchor, of whichever kind it is.
            if (f > 0 && (h == 0 || window.Times[f - 1] >= window.HistogramTimes[h - 1])) f--;
            else if (h > 0) h--;
        }
        Point? previous = null;
        while (f < window.Count || h < window.Histograms.Length)
        {
            var isFloat = h == window.Histograms.Length || (f < window.Count && window.Times[f] < window.HistogramTimes[h]);
            var current = isFloat
                ? new Point(window.Times[f], At(window.StartTimes, f), window.Values[f], null)
                : new Point(window.HistogramTimes[h], At(window.HistogramStartTimes, h), 0, window.Histograms[h]);
            if (isFloat) f++;
            else h++;
            if (previous is { } before) visit(before, current);
            previous = current;
        }
        return true;

        static long At(ReadOnlySpan<long> starts, int position) => position < starts.Length ? starts[position] : 0;
    }

    private static Sample Extrapolated(Window window, bool isCounter, bool perSecond, HistogramOperations operations)
    {
        var times = window.HistogramTimes;
        var first = window.Histograms[0];
        FloatHistogram? change = null;
        if (times.Length > 1 && (change = Difference(window, isCounter, operations)) is null) return Sample.Absent;
        var zero = isCounter ? StartTimes.OfZero(window.HistogramStartTimes, times, window.StartMs) : null;
        if (RateFunctions.Factor(window, times, first.Count, change?.Count ?? 0, isCounter, perSecond, zero) is not { } factor) return Sample.Absent;
        if (zero is not null) change = change is null ? first : operations.Add(change, first);
        return change is null ? Sample.Absent : change.Multiply(factor);
    }

    /// <summary>The last histogram less the first, with what was counted before each reset; null where they cannot be combined.</summary>
    private static FloatHistogram? Difference(Window window, bool isCounter, HistogramOperations operations)
    {
        var points = window.Histograms;
        var (previous, last) = (points[0], points[^1]);
        if (isCounter && (previous.Hint == CounterResetHint.Gauge || last.Hint == CounterResetHint.Gauge)) operations.WarnNotCounter();
        // After a reset the first one is not looked at: its layout does no harm either.
        if (isCounter && IsReset(window, 1, previous)) previous = new() { Schema = points[1].Schema, CustomBounds = points[1].CustomBounds };
        var schema = Math.Min(last.Schema, previous.Schema);
        var mixed = last.IsCustom != previous.IsCustom;
        for (var i = 1; i < points.Length - 1 && isCounter && !mixed; i++)
        {
            if (points[i].Hint == CounterResetHint.Gauge) operations.WarnNotCounter();
            schema = Math.Min(schema, points[i].Schema);
            mixed = points[i].IsCustom != previous.IsCustom;
        }
        if (mixed)
        {
            operations.WarnMixedSchemas();
            return null;
        }
        var change = operations.Subtract(last.Reduce(schema), previous);
        if (!isCounter)
        {
            if (points[0].Hint != CounterResetHint.Gauge || last.Hint != CounterResetHint.Gauge) operations.WarnNotGauge();
        }
        else
        {
            WarnOverlap(window.HistogramStartTimes, window.HistogramTimes, operations);
            for (var i = 1; i < points.Length && change is not null; i++)
            {
                if (IsReset(window, i, previous)) change = operations.Add(change, previous);
                previous = points[i];
            }
        }
        return (change is null ? null : change with { Hint = CounterResetHint.Gauge })?.Compact();
    }

    private static bool IsReset(Window window, int at, FloatHistogram previous) =>
        StartTimes.IsReset(window.HistogramStartTimes, window.HistogramTimes, at) || CounterResets.IsReset(previous, window.Histograms[at]);

    private static void WarnOverlap(ReadOnlySpan<long> starts, ReadOnlySpan<long> times, HistogramOperations operations)
    {
        for (var i = 1; i < starts.Length; i++)
        {
            if (!StartTimes.Overlaps(starts, times, i)) continue;
            operations.WarnStartTimeOverlap();
            return;
        }
    }
}

using Vigil.Metrics.PromQL;

namespace Vigil.Metrics.Watch.Incremental;

/// <summary>
/// What is kept up to date while samples enter a window at its end and leave it at its start, so that a function's value needs no walk over the window.
/// A value is given only where it is the evaluator's, bit for bit.
/// </summary>
internal interface IWindowFold
{
    /// <summary>It should be made anew from the window, before rounding shows.</summary>
    bool NeedsRebuild { get; }

    /// <summary>A sample enters.</summary>
    void Add(double value);

    /// <summary>The oldest sample leaves.</summary>
    void Remove(double value);

    void Clear();

    /// <summary>The function's value; false where the evaluator's own function has to be asked.</summary>
    bool TryValue(Window window, out double value);

    /// <summary>Where the function's value lies, to both sides of <paramref name="value"/>; false where nothing is known.</summary>
    bool TryEstimate(Window window, out double value, out double error);
}

/// <summary>
/// sum_over_time and avg_over_time. The evaluator's compensated sum depends on the order of the additions only where they round: while all
/// samples are integers whose absolute values sum up to no more than 2^53 nothing does, and the running sum is its value. Of other samples a sum in
/// twice a double's digits is kept, from which the value is known up to an error far above both sums' own: enough to say that it does not pass
/// a threshold, which is what nearly every evaluation of an alert comes to. Where the value itself is asked for it is summed up as the evaluator does, and
/// in windows of more than <see cref="LongWindow"/> samples taken from the running sum (equal but for the last digits, unless samples cancel out).
/// </summary>
/// <param name="mean">Divided by the count.</param>
internal sealed class RunningSum(bool mean) : IWindowFold
{
    /// <summary>Summing up that many takes some ten microseconds.</summary>
    public const int LongWindow = 4_096;

    /// <summary>Up to that many are summed up sooner than estimated and summed up.</summary>
    public const int Small = 16;

    private const double MostInteger = 1L << 45;
    private const long MostExact = 1L << 53;
    private const double Wild = 1e290;

    /// <summary>The share of the sum of all absolute values that both sums' errors stay below, by ten thousands at least.</summary>
    private const double Error = 1.0 / (1L << 40);

    private long integers;
    private long absolute;
    private int irregular;
    private int wild;
    private double high;
    private double low;
    private double magnitude;
    private double peak;
    private long changes;

    // What large samples that have left took with them of the small ones' digits shows once these make up the sum.
    public bool NeedsRebuild => magnitude < peak / (1 << 20) || changes > 65_536;

    public void Add(double value)
    {
        if (IsInteger(value))
        {
            integers += (long)value;
            absolute += Math.Abs((long)value);
        }
        else
        {
            irregular++;
        }
        if (!(Math.Abs(value) < Wild))
        {
            wild++;
            return;
        }
        Accumulate(value);
        magnitude += Math.Abs(value);
        if (magnitude > peak) peak = magnitude;
    }

    public void Remove(double value)
    {
        if (IsInteger(value))
        {
            integers -= (long)value;
            absolute -= Math.Abs((long)value);
        }
        else
        {
            irregular--;
        }
        if (!(Math.Abs(value) < Wild))
        {
            wild--;
            return;
        }
        Accumulate(-value);
        magnitude -= Math.Abs(value);
        changes++;
    }

    public void Clear() => (integers, absolute, irregular, wild, high, low, magnitude, peak, changes) = (0, 0, 0, 0, 0, 0, 0, 0, 0);

    public bool TryValue(Window window, out double value)
    {
        value = mean ? (double)integers / window.Count : integers;
        if (irregular == 0 && absolute <= MostExact) return true;
        if (wild > 0 || window.Count <= LongWindow) return false;
        value = mean ? high / window.Count + low / window.Count : high + low;
        return true;
    }

    public bool TryEstimate(Window window, out double value, out double error)
    {
        value = mean ? high / window.Count : high;
        error = mean ? magnitude * Error / window.Count : magnitude * Error;
        return wild == 0;
    }

    // Minus zero is none: sums of it alone keep the sign.
    private static bool IsInteger(double value) => Math.Abs(value) <= MostInteger && (double)(long)value == value && (value != 0 || !double.IsNegative(value));

    private void Accumulate(double value)
    {
        // Knuth's TwoSum: sum + lost is exactly high + value.
        var sum = high + value;
        var part = sum - high;
        var lost = high - (sum - part) + (value - part) + low;
        high = sum + lost;
        low = lost - (high - sum);
    }
}

/// <summary>min_over_time and max_over_time: of the samples that no later one beats, oldest and best first, the first is the value.</summary>
internal sealed class RunningExtreme(bool max) : IWindowFold
{
    private readonly NumberedQueue candidates = new();
    private long added;
    private long removed;

    public bool NeedsRebuild => false;

    public void Add(double value)
    {
        added++;
        // A NaN gives way to any number.
        if (double.IsNaN(value)) return;
        while (candidates.Count > 0 && (max ? candidates.Last < value : candidates.Last > value)) candidates.RemoveLast();
        candidates.Add(added, value);
    }

    public void Remove(double value)
    {
        removed++;
        if (candidates.Count > 0 && candidates.FirstNumber == removed) candidates.RemoveFirst();
    }

    public void Clear()
    {
        (added, removed) = (0, 0);
        candidates.Clear();
    }

    public bool TryValue(Window window, out double value)
    {
        value = candidates.Count > 0 ? candidates.First : double.NaN;
        return candidates.Count > 0;
    }

    public bool TryEstimate(Window window, out double value, out double error)
    {
        error = 0;
        return TryValue(window, out value);
    }
}

/// <summary>rate and increase: the resets in the window. Where samples were lost to one is added up in their order, as the evaluator does.</summary>
internal sealed class RunningResets(bool perSecond) : IWindowFold
{
    private readonly NumberedQueue resets = new();
    private double last = double.NaN;
    private long added;
    private long removed;

    public bool NeedsRebuild => false;

    public void Add(double value)
    {
        // The first of a window was reset against none in it.
        if (added++ > removed && value < last) resets.Add(added, last);
        last = value;
    }

    public void Remove(double value)
    {
        removed++;
        // That of the sample that is the first now was between it and the one that left.
        if (resets.Count > 0 && resets.FirstNumber <= removed + 1) resets.RemoveFirst();
    }

    public void Clear()
    {
        (added, removed, last) = (0, 0, double.NaN);
        resets.Clear();
    }

    public bool TryValue(Window window, out double value)
    {
        value = Samples.Absent;
        if (window.Count < 2) return true;
        var change = window.Values[^1] - window.Values[0];
        for (var i = 0; i < resets.Count; i++) change += resets[i];
        if (RateFunctions.Factor(window, window.Times, window.Values[0], change, isCounter: true, perSecond, zero: null) is { } factor) value = change * factor;
        return true;
    }

    public bool TryEstimate(Window window, out double value, out double error)
    {
        error = 0;
        return TryValue(window, out value) && !Samples.IsAbsent(value);
    }
}

/// <summary>quantile_over_time: the samples in order of their values.</summary>
internal sealed class RunningOrder(double q) : IWindowFold
{
    private readonly List<double> sorted = [];

    public bool NeedsRebuild => false;

    public void Add(double value)
    {
        var at = sorted.BinarySearch(value);
        sorted.Insert(at < 0 ? ~at : at, value);
    }

    public void Remove(double value) => sorted.RemoveAt(sorted.BinarySearch(value));

    public void Clear() => sorted.Clear();

    public bool TryValue(Window window, out double value)
    {
        value = Quantiles.OfSorted(q, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(sorted));
        return true;
    }

    public bool TryEstimate(Window window, out double value, out double error)
    {
        error = 0;
        return TryValue(window, out value);
    }
}

/// <summary>Numbered values, taken from both ends.</summary>
internal sealed class NumberedQueue
{
    private long[] numbers = [];
    private double[] values = [];
    private int first;

    public int Count { get; private set; }

    public long FirstNumber => numbers[first];

    public double First => values[first];

    public double Last => values[first + Count - 1];

    public double this[int index] => values[first + index];

    public void Add(long number, double value)
    {
        if (first + Count == numbers.Length)
        {
            var to = Count < numbers.Length / 2 ? (numbers, values) : (new long[Math.Max(4, 2 * Count)], new double[Math.Max(4, 2 * Count)]);
            Array.Copy(numbers, first, to.Item1, 0, Count);
            Array.Copy(values, first, to.Item2, 0, Count);
            ((numbers, values), first) = (to, 0);
        }
        numbers[first + Count] = number;
        values[first + Count] = value;
        Count++;
    }

    public void RemoveFirst()
    {
        first++;
        if (--Count == 0) first = 0;
    }

    public void RemoveLast()
    {
        if (--Count == 0) first = 0;
    }

    public void Clear() => (first, Count) = (0, 0);
}

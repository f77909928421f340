using Vigil.Metrics.PromQL;

namespace Vigil.Metrics.Watch.Incremental;

/// <summary>
/// The samples of one series that a standing selector needs: those in its window, and after them those that time has yet to bring into it. They lie side
/// by side, so that every function of the evaluator can be called on the window as it is. Stale markers stand apart.
/// </summary>
/// <param name="memory">Where room for samples is taken from.</param>
/// <param name="fold">What is kept up to date about the window; null where nothing is.</param>
internal sealed class SampleWindow(StandingMemory memory, IWindowFold? fold)
{
    /// <summary>What a series takes besides its samples, counted in samples.</summary>
    public const int Overhead = 16;

    private const int Smallest = 4;

    private long[] times = [];
    private double[] values = [];
    private List<long>? stale;
    private int first;
    private int past;
    private int end;
    private bool disturbed;

    /// <summary>What is kept up to date; null where nothing is.</summary>
    public IWindowFold? Fold => fold;

    /// <summary>Samples in the window.</summary>
    public int Count => past - first;

    /// <summary>Nothing in the window, nothing to come.</summary>
    public bool IsEmpty => end == first && stale is null or { Count: 0 };

    public ReadOnlySpan<long> Times => times.AsSpan(first, past - first);

    public ReadOnlySpan<double> Values => values.AsSpan(first, past - first);

    /// <summary>Time of the first sample or stale marker after a moment; <see cref="long.MaxValue"/> where there is none.</summary>
    public long After(long to)
    {
        var next = past < end ? times[past] : long.MaxValue;
        if (stale is null) return next;
        foreach (var time in stale)
        {
            if (time > to && time < next) next = time;
        }
        return next;
    }

    /// <summary>Changed since the last <see cref="Advance"/>.</summary>
    public bool Changed { get; private set; } = true;

    /// <summary>Takes a sample, in whatever order they come; one for a moment that is there is passed over. False where there is no room for it.</summary>
    public bool Insert(long time, double value)
    {
        if (Samples.IsStale(value))
        {
            stale ??= [];
            if (!stale.Contains(time)) stale.Add(time);
            Changed = true;
            return true;
        }
        var at = end;
        if (end > first && time <= times[end - 1])
        {
            at = first + Evaluator.UpperBound(times.AsSpan(first, end - first), time);
            if (at > first && times[at - 1] == time) return true;
        }
        if (end == times.Length)
        {
            var shift = first;
            if (!MakeRoom()) return false;
            at -= shift;
        }
        if (at < end)
        {
            Array.Copy(times, at, times, at + 1, end - at);
            Array.Copy(values, at, values, at + 1, end - at);
        }
        times[at] = time;
        values[at] = value;
        end++;
        Changed = true;
        if (at >= past) return true;
        past++;
        disturbed = true;
        return true;
    }

    /// <summary>Moves the window to (<paramref name="from"/>, <paramref name="to"/>]. What is left behind is forgotten.</summary>
    public void Advance(long from, long to)
    {
        while (past > first && times[past - 1] > to)
        {
            past--;
            disturbed = true;
        }
        while (first < end && times[first] <= from)
        {
            if (first < past && !disturbed) fold?.Remove(values[first]);
            first++;
            Changed = true;
        }
        if (past < first) past = first;
        while (past < end && times[past] <= to)
        {
            if (!disturbed) fold?.Add(values[past]);
            past++;
            Changed = true;
        }
        if (stale is { Count: > 0 })
        {
            // A marker that lay ahead may have come into sight.
            Changed = true;
            stale.RemoveAll(t => t <= from);
        }
        if (fold is null || !(disturbed || fold.NeedsRebuild)) return;
        fold.Clear();
        foreach (var value in Values) fold.Add(value);
        disturbed = false;
    }

    /// <summary>Forgets all but the newest sample of the window: nothing else is ever asked for.</summary>
    public void KeepNewest()
    {
        if (past - first > 1) first = past - 1;
    }

    /// <summary>Whether the newest sample up to a moment is one, and no marker that the series ended.</summary>
    public bool IsAlive(long to)
    {
        if (Count == 0) return false;
        if (stale is null) return true;
        foreach (var time in stale)
        {
            if (time <= to && time > times[past - 1]) return false;
        }
        return true;
    }

    /// <summary>The value was taken note of.</summary>
    public void Settle() => Changed = false;

    /// <summary>Gives its room back.</summary>
    public void Release()
    {
        if (times.Length > 0) memory.Give(times.Length + Overhead);
        (times, values, first, past, end) = ([], [], 0, 0, 0);
    }

    private bool MakeRoom()
    {
        var live = end - first;
        // A third of slack: copying all of them then costs less than two copies a sample.
        var size = Math.Max(Smallest, live + live / 2 + 1);
        var (toTimes, toValues) = (times, values);
        if (size > times.Length || size < times.Length / 2)
        {
            if (!memory.TryTake(size - times.Length + (times.Length == 0 ? Overhead : 0))) return false;
            (toTimes, toValues) = (new long[size], new double[size]);
        }
        Array.Copy(times, first, toTimes, 0, live);
        Array.Copy(values, first, toValues, 0, live);
        (times, values) = (toTimes, toValues);
        (past, end, first) = (past - first, live, 0);
        return true;
    }
}

using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>One series of a range vector: all samples that any step's window may hold, none of them stale.</summary>
internal readonly record struct RangeSeries(LabelSet Labels, ReadOnlyMemory<long> Times, ReadOnlyMemory<double> Values, bool DropName);

/// <summary>A range vector over a grid: at each step, the window of <paramref name="RangeMs"/> up to that step (or the pinned time) less the offset.</summary>
internal sealed record RangeInput(IReadOnlyList<RangeSeries> Series, long RangeMs, long OffsetMs, long? PinnedMs)
{
    /// <summary>The window's end at a step; its start, <see cref="RangeMs"/> before, is not in it.</summary>
    public long EndOf(StepGrid grid, int step) => (PinnedMs ?? grid.TimeOf(step)) - OffsetMs;

    public (int From, int To) Bounds(RangeSeries series, StepGrid grid, int step)
    {
        var end = EndOf(grid, step);
        var times = series.Times.Span;
        return (Evaluator.UpperBound(times, end - RangeMs), Evaluator.UpperBound(times, end));
    }
}

/// <summary>What a function over a range vector is given: the samples of one series in one window; at least one.</summary>
internal readonly ref struct Window(ReadOnlySpan<long> times, ReadOnlySpan<double> values, long endMs, long rangeMs, long evaluatedAtMs)
{
    public ReadOnlySpan<long> Times { get; } = times;

    public ReadOnlySpan<double> Values { get; } = values;

    public int Count => Values.Length;

    /// <summary>Not in the window.</summary>
    public long StartMs => EndMs - RangeMs;

    public long EndMs { get; } = endMs;

    public long RangeMs { get; } = rangeMs;

    /// <summary>The step, whatever the offset.</summary>
    public long EvaluatedAtMs { get; } = evaluatedAtMs;
}

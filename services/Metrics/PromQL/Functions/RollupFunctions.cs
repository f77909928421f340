using System.Collections.Frozen;
using Vigil.Metrics.Rollups;

namespace Vigil.Metrics.PromQL;

/// <summary>The value of a function of which the rollup of all samples in the window is enough, or <see cref="Samples.Absent"/>.</summary>
/// <param name="all">At least one sample.</param>
/// <param name="window">Without samples.</param>
internal delegate double RollupFunction(in Rollup all, in Window window);

/// <summary>
/// Functions over ranges that need not see each sample: the value is that of <see cref="RangeFunctions"/>, exactly so for counts, extremes, ends and sums of whole numbers, and else but for the order of
/// additions.
/// </summary>
internal static class RollupFunctions
{
    public static readonly FrozenDictionary<string, RollupFunction> All = new Dictionary<string, RollupFunction>
    {
        ["avg_over_time"] = static (in all, in _) => all.Sum / all.Count,
        ["sum_over_time"] = static (in all, in _) => all.Sum,
        ["min_over_time"] = static (in all, in _) => all.Min,
        ["max_over_time"] = static (in all, in _) => all.Max,
        ["count_over_time"] = static (in all, in _) => all.Count,
        ["first_over_time"] = static (in all, in _) => all.First,
        ["last_over_time"] = static (in all, in _) => all.Last,
        ["ts_of_first_over_time"] = static (in all, in _) => all.FirstTime / 1000d,
        ["ts_of_last_over_time"] = static (in all, in _) => all.LastTime / 1000d,
        ["present_over_time"] = static (in _, in _) => 1,
        ["absent_over_time"] = static (in _, in _) => 1,
        ["rate"] = static (in all, in window) => RateFunctions.Extrapolated(all, window, isCounter: true, perSecond: true),
        ["increase"] = static (in all, in window) => RateFunctions.Extrapolated(all, window, isCounter: true, perSecond: false),
        ["delta"] = static (in all, in window) => RateFunctions.Extrapolated(all, window, isCounter: false, perSecond: false),
        ["changes"] = static (in all, in _) => all.Changes,
        ["resets"] = static (in all, in _) => all.Resets,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The function's value in the window of each step.</summary>
    public static double[] Evaluate(CancellationToken cancellation, string name, RangeSeries series, RangeInput input, StepGrid grid)
    {
        var function = All[name];
        var column = Samples.NoneOf(grid.Steps);
        var times = series.Times.Span;
        var values = series.Values.Span;
        var rollups = series.Rollups.Span;
        var (from, to, next) = (0, 0, 0);
        var fold = new RollupFold();
        for (var step = 0; step < grid.Steps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            var (start, end) = (input.StartOf(grid, step), input.EndOf(grid, step));
            from = Evaluator.Advance(times, from, start);
            to = Evaluator.Advance(times, Math.Max(from, to), end);
            if (to == from) continue;
            while (next < rollups.Length && rollups[next].LastTime < times[from]) next++;
            fold.Clear();
            var at = next;
            for (var i = from; i < to; i++)
            {
                if (at < rollups.Length && rollups[at].LastTime == times[i]) fold.Add(rollups[at++]);
                else fold.Add(times[i], values[i]);
            }
            column[step] = function(fold.Value, new Window([], [], end, end - start, grid.TimeOf(step)));
        }
        return column;
    }
}

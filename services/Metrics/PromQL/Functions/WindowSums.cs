using System.Runtime.Intrinsics;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>
/// sum_over_time and avg_over_time at many steps: the compensated sums of eight windows side by side, each added up in its own order, so that they are to the bit what
/// <see cref="RangeFunctions"/> makes of one window.
/// </summary>
internal static class WindowSums
{
    private const int Lanes = 8;

    /// <summary>There are enough windows, and a processor that can.</summary>
    public static bool IsWorthwhile(StepGrid grid) => grid.Steps >= Lanes && Vector256.IsHardwareAccelerated;

    /// <summary>The values of a series of floats.</summary>
    public static double[] Column(RangeSeries series, WindowBounds bounds, StepGrid grid, bool mean, CancellationToken cancellation)
    {
        var column = Samples.NoneOf(grid.Steps);
        var values = series.Values.Span;
        Span<int> starts = stackalloc int[Lanes];
        Span<int> counts = stackalloc int[Lanes];
        for (var first = 0; first < grid.Steps; first += Lanes)
        {
            // A window may have as many samples as a query may load.
            cancellation.ThrowIfCancellationRequested();
            var lanes = Math.Min(Lanes, grid.Steps - first);
            for (var lane = 0; lane < lanes; lane++)
            {
                var (from, to) = bounds.At(first + lane);
                (starts[lane], counts[lane]) = (from, to - from);
            }
            var target = column.AsSpan(first, lanes);
            if (lanes == Lanes && counts[0] > 0 && !counts.ContainsAnyExcept(counts[0])) Add(values, starts, counts[0], mean, target);
            else target.Fill(double.NaN);
            for (var lane = 0; lane < lanes; lane++)
            {
                // Where a sum overflows, or a value is no number, the order of the steps decides what comes of it.
                if (counts[lane] == 0) target[lane] = Samples.Absent;
                else if (!double.IsFinite(target[lane])) target[lane] = Alone(values.Slice(starts[lane], counts[lane]), mean);
            }
        }
        return column;
    }

    private static double Alone(ReadOnlySpan<double> window, bool mean) => mean ? RangeFunctions.Average(window) : RangeFunctions.Sum(window);

    private static void Add(ReadOnlySpan<double> values, ReadOnlySpan<int> starts, int count, bool mean, Span<double> target)
    {
        var (low, high) = (new Sums(), new Sums());
        var i = 0;
        if (mean)
        {
            (low.Sum, high.Sum) = (Take(values, starts, 0), Take(values, starts[4..], 0));
            i = 1;
        }
        for (; i < count; i++)
        {
            low.Add(Take(values, starts, i));
            high.Add(Take(values, starts[4..], i));
        }
        low.Result(mean ? count : 0).CopyTo(target);
        high.Result(mean ? count : 0).CopyTo(target[4..]);
    }

    private static Vector256<double> Take(ReadOnlySpan<double> values, ReadOnlySpan<int> starts, int i) =>
        Vector256.Create(values[starts[0] + i], values[starts[1] + i], values[starts[2] + i], values[starts[3] + i]);

    /// <summary>Four times <see cref="KahanSum"/>.</summary>
    private struct Sums
    {
        public Vector256<double> Sum;
        private Vector256<double> lost;

        public void Add(Vector256<double> value)
        {
            var next = Sum + value;
            lost += Vector256.ConditionalSelect(Vector256.GreaterThanOrEqual(Vector256.Abs(Sum), Vector256.Abs(value)), Sum - next + value, value - next + Sum);
            Sum = next;
        }

        /// <param name="count">To be divided by; 0 for not.</param>
        public readonly Vector256<double> Result(int count) => count == 0 ? Sum + lost : Sum / Vector256.Create((double)count) + lost / Vector256.Create((double)count);
    }
}

namespace Vigil.Metrics.PromQL;

/// <summary>Where the windows of all steps begin and end among the times of a series. Series that were sampled together share the times, and these.</summary>
internal sealed class WindowBounds
{
    private readonly int[] bounds;

    public WindowBounds(ReadOnlySpan<long> times, RangeInput input, StepGrid grid, CancellationToken cancellation)
    {
        bounds = new int[2 * grid.Steps];
        var (from, to) = (0, 0);
        for (var step = 0; step < grid.Steps; step++)
        {
            if (step % 1024 == 0) cancellation.ThrowIfCancellationRequested();
            var end = input.EndOf(grid, step);
            from = Evaluator.Advance(times, from, input.StartOf(grid, step));
            to = Evaluator.Advance(times, Math.Max(from, to), end);
            (bounds[2 * step], bounds[2 * step + 1]) = (from, to);
        }
    }

    /// <summary>The first sample of a step's window, and the first one behind it.</summary>
    public (int From, int To) At(int step) => (bounds[2 * step], bounds[2 * step + 1]);

    /// <summary>Those of all series: one for neighbours with the same times, made when it is asked for.</summary>
    public static Lazy<WindowBounds>[] OfAll(RangeInput input, StepGrid grid, CancellationToken cancellation)
    {
        var all = new Lazy<WindowBounds>[input.Series.Count];
        for (var i = 0; i < all.Length; i++)
        {
            var times = input.Series[i].Times;
            all[i] = i > 0 && times.Equals(input.Series[i - 1].Times) ? all[i - 1] : new(() => new WindowBounds(times.Span, input, grid, cancellation));
        }
        return all;
    }
}

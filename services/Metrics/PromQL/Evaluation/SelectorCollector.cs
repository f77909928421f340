using Vigil.Metrics.Rollups;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Lists the selectors of an expression with the time range each needs, so that their samples can be fetched beforehand.</summary>
internal static class SelectorCollector
{
    /// <summary>All selectors, by reference: two that are written alike are two.</summary>
    public static IReadOnlyList<(VectorSelector Selector, SelectorRange Range)> Collect(Expr expr, StepGrid grid, EvaluationOptions options)
    {
        var found = new List<(VectorSelector, SelectorRange)>();
        Visit(expr, new Span(grid.StartMs, grid.TimeOf(Math.Max(0, grid.Steps - 1)), grid), grid, options, found);
        return found;
    }

    /// <summary>Evaluation moments, both ends included.</summary>
    /// <param name="Grid">All of them; null where there are too many for an evaluation.</param>
    private readonly record struct Span(long FirstMs, long LastMs, StepGrid? Grid);

    private static void Visit(Expr expr, Span at, StepGrid query, EvaluationOptions options, List<(VectorSelector, SelectorRange)> found)
    {
        switch (expr)
        {
            case VectorSelector selector:
                Add(selector, options.LookbackMs, selector.Boundary == Boundary.Smoothed ? options.LookbackMs : 0, instant: true);
                break;
            case MatrixSelector matrix:
                AddRange(matrix, folds: false);
                break;
            case CallExpr call when RollupFunctions.All.ContainsKey(call.Function.Name) && call.Arguments.Any(a => a.Unwrap() is MatrixSelector):
                foreach (var argument in call.Arguments)
                {
                    if (argument.Unwrap() is MatrixSelector folded) AddRange(folded, folds: true);
                    else Visit(argument, at, query, options, found);
                }
                break;
            case SubqueryExpr subquery:
                var outer = Shift(at, subquery.At, DurationArithmetic.Offset(subquery, query));
                var range = subquery.Calendar is { } calendar ? outer.FirstMs - CalendarWindows.At(calendar, options.Zone, outer.FirstMs).StartMs : DurationArithmetic.Range(subquery, query);
                var inner = outer.Grid is { } moments ? Evaluator.GridWithin(range, 0, DurationArithmetic.Step(subquery, query) ?? options.DefaultSubqueryStepMs, moments, options.Limits) : null;
                Visit(subquery.Inner, outer with { FirstMs = outer.FirstMs - range, Grid = inner }, query, options, found);
                break;
            case CallExpr { InfoSeries: { } infoSeries } info:
                Visit(info.Arguments[0], at, query, options, found);
                var (pinned, offset) = InfoFunction.Anchor(info.Arguments[0], query);
                var (first, last) = pinned is { } time ? (time, time) : (at.FirstMs, at.LastMs);
                found.Add((infoSeries, new SelectorRange(infoSeries.Matchers, first - offset - options.LookbackMs, last - offset, first == last) { LooksBack = true }));
                break;
            case UnaryExpr unary:
                Visit(unary.Operand, at, query, options, found);
                break;
            case ParenExpr paren:
                Visit(paren.Inner, at, query, options, found);
                break;
            case BinaryExpr binary:
                Visit(binary.Left, at, query, options, found);
                Visit(binary.Right, at, query, options, found);
                break;
            case AggregateExpr aggregate:
                if (aggregate.Parameter is { } parameter) Visit(parameter, at, query, options, found);
                Visit(aggregate.Operand, at, query, options, found);
                break;
            case CallExpr call:
                foreach (var argument in call.Arguments) Visit(argument, at, query, options, found);
                break;
        }

        void Add(VectorSelector selector, long beforeMs, long behindMs, bool instant, long? foldedMs = null)
        {
            var span = Shift(at, selector.At, DurationArithmetic.Offset(selector, query));
            var newestOnly = instant && behindMs == 0 && span.FirstMs == span.LastMs;
            found.Add((selector, new SelectorRange(selector.Matchers, span.FirstMs - beforeMs, span.LastMs + behindMs, newestOnly)
            {
                LooksBack = instant,
                Boundaries = foldedMs is { } range && span.Grid is { } grid ? BoundariesOf(grid, range) : null,
            }));
        }

        void AddRange(MatrixSelector matrix, bool folds)
        {
            if (matrix.Calendar is { } calendar)
            {
                AddCalendar(matrix, calendar, folds);
                return;
            }
            var (boundary, range) = (matrix.Vector.Boundary, DurationArithmetic.Range(matrix, query));
            Add(matrix.Vector, range + (boundary == Boundary.Plain ? 0 : options.LookbackMs), boundary == Boundary.Smoothed ? options.LookbackMs : 0, instant: false,
                folds && boundary == Boundary.Plain && range >= RollupRequest.MinRangeMs ? range : null);
        }

        void AddCalendar(MatrixSelector matrix, CalendarRange calendar, bool folds)
        {
            var span = Shift(at, matrix.Vector.At, DurationArithmetic.Offset(matrix.Vector, query));
            var (boundary, start, end) = (matrix.Vector.Boundary, CalendarWindows.At(calendar, options.Zone, span.FirstMs).StartMs, CalendarWindows.At(calendar, options.Zone, span.LastMs).EndMs);
            var around = boundary == Boundary.Plain ? 0 : options.LookbackMs;
            found.Add((matrix.Vector, new SelectorRange(matrix.Vector.Matchers, start - around, end + (boundary == Boundary.Smoothed ? around : 0), false)
            {
                Boundaries = folds && boundary == Boundary.Plain && span.Grid is { } grid ? [.. CalendarWindows.At(calendar, options.Zone, grid).SelectMany(w => (long[])[w.StartMs, w.EndMs]).Distinct().Order()] : null,
            }));
        }

        Span Shift(Span span, AtModifier? modifier, long offsetMs)
        {
            var moved = modifier?.TimeIn(query) is { } time ? new Span(time, time, new StepGrid(time, 1, 1)) : span;
            return new(moved.FirstMs - offsetMs, moved.LastMs - offsetMs, moved.Grid is { } grid ? new StepGrid(grid.StartMs - offsetMs, grid.StepMs, grid.Steps) : null);
        }
    }

    /// <summary>Where the windows that end at the moments of a grid begin and end.</summary>
    private static long[] BoundariesOf(StepGrid grid, long rangeMs)
    {
        var boundaries = new long[grid.Steps * 2];
        for (var step = 0; step < grid.Steps; step++)
        {
            boundaries[step * 2] = grid.TimeOf(step);
            boundaries[step * 2 + 1] = grid.TimeOf(step) - rangeMs;
        }
        Array.Sort(boundaries);
        return boundaries;
    }
}

/// <summary>Samples fetched for the selectors of one expression.</summary>
internal sealed class PrefetchedSeries : ISeriesSource
{
    private readonly Dictionary<VectorSelector, IReadOnlyList<SeriesSamples>> series = new(ReferenceEqualityComparer.Instance);

    /// <summary>Results come in order of labels whatever order the samples came in.</summary>
    public void Add(VectorSelector selector, IEnumerable<SeriesSamples> samples)
    {
        var sorted = samples.ToArray();
        Array.Sort(sorted, static (a, b) => LabelOrder.Compare(a.Labels, b.Labels));
        series[selector] = sorted;
    }

    public IReadOnlyList<SeriesSamples> Select(VectorSelector selector) => series.GetValueOrDefault(selector, []);
}

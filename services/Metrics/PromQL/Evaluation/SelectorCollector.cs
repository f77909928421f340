using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Lists the selectors of an expression with the time range each needs, so that their samples can be fetched beforehand.</summary>
internal static class SelectorCollector
{
    /// <summary>All selectors, by reference: two that are written alike are two.</summary>
    public static IReadOnlyList<(VectorSelector Selector, SelectorRange Range)> Collect(Expr expr, StepGrid grid, EvaluationOptions options)
    {
        var found = new List<(VectorSelector, SelectorRange)>();
        Visit(expr, new Span(grid.StartMs, grid.TimeOf(Math.Max(0, grid.Steps - 1))), grid, options, found);
        return found;
    }

    /// <summary>Evaluation moments, both ends included.</summary>
    private readonly record struct Span(long FirstMs, long LastMs);

    private static void Visit(Expr expr, Span at, StepGrid query, EvaluationOptions options, List<(VectorSelector, SelectorRange)> found)
    {
        switch (expr)
        {
            case VectorSelector selector:
                Add(selector, options.LookbackMs, selector.Boundary == Boundary.Smoothed ? options.LookbackMs : 0, instant: true);
                break;
            case MatrixSelector matrix:
                var boundary = matrix.Vector.Boundary;
                Add(matrix.Vector, DurationArithmetic.Range(matrix, query) + (boundary == Boundary.Plain ? 0 : options.LookbackMs),
                    boundary == Boundary.Smoothed ? options.LookbackMs : 0, instant: false);
                break;
            case SubqueryExpr subquery:
                var outer = Shift(at, subquery.At, DurationArithmetic.Offset(subquery, query));
                Visit(subquery.Inner, outer with { FirstMs = outer.FirstMs - DurationArithmetic.Range(subquery, query) }, query, options, found);
                break;
            case CallExpr { InfoSeries: { } infoSeries } info:
                Visit(info.Arguments[0], at, query, options, found);
                var (pinned, offset) = InfoFunction.Anchor(info.Arguments[0], query);
                var moments = pinned is { } time ? new Span(time, time) : at;
                found.Add((infoSeries, new SelectorRange(infoSeries.Matchers, moments.FirstMs - offset - options.LookbackMs, moments.LastMs - offset,
                    moments.FirstMs == moments.LastMs)));
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

        void Add(VectorSelector selector, long beforeMs, long behindMs, bool instant)
        {
            var span = Shift(at, selector.At, DurationArithmetic.Offset(selector, query));
            var newestOnly = instant && behindMs == 0 && span.FirstMs == span.LastMs;
            found.Add((selector, new SelectorRange(selector.Matchers, span.FirstMs - beforeMs, span.LastMs + behindMs, newestOnly)));
        }

        Span Shift(Span span, AtModifier? modifier, long offsetMs)
        {
            var moved = modifier?.TimeIn(query) is { } time ? new Span(time, time) : span;
            return new(moved.FirstMs - offsetMs, moved.LastMs - offsetMs);
        }
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

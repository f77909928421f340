using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Lists the selectors of an expression with the time range each needs, so that their samples can be fetched beforehand.</summary>
internal static class SelectorCollector
{
    /// <summary>All selectors, by reference: two that are written alike are two.</summary>
    public static IReadOnlyList<(VectorSelector Selector, SelectorRange Range)> Collect(Expr expr, StepGrid grid, EvaluationOptions options)
    {
        var found = new List<(VectorSelector, SelectorRange)>();
        var query = new Span(grid.StartMs, grid.TimeOf(Math.Max(0, grid.Steps - 1)));
        Visit(expr, query, query, options, found);
        return found;
    }

    /// <summary>Evaluation moments, both ends included.</summary>
    private readonly record struct Span(long FirstMs, long LastMs);

    private static void Visit(Expr expr, Span at, Span query, EvaluationOptions options, List<(VectorSelector, SelectorRange)> found)
    {
        switch (expr)
        {
            case VectorSelector selector:
                Add(selector, options.LookbackMs, instant: true);
                break;
            case MatrixSelector matrix:
                Add(matrix.Vector, matrix.RangeMs, instant: false);
                break;
            case SubqueryExpr subquery:
                var outer = Shift(at, subquery.At, subquery.OffsetMs);
                Visit(subquery.Inner, outer with { FirstMs = outer.FirstMs - subquery.RangeMs }, query, options, found);
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

        void Add(VectorSelector selector, long windowMs, bool instant)
        {
            var span = Shift(at, selector.At, selector.OffsetMs);
            found.Add((selector, new SelectorRange(selector.Matchers, span.FirstMs - windowMs, span.LastMs, instant && span.FirstMs == span.LastMs)));
        }

        Span Shift(Span span, AtModifier? modifier, long offsetMs)
        {
            var moved = modifier?.Anchor switch
            {
                AtAnchor.Start => new Span(query.FirstMs, query.FirstMs),
                AtAnchor.End => new Span(query.LastMs, query.LastMs),
                AtAnchor.Time => new Span(modifier.TimeMs, modifier.TimeMs),
                _ => span,
            };
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

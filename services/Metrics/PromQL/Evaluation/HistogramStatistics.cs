using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>
/// Selectors of which only the count and the sum of histograms are used in the end. Their buckets are left out of the evaluation; they are needed to
/// see resets, so that these are looked for beforehand, sample by sample, and noted as hints.
/// </summary>
internal static class HistogramStatistics
{
    /// <summary>The selectors under histogram_count, histogram_sum and histogram_avg, unless something between or around them needs buckets.</summary>
    public static IReadOnlySet<VectorSelector> Selectors(Expr expr)
    {
        var found = new HashSet<VectorSelector>(ReferenceEqualityComparer.Instance);
        Visit(expr, statistics: false, buckets: false, found);
        return found;
    }

    /// <summary>The series with its histograms reduced to count, sum and hint.</summary>
    public static SeriesSamples Reduce(SeriesSamples samples)
    {
        if (samples.Histograms.IsEmpty) return samples;
        var reduced = new FloatHistogram?[samples.Count];
        FloatHistogram? previous = null;
        for (var i = 0; i < reduced.Length; i++)
        {
            if (samples.Histograms.Span[i] is not { } histogram) continue;
            var hint = histogram.Hint;
            if (histogram.IsStale)
            {
                reduced[i] = new() { Hint = hint, Schema = histogram.Schema, Count = histogram.Count, Sum = histogram.Sum };
                continue;
            }
            if (hint == CounterResetHint.Unknown && previous is not null)
                hint = CounterResets.IsReset(previous, histogram) ? CounterResetHint.Reset : CounterResetHint.NotReset;
            reduced[i] = new() { Hint = hint, Schema = histogram.Schema, Count = histogram.Count, Sum = histogram.Sum };
            previous = histogram;
        }
        return samples with { Histograms = reduced };
    }

    /// <param name="statistics">Count or sum are asked for further out.</param>
    /// <param name="buckets">Buckets are needed further out: by what works on them, or by a subquery, which shows resets to none but those who compare buckets.</param>
    private static void Visit(Expr expr, bool statistics, bool buckets, HashSet<VectorSelector> found)
    {
        switch (expr)
        {
            case VectorSelector selector:
                if (statistics && !buckets) found.Add(selector);
                break;
            case MatrixSelector matrix:
                Visit(matrix.Vector, statistics, buckets, found);
                break;
            case SubqueryExpr subquery:
                Visit(subquery.Inner, statistics, buckets: true, found);
                break;
            case ParenExpr paren:
                Visit(paren.Inner, statistics, buckets, found);
                break;
            case UnaryExpr unary:
                Visit(unary.Operand, statistics, buckets, found);
                break;
            case BinaryExpr binary:
                buckets |= binary.Operator.IsTrim();
                Visit(binary.Left, statistics, buckets, found);
                Visit(binary.Right, statistics, buckets, found);
                break;
            case AggregateExpr aggregate:
                Visit(aggregate.Operand, statistics, buckets, found);
                if (aggregate.Parameter is { } parameter) Visit(parameter, statistics, buckets, found);
                break;
            case CallExpr call:
                statistics |= call.Function.Name is "histogram_count" or "histogram_sum" or "histogram_avg";
                buckets |= call.Function.Name is "histogram_quantile" or "histogram_quantiles" or "histogram_fraction";
                foreach (var argument in call.Arguments) Visit(argument, statistics, buckets, found);
                break;
        }
    }
}

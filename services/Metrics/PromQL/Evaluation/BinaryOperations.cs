using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Binary operators: between scalars, between a vector and a scalar, and the arithmetic of one pair.</summary>
internal static class BinaryOperations
{
    public static Block Evaluate(Evaluator evaluator, BinaryExpr expr, StepGrid grid)
    {
        var left = evaluator.Evaluate(expr.Left, grid);
        var right = evaluator.Evaluate(expr.Right, grid);
        return (left, right) switch
        {
            (ScalarBlock l, ScalarBlock r) => new ScalarBlock(Scalars(expr.Operator, l.Values, r.Values)),
            (VectorBlock l, ScalarBlock r) => VectorAndScalar(evaluator, expr, l, r.Values, swapped: false),
            (ScalarBlock l, VectorBlock r) => VectorAndScalar(evaluator, expr, r, l.Values, swapped: true),
            (VectorBlock l, VectorBlock r) when expr.Operator.IsSet() => SetOperations.Evaluate(expr, l, r, grid),
            (VectorBlock l, VectorBlock r) => VectorMatcher.Evaluate(evaluator, expr, l, r, grid),
            _ => throw new InvalidOperationException("types were checked"),
        };
    }

    /// <summary>The value of an arithmetic operator, or 1 or 0 of a comparison.</summary>
    public static double Apply(BinaryOperator op, double left, double right) => op switch
    {
        BinaryOperator.Add => left + right,
        BinaryOperator.Subtract => left - right,
        BinaryOperator.Multiply => left * right,
        BinaryOperator.Divide => left / right,
        BinaryOperator.Modulo => left % right,
        BinaryOperator.Power => Math.Pow(left, right),
        BinaryOperator.Atan2 => Math.Atan2(left, right),
        _ => Holds(op, left, right) ? 1 : 0,
    };

    public static bool Holds(BinaryOperator op, double left, double right) => op switch
    {
        BinaryOperator.Equal => left == right,
        BinaryOperator.NotEqual => left != right,
        BinaryOperator.Less => left < right,
        BinaryOperator.LessOrEqual => left <= right,
        BinaryOperator.Greater => left > right,
        BinaryOperator.GreaterOrEqual => left >= right,
        _ => throw new EvaluationException($"operator \"{op.Symbol()}\" not allowed for Scalar operations"),
    };

    private static double[] Scalars(BinaryOperator op, double[] left, double[] right)
    {
        var values = new double[left.Length];
        for (var step = 0; step < values.Length; step++) values[step] = Apply(op, left[step], right[step]);
        return values;
    }

    private static VectorBlock VectorAndScalar(Evaluator evaluator, BinaryExpr expr, VectorBlock vector, double[] scalar, bool swapped)
    {
        var op = expr.Operator;
        var filters = op.IsComparison() && !expr.ReturnBool;
        var changes = op.ChangesMeaning() || expr.ReturnBool;
        var pairs = new HistogramPairs(expr, evaluator.Annotations);
        var result = new List<BlockSeries>(vector.Series.Count);
        foreach (var series in vector.Series)
        {
            evaluator.Cancellation.ThrowIfCancellationRequested();
            if (series.Histograms is not null || op.IsTrim())
            {
                if (WithHistograms(series) is { } mixed) result.Add(mixed);
                continue;
            }
            var values = Samples.NoneOf(series.Values.Length);
            for (var step = 0; step < values.Length; step++)
            {
                var value = series.Values[step];
                if (Samples.IsAbsent(value)) continue;
                var (left, right) = swapped ? (scalar[step], value) : (value, scalar[step]);
                // A filter lets the vector's value through, on whichever side it stands.
                if (!filters) values[step] = Apply(op, left, right);
                else if (Holds(op, left, right)) values[step] = value;
            }
            if (filters && !values.AsSpan().ContainsAnyPresent()) continue;
            result.Add(new(series.Labels, values, series.DropName || changes));
        }
        return new(result);

        BlockSeries? WithHistograms(BlockSeries series)
        {
            var (values, histograms) = (Samples.NoneOf(scalar.Length), new FloatHistogram?[scalar.Length]);
            for (var step = 0; step < scalar.Length; step++)
            {
                if (!series.Has(step)) continue;
                Sample value = series.At(step), constant = scalar[step];
                var (found, holds) = swapped ? pairs.Apply(constant, value) : pairs.Apply(value, constant);
                if (found.IsAbsent && !holds) continue;
                if (expr.ReturnBool) found = holds ? 1 : 0;
                else if (filters) found = holds ? value : Sample.Absent;
                (values[step], histograms[step]) = (found.Number, found.Histogram);
            }
            var built = new BlockSeries(series.Labels, values, series.DropName || changes) { Histograms = histograms };
            return built.HasAny() ? built : null;
        }
    }
}

/// <summary>An operator between two samples, one of which may be a histogram.</summary>
internal sealed class HistogramPairs(BinaryExpr expr, Annotations annotations)
{
    /// <summary>
    /// The result, and whether a comparison holds. A comparison that does not hold has its left side for a result, as one that does; no result at all, and not
    /// holding, is a pair that the operator does not work on, of which a remark tells.
    /// </summary>
    public (Sample Result, bool Holds) Apply(Sample left, Sample right)
    {
        var op = expr.Operator;
        switch (left.Histogram, right.Histogram)
        {
            case (null, null) when !op.IsTrim():
                return op.IsComparison() ? (left, BinaryOperations.Holds(op, left.Number, right.Number)) : (BinaryOperations.Apply(op, left.Number, right.Number), true);
            case (null, { } histogram) when op == BinaryOperator.Multiply:
                return (histogram.Multiply(left.Number).Compact(), true);
            case ({ } histogram, null) when op == BinaryOperator.Multiply:
                return (histogram.Multiply(right.Number).Compact(), true);
            case ({ } histogram, null) when op == BinaryOperator.Divide:
                return (histogram.Divide(right.Number).Compact(), true);
            case ({ } histogram, null) when op.IsTrim():
                return (HistogramTrim.Trim(histogram, right.Number, keepBelow: op == BinaryOperator.TrimUpper), true);
            case ({ } before, { } after) when op is BinaryOperator.Equal or BinaryOperator.NotEqual:
                return (left, before.Equals(after) == (op == BinaryOperator.Equal));
            case ({ } before, { } after) when op is BinaryOperator.Add or BinaryOperator.Subtract:
                return (Combine(before, after), true);
            default:
                annotations.Info($"incompatible sample types encountered for binary operator \"{op.Symbol()}\": {Kind(left)} {op.Symbol()} {Kind(right)}", expr.Position);
                return (Sample.Absent, false);
        }
    }

    private static string Kind(Sample sample) => sample.Histogram is null ? "float" : "histogram";

    private Sample Combine(FloatHistogram left, FloatHistogram right)
    {
        var adds = expr.Operator == BinaryOperator.Add;
        var (result, remarks) = adds ? (left.Add(right, out var told), told) : (left.Subtract(right, out told), told);
        if (result is null)
        {
            annotations.Warn($"incompatible bucket layout encountered for binary operator {expr.Operator.Symbol()}", expr.Position);
            return Sample.Absent;
        }
        if ((remarks & HistogramRemarks.CounterResetCollision) != 0)
        {
            annotations.Warn($"conflicting counter resets during histogram {(adds ? "addition" : "subtraction")}", expr.Position);
            return Sample.Absent;
        }
        if ((remarks & HistogramRemarks.BoundsReconciled) != 0)
            annotations.Info($"mismatched custom buckets were reconciled during {(adds ? "addition" : "subtraction")}", expr.Position);
        return (adds ? result : result with { Hint = CounterResetHint.Gauge }).Compact();
    }
}

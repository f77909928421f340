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

    /// <summary>Trimming is for native histograms: between floats it yields nothing, and says so.</summary>
    public static bool RefusesFloats(Evaluator evaluator, BinaryExpr expr)
    {
        if (expr.Operator is not (BinaryOperator.TrimUpper or BinaryOperator.TrimLower)) return false;
        var symbol = expr.Operator.Symbol();
        evaluator.Annotations.Info($"incompatible sample types encountered for binary operator \"{symbol}\": float {symbol} float", expr.Position);
        return true;
    }

    private static double[] Scalars(BinaryOperator op, double[] left, double[] right)
    {
        var values = new double[left.Length];
        for (var step = 0; step < values.Length; step++) values[step] = Apply(op, left[step], right[step]);
        return values;
    }

    private static VectorBlock VectorAndScalar(Evaluator evaluator, BinaryExpr expr, VectorBlock vector, double[] scalar, bool swapped)
    {
        if (vector.Series.Count > 0 && RefusesFloats(evaluator, expr)) return VectorBlock.Empty;
        var op = expr.Operator;
        var filters = op.IsComparison() && !expr.ReturnBool;
        var result = new List<BlockSeries>(vector.Series.Count);
        foreach (var series in vector.Series)
        {
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
            result.Add(new(series.Labels, values, series.DropName || !filters));
        }
        return new(result);
    }
}

using System.Globalization;

namespace Vigil.Metrics.PromQL;

/// <summary>The values of durations that are calculated, in a query whose moments are known.</summary>
internal static class DurationArithmetic
{
    /// <summary>The window of a range selector, in milliseconds.</summary>
    /// <exception cref="EvaluationException">It cannot be calculated, or is not above zero.</exception>
    public static long Range(MatrixSelector matrix, StepGrid query) => matrix.RangeExpr is { } expr ? Milliseconds(expr, query, mayBeNegative: false) : matrix.RangeMs;

    /// <summary>The window of a subquery, in milliseconds.</summary>
    /// <exception cref="EvaluationException">It cannot be calculated, or is not above zero.</exception>
    public static long Range(SubqueryExpr subquery, StepGrid query) => subquery.RangeExpr is { } expr ? Milliseconds(expr, query, mayBeNegative: false) : subquery.RangeMs;

    /// <summary>The resolution of a subquery, in milliseconds; null for the default one.</summary>
    /// <exception cref="EvaluationException">It cannot be calculated, or is not above zero.</exception>
    public static long? Step(SubqueryExpr subquery, StepGrid query) => subquery.StepExpr is { } expr ? Milliseconds(expr, query, mayBeNegative: false) : subquery.StepMs;

    /// <summary>How far back a selector looks, in milliseconds.</summary>
    /// <exception cref="EvaluationException">It cannot be calculated.</exception>
    public static long Offset(VectorSelector selector, StepGrid query) => selector.OffsetExpr is { } expr ? Milliseconds(expr, query, mayBeNegative: true) : selector.OffsetMs;

    /// <summary>How far back a subquery looks, in milliseconds.</summary>
    /// <exception cref="EvaluationException">It cannot be calculated.</exception>
    public static long Offset(SubqueryExpr subquery, StepGrid query) => subquery.OffsetExpr is { } expr ? Milliseconds(expr, query, mayBeNegative: true) : subquery.OffsetMs;

    private static long Milliseconds(DurationExpr expr, StepGrid query, bool mayBeNegative)
    {
        var seconds = Seconds(expr, query);
        if (!double.IsFinite(seconds)) throw Failure(expr, "duration is NaN or infinite");
        if (seconds <= 0 && !mayBeNegative) throw Failure(expr, "duration must be greater than 0");
        if (Math.Abs(seconds) > Durations.MaxMs / 1000d) throw Failure(expr, "duration is out of range");
        // Cut off, not rounded, unlike a duration that is written out.
        var milliseconds = (long)(seconds * 1000);
        return milliseconds != 0 || mayBeNegative ? milliseconds : throw Failure(expr, "duration must be greater than 0");
    }

    private static double Seconds(Expr expr, StepGrid query)
    {
        if (expr is NumberLiteral number) return number.Value;
        var duration = (DurationExpr)expr;
        var left = duration.Left is { } l ? Seconds(l, query) : 0;
        var right = duration.Right is { } r ? Seconds(r, query) : 0;
        return duration.Operator switch
        {
            DurationOperator.Step => query.IsInstant ? 0 : query.StepMs / 1000d,
            DurationOperator.Range => (query.EndMs - query.StartMs) / 1000d,
            DurationOperator.MinOf => MathFunctions.Min(left, right),
            DurationOperator.MaxOf => MathFunctions.Max(left, right),
            DurationOperator.Add => left + right,
            DurationOperator.Subtract => left - right,
            DurationOperator.Multiply => left * right,
            DurationOperator.Divide => right == 0 ? throw Failure(duration, "division by zero") : left / right,
            DurationOperator.Modulo => right == 0 ? throw Failure(duration, "modulo by zero") : left % right,
            _ => Math.Pow(left, right),
        };
    }

    private static EvaluationException Failure(Expr at, string what) =>
        new(string.Create(CultureInfo.InvariantCulture, $"{at.Position.Start}:{at.Position.End}: {what}")) { IsOfExpression = true };
}

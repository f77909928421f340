namespace Vigil.Metrics.PromQL;

/// <summary>Refuses trees whose types do not fit, with Prometheus' messages.</summary>
/// <param name="text">What the tree was read from, for the places of messages.</param>
internal sealed class TypeChecker(string text)
{
    /// <exception cref="ParseException">Something does not fit.</exception>
    public void Check(Expr expr)
    {
        switch (expr)
        {
            case AggregateExpr aggregate:
                Expect(aggregate.Operand, ExprType.InstantVector, "aggregation expression");
                if (aggregate.Parameter is { } parameter)
                {
                    Expect(parameter, aggregate.Operator == AggregateOperator.CountValues ? ExprType.String : ExprType.Scalar, "aggregation parameter");
                }
                break;
            case BinaryExpr binary:
                Check(binary);
                break;
            case CallExpr call:
                Check(call);
                break;
            case ParenExpr paren:
                Check(paren.Inner);
                break;
            case UnaryExpr unary:
                Check(unary.Operand);
                if (unary.Operand.Type is not (ExprType.Scalar or ExprType.InstantVector))
                {
                    throw new ParseException(unary.Position,
                        $"unary expression only allowed on expressions of type scalar or instant vector, got \"{unary.Operand.Type.Documented()}\"");
                }
                break;
            case SubqueryExpr subquery:
                Check(subquery.Inner);
                if (subquery.Inner.Type != ExprType.InstantVector)
                    throw new ParseException(subquery.Position, $"subquery is only allowed on instant vector, got {Short(subquery.Inner.Type)} instead");
                break;
            case MatrixSelector matrix:
                Check(matrix.Vector);
                break;
            case VectorSelector selector:
                Check(selector);
                break;
        }
    }

    private void Check(BinaryExpr binary)
    {
        Check(binary.Left);
        Check(binary.Right);
        var (left, right) = (binary.Left.Type, binary.Right.Type);
        var operatorAt = OperatorOf(binary);
        if (binary.ReturnBool && !binary.Operator.IsComparison())
            throw new ParseException(operatorAt, "bool modifier can only be used on comparison operators");
        if (binary.Operator.IsComparison() && !binary.ReturnBool && left == ExprType.Scalar && right == ExprType.Scalar)
            throw new ParseException(operatorAt, "comparisons between scalars must use BOOL modifier");
        var matching = binary.Matching;
        if (matching is { On: true } && matching.Labels.FirstOrDefault(matching.Include.Contains) is { } both)
            throw new ParseException(operatorAt, $"label {GoText.Quote(both)} must not occur in ON and GROUP clause at once");
        if (left is not (ExprType.Scalar or ExprType.InstantVector))
            throw new ParseException(binary.Left.Position, "binary expression must contain only scalar and instant vector types");
        if (right is not (ExprType.Scalar or ExprType.InstantVector))
            throw new ParseException(binary.Right.Position, "binary expression must contain only scalar and instant vector types");
        if (left == ExprType.InstantVector && right == ExprType.InstantVector)
        {
            if (!binary.Operator.IsSet()) return;
            if (matching!.Cardinality != MatchCardinality.ManyToMany)
                throw new ParseException(binary.Position, $"no grouping allowed for \"{binary.Operator.Symbol()}\" operation");
            if (matching.Fills) throw new ParseException(binary.Position, "filling in missing series not allowed for set operators");
            return;
        }
        if (matching is { Labels.Count: > 0 }) throw new ParseException(binary.Position, "vector matching only allowed between instant vectors");
        if (matching is { Fills: true }) throw new ParseException(binary.Position, "filling in missing series only allowed between instant vectors");
        if (binary.Operator.IsSet())
            throw new ParseException(binary.Position, $"set operator \"{binary.Operator.Symbol()}\" not allowed in binary scalar expression");
    }

    /// <summary>The operator stands between the operands.</summary>
    private PositionRange OperatorOf(BinaryExpr binary)
    {
        var (start, end) = (binary.Left.Position.End, binary.Right.Position.Start);
        while (start < end && char.IsWhiteSpace(text[start])) start++;
        return new(start, end);
    }

    private void Check(CallExpr call)
    {
        var (function, given) = (call.Function, call.Arguments.Count);
        var declared = function.Arguments.Count;
        if (function.Variadic == 0)
        {
            if (declared != given)
                throw new ParseException(call.Position, $"expected {declared} argument(s) in call to \"{function.Name}\", got {given}");
        }
        else if (given < declared - 1)
        {
            throw new ParseException(call.Position, $"expected at least {declared - 1} argument(s) in call to \"{function.Name}\", got {given}");
        }
        else if (function.Variadic > 0 && given > declared - 1 + function.Variadic)
        {
            throw new ParseException(call.Position,
                $"expected at most {declared - 1 + function.Variadic} argument(s) in call to \"{function.Name}\", got {given}");
        }
        var context = $"call to function \"{function.Name}\"";
        if (call.InfoSeries is not null && given > 1) CheckInfoLabels(call, context);
        for (var i = 0; i < given; i++)
        {
            // What info() is told the labels by need not choose any series.
            if (call.InfoSeries is null || i == 0) Expect(call.Arguments[i], function.Arguments[Math.Min(i, declared - 1)], context);
        }
    }

    private static void CheckInfoLabels(CallExpr call, string context)
    {
        var labels = call.Arguments[1];
        if (labels.Type != ExprType.InstantVector)
            throw new ParseException(call.Position, $"expected type {ExprType.InstantVector.Documented()} in {context}, got {labels.Type.Documented()}");
        if (labels is VectorSelector { Name: not null })
            throw new ParseException(labels.Position, "expected label selectors only, got vector selector instead");
        if (labels is not VectorSelector) throw new ParseException(labels.Position, "expected label selectors only");
    }

    private static void Check(VectorSelector selector)
    {
        if (selector.Name is not null)
        {
            if (selector.Matchers.SkipLast(1).FirstOrDefault(m => m.Name == Series.LabelSet.NameLabel) is { } second)
            {
                throw new ParseException(selector.Position,
                    $"metric name must not be set twice: {GoText.Quote(selector.Name)} or {GoText.Quote(second.Value)}");
            }
        }
        else if (selector.Matchers.All(m => m.MatchesEmpty))
        {
            throw new ParseException(selector.Position, "vector selector must contain at least one non-empty matcher");
        }
    }

    private void Expect(Expr expr, ExprType wanted, string context)
    {
        Check(expr);
        if (expr.Type != wanted)
            throw new ParseException(expr.Position, $"expected type {wanted.Documented()} in {context}, got {expr.Type.Documented()}");
    }

    private static string Short(ExprType type) => type switch
    {
        ExprType.InstantVector => "vector",
        ExprType.RangeVector => "matrix",
        _ => type.Documented(),
    };
}

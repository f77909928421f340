namespace Vigil.Metrics.PromQL;

/// <summary>Reads durations and arithmetic with them: within brackets, and behind offset.</summary>
/// <param name="cursor">At the duration.</param>
/// <param name="place">Where it stands, for messages.</param>
/// <param name="expected">What could stand there, for messages.</param>
internal sealed class DurationParser(TokenCursor cursor, string place, string expected)
{
    /// <summary>Reads the length of a window or a step: milliseconds above zero, or an expression in their place.</summary>
    /// <exception cref="ParseException">There is none.</exception>
    public static (long Milliseconds, DurationExpr? Expr) Positive(TokenCursor cursor, string place, string expected)
    {
        var value = new DurationParser(cursor, place, expected).Sum(0);
        if (value is not NumberLiteral literal) return (0, (DurationExpr)value);
        return literal.Value > 0 ? (Milliseconds(literal), null) : throw new ParseException(literal.Position, "duration must be greater than 0");
    }

    /// <summary>Reads how far back to look: milliseconds, or an expression in their place.</summary>
    /// <exception cref="ParseException">There is none.</exception>
    public static (long Milliseconds, DurationExpr? Expr) Offset(TokenCursor cursor)
    {
        var value = new DurationParser(cursor, "offset", "number, duration, step(), or range()").OffsetValue();
        return value is NumberLiteral literal ? (Milliseconds(literal), null) : (0, (DurationExpr)value);
    }

    private static long Milliseconds(NumberLiteral literal)
    {
        var milliseconds = Math.Round(literal.Value * 1000, MidpointRounding.AwayFromZero);
        return Math.Abs(milliseconds) <= Durations.MaxMs
            ? (long)milliseconds
            : throw new ParseException(literal.Position, "duration out of range");
    }

    private static bool IsSign(Token token) => token.Operator is BinaryOperator.Add or BinaryOperator.Subtract;

    private static bool IsFunction(Token token) => token.Is("step") || token.Is("range") || token.Is("min_of") || token.Is("max_of");

    private static bool CanStart(Token token) =>
        token.Kind is TokenKind.Number or TokenKind.Duration or TokenKind.LeftParen || IsSign(token) || IsFunction(token);

    /// <summary>
    /// Without parentheses an offset ends after a number or a function, so that "foo offset 5m + bar" is a sum. Behind parentheses without a sign
    /// an operator belongs to the offset, if a duration follows it.
    /// </summary>
    private Expr OffsetValue()
    {
        return cursor.Current.Kind == TokenKind.LeftParen ? Rest(Term(), 0, onlyDurations: true) : SignedTerm();

        Expr SignedTerm() => IsSign(cursor.Current) ? Signed(SignedTerm) : Term();
    }

    private Expr Sum(int minPrecedence) => cursor.Nested(() =>
    {
        // A sign binds like multiplication, as that of a value does: -2 ^ 2 is -(2 ^ 2).
        var left = IsSign(cursor.Current) ? Signed(() => Sum(Operators.PowerPrecedence)) : Term();
        return Rest(left, minPrecedence, onlyDurations: false);
    });

    private Expr Rest(Expr left, int minPrecedence, bool onlyDurations)
    {
        while (cursor.Current.Operator.ForDurations() is { } op && cursor.Current.Operator.Precedence() is var precedence && precedence >= minPrecedence
            && (!onlyDurations || CanStart(cursor.Next)))
        {
            var sign = cursor.Take();
            var right = Sum(op == DurationOperator.Power ? precedence : precedence + 1);
            if (right is NumberLiteral { Value: 0 } && op is DurationOperator.Divide or DurationOperator.Modulo)
                throw new ParseException(sign.Position, op == DurationOperator.Divide ? "division by zero" : "modulo by zero");
            left = TokenCursor.Limited(new DurationExpr(op, left, right, false, new(left.Position.Start, right.Position.End)));
        }
        return left;
    }

    private Expr Signed(Func<Expr> operand)
    {
        var sign = cursor.Take();
        var value = cursor.Nested(operand);
        var negative = sign.Operator == BinaryOperator.Subtract;
        if (value is NumberLiteral number)
            return number with { Value = negative ? -number.Value : number.Value, Position = new(sign.Start, number.Position.End) };
        return negative
            ? TokenCursor.Limited(new DurationExpr(DurationOperator.Subtract, null, value, false, new(sign.Start, value.Position.End)))
            : value;
    }

    private Expr Term()
    {
        var token = cursor.Current;
        if (token.Kind is TokenKind.Number or TokenKind.Duration)
        {
            var literal = cursor.TakeNumber();
            // Refused here, where it stands, even if a sum of it and others would fit.
            Milliseconds(literal);
            return literal;
        }
        if (token.Kind == TokenKind.LeftParen)
        {
            cursor.Take();
            var inner = Sum(0);
            var close = cursor.Take(TokenKind.RightParen, place, expected);
            // A number has no place for the parentheses: an idle sign keeps them.
            return inner is DurationExpr expr
                ? expr with { Wrapped = true }
                : new DurationExpr(DurationOperator.Add, null, inner, true, new(token.Start, close.End));
        }
        return IsFunction(token) ? Function() : throw cursor.Unexpected(place, expected);
    }

    private DurationExpr Function()
    {
        var name = cursor.Take();
        cursor.Take(TokenKind.LeftParen, place, expected);
        Expr? left = null, right = null;
        if (name.Is("min_of") || name.Is("max_of"))
        {
            left = Sum(0);
            cursor.Take(TokenKind.Comma, place, expected);
            right = Sum(0);
        }
        var close = cursor.Take(TokenKind.RightParen, place, expected);
        var function = name.Is("step") ? DurationOperator.Step
            : name.Is("range") ? DurationOperator.Range
            : name.Is("min_of") ? DurationOperator.MinOf
            : DurationOperator.MaxOf;
        return TokenCursor.Limited(new DurationExpr(function, left, right, false, new(name.Start, close.End)));
    }
}

using System.Globalization;

namespace Vigil.Metrics.PromQL;

/// <summary>Reads what may follow a selector or a subquery: a range, <c>offset</c>, <c>@</c>, <c>anchored</c>, <c>smoothed</c>.</summary>
internal static class SelectorModifiers
{
    /// <summary>Reads all that follows an expression.</summary>
    public static Expr Read(TokenCursor cursor, Expr expr)
    {
        while (true)
        {
            var token = cursor.Current;
            if (token.Kind == TokenKind.LeftBracket) expr = RangeOrSubquery(cursor, expr);
            else if (token.Kind == TokenKind.At) expr = At(cursor, expr);
            else if (token.Is("offset")) expr = Offset(cursor, expr);
            else if (token.Is("anchored") || token.Is("smoothed")) expr = Bounded(cursor, expr);
            else return expr;
        }
    }

    private static Expr Bounded(TokenCursor cursor, Expr expr)
    {
        var word = cursor.Take().Text.ToLowerInvariant();
        var boundary = word == "anchored" ? Boundary.Anchored : Boundary.Smoothed;
        var before = expr switch
        {
            VectorSelector v => v.Boundary,
            MatrixSelector m => m.Vector.Boundary,
            SubqueryExpr => throw new ParseException(expr.Position, $"{word} modifier is not supported for subqueries"),
            _ => throw new ParseException(expr.Position, $"{word} modifier not implemented"),
        };
        if (before != Boundary.Plain && before != boundary)
            throw new ParseException(expr.Position, "anchored and smoothed modifiers cannot be used together");
        return expr is MatrixSelector matrix
            ? matrix with { Vector = matrix.Vector with { Boundary = boundary } }
            : (VectorSelector)expr with { Boundary = boundary };
    }

    private static Expr RangeOrSubquery(TokenCursor cursor, Expr expr)
    {
        var open = cursor.Take();
        var calendar = CalendarRange.TryTake(cursor);
        var (range, rangeExpr) = calendar is null ? DurationParser.Positive(cursor, "subquery or range selector", "number, duration, step(), or range()") : (0, null);
        if (cursor.Current.Kind == TokenKind.RightBracket)
        {
            var close = cursor.Take();
            var wrong = expr switch
            {
                VectorSelector v when v.OffsetMs != 0 || v.OffsetExpr is not null => "no offset modifiers allowed before range",
                VectorSelector { At: not null } => "no @ modifiers allowed before range",
                VectorSelector => null,
                _ => "ranges only allowed for vector selectors",
            };
            if (wrong is not null) throw new ParseException(new(open.Start, close.End), wrong);
            return new MatrixSelector((VectorSelector)expr, range, new(expr.Position.Start, close.End)) { RangeExpr = rangeExpr, Calendar = calendar };
        }
        if (cursor.Current.Kind != TokenKind.Colon) throw cursor.Unexpected("subquery or range", "\":\" or \"]\"");
        cursor.Take();
        long? step = null;
        DurationExpr? stepExpr = null;
        if (cursor.Current.Kind != TokenKind.RightBracket)
        {
            (step, stepExpr) = DurationParser.Positive(cursor, "subquery selector", "number, duration, step(), range(), or \"]\"");
            if (cursor.Current.Kind != TokenKind.RightBracket) throw cursor.Unexpected("subquery selector", "\"]\"");
        }
        var position = new PositionRange(expr.Position.Start, cursor.Take().End);
        return TokenCursor.Limited(new SubqueryExpr(expr, range, stepExpr is null ? step : null, 0, null, position) { RangeExpr = rangeExpr, Calendar = calendar, StepExpr = stepExpr });
    }

    private static Expr Offset(TokenCursor cursor, Expr expr)
    {
        cursor.Take();
        var (offset, offsetExpr) = DurationParser.Offset(cursor);
        var end = cursor.Previous.End;
        PositionRange To(Expr e) => new(e.Position.Start, end);
        var set = expr switch
        {
            VectorSelector v => v.OffsetMs != 0 || v.OffsetExpr is not null,
            MatrixSelector m => m.Vector.OffsetMs != 0 || m.Vector.OffsetExpr is not null,
            SubqueryExpr s => s.OffsetMs != 0 || s.OffsetExpr is not null,
            _ => throw new ParseException(expr.Position,
                "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery"),
        };
        if (set) throw new ParseException(expr.Position, "offset may not be set multiple times");
        return expr switch
        {
            VectorSelector v => v with { OffsetMs = offset, OffsetExpr = offsetExpr, Position = To(v) },
            MatrixSelector m => m with { Vector = m.Vector with { OffsetMs = offset, OffsetExpr = offsetExpr }, Position = To(m) },
            _ => (SubqueryExpr)expr with { OffsetMs = offset, OffsetExpr = offsetExpr, Position = To(expr) },
        };
    }

    private static Expr At(TokenCursor cursor, Expr expr)
    {
        cursor.Take();
        AtModifier at;
        if (cursor.Current.Is("start") || cursor.Current.Is("end"))
        {
            var anchor = cursor.Current.Is("start") ? AtAnchor.Start : AtAnchor.End;
            cursor.Take();
            cursor.Take(TokenKind.LeftParen, "@", "timestamp");
            cursor.Take(TokenKind.RightParen, "@", "timestamp");
            at = new(anchor, 0);
        }
        else
        {
            var sign = 1;
            while (cursor.Current.Operator is BinaryOperator.Add or BinaryOperator.Subtract)
            {
                if (cursor.Take().Operator == BinaryOperator.Subtract) sign = -sign;
            }
            if (cursor.Current.Kind is not (TokenKind.Number or TokenKind.Duration)) throw cursor.Unexpected("@", "timestamp");
            var seconds = sign * cursor.TakeNumber().Value;
            if (!double.IsFinite(seconds) || Math.Abs(seconds) >= long.MaxValue / 1000d)
                throw new ParseException(expr.Position, $"timestamp out of bounds for @ modifier: {(double.IsFinite(seconds) ? seconds.ToString("F6", CultureInfo.InvariantCulture) : GoText.Float(seconds))}");
            at = new(AtAnchor.Time, (long)Math.Round(seconds * 1000, MidpointRounding.AwayFromZero));
        }
        var position = new PositionRange(expr.Position.Start, cursor.Previous.End);
        var set = expr switch
        {
            VectorSelector v => v.At is not null,
            MatrixSelector m => m.Vector.At is not null,
            SubqueryExpr s => s.At is not null,
            _ => throw new ParseException(expr.Position,
                "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery"),
        };
        if (set) throw new ParseException(expr.Position, "@ <timestamp> may not be set multiple times");
        return expr switch
        {
            VectorSelector v => v with { At = at, Position = position },
            MatrixSelector m => m with { Vector = m.Vector with { At = at }, Position = position },
            _ => (SubqueryExpr)expr with { At = at, Position = position },
        };
    }
}

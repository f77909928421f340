using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>
/// Reads PromQL: Prometheus 3's grammar with all that it calls experimental. Precedence climbing over the tokens; types are checked on the whole tree.
/// </summary>
internal sealed class PromQlParser
{
    /// <summary>The longest text taken, in UTF-16 units.</summary>
    public const int MaxLength = 65_536;

    /// <summary>The deepest tree taken; see <see cref="Expr.Depth"/>.</summary>
    public const int MaxDepth = 250;

    private readonly TokenCursor cursor;

    private PromQlParser(TokenCursor cursor) => this.cursor = cursor;

    private Token Current => cursor.Current;

    /// <summary>Reads and type-checks an expression; never throws.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out Expr? expr, [NotNullWhen(false)] out ParseError? error)
    {
        expr = null;
        error = null;
        if (text.Length > MaxLength)
        {
            error = ParseError.At(text, new(0, text.Length), $"expression is longer than {MaxLength} characters");
            return false;
        }
        try
        {
            var parser = new PromQlParser(new TokenCursor(Lexer.Tokenize(text)));
            var parsed = parser.Whole();
            TypeChecker.Check(parsed);
            expr = parsed;
            return true;
        }
        catch (ParseException e)
        {
            error = ParseError.At(text, e.Position, e.Message);
            return false;
        }
    }

    /// <summary>Reads a selector and nothing else, as the APIs that list series take it.</summary>
    public static bool TryParseSelector(string text, [NotNullWhen(true)] out VectorSelector? selector, [NotNullWhen(false)] out ParseError? error)
    {
        selector = null;
        if (!TryParse(text, out var expr, out error)) return false;
        selector = expr as VectorSelector;
        if (selector is { OffsetMs: 0, OffsetExpr: null, At: null, Boundary: Boundary.Plain }) return true;
        selector = null;
        error = ParseError.At(text, new(0, text.Length), "a series selector is expected");
        return false;
    }

    private Expr Whole()
    {
        if (Current.Kind == TokenKind.EndOfInput) throw new ParseException(default, "no expression found in input");
        var expr = Binary(0);
        if (Current.Kind != TokenKind.EndOfInput) throw cursor.Unexpected();
        return expr;
    }

    private Expr Binary(int minPrecedence) => cursor.Nested(() => Operations(minPrecedence));

    private Expr Operations(int minPrecedence)
    {
        var left = Unary();
        while (Current.Kind == TokenKind.Operator)
        {
            var op = Current.Operator;
            var precedence = op.Precedence();
            if (precedence < minPrecedence) break;
            cursor.Take();
            var (returnBool, matching) = Modifiers(op);
            // Power alone binds to the right.
            var right = Binary(op == BinaryOperator.Power ? precedence : precedence + 1);
            // Between scalars nothing is matched; labels to match on are left for the type check to refuse.
            var unmatched = matching is { Labels.Count: 0, Fills: false } && (left.Type != ExprType.InstantVector || right.Type != ExprType.InstantVector);
            left = TokenCursor.Limited(new BinaryExpr(op, left, right, returnBool, unmatched ? null : matching, new(left.Position.Start, right.Position.End)));
        }
        return left;
    }

    private Expr Unary()
    {
        if (Current.Operator is not (BinaryOperator.Add or BinaryOperator.Subtract)) return Postfix(Primary());
        var sign = cursor.Take();
        var operand = Binary(Operators.PowerPrecedence);
        var position = new PositionRange(sign.Start, operand.Position.End);
        var negative = sign.Operator == BinaryOperator.Subtract;
        return operand is NumberLiteral number
            ? number with { Value = negative ? -number.Value : number.Value, Position = position }
            : TokenCursor.Limited(new UnaryExpr(negative, operand, position));
    }

    private Expr Primary()
    {
        var token = Current;
        switch (token.Kind)
        {
            case TokenKind.Number or TokenKind.Duration:
                return cursor.TakeNumber();
            case TokenKind.String:
                cursor.Take();
                return new StringLiteral(Unquote(token), token.Position);
            case TokenKind.LeftParen:
                cursor.Take();
                var inner = Binary(0);
                if (Current.Kind != TokenKind.RightParen) throw cursor.Unexpected();
                return TokenCursor.Limited(new ParenExpr(inner, new(token.Start, cursor.Take().End)));
            case TokenKind.LeftBrace:
                return Selector(null, token.Start);
            case TokenKind.Aggregator when StartsAggregation():
                return Aggregation();
            case TokenKind.Identifier or TokenKind.Keyword when cursor.Next.Kind == TokenKind.LeftParen
                && (token.Kind == TokenKind.Identifier || FunctionSignature.All.ContainsKey(token.Text)):
                return Call();
            case TokenKind.Identifier or TokenKind.MetricIdentifier or TokenKind.Aggregator:
                return Selector(token.Text, token.Start);
            case TokenKind.Keyword when !token.Is("bool") && !token.Is("on") && !token.Is("ignoring") && !token.Is("group_left") && !token.Is("group_right"):
                return Selector(token.Text, token.Start);
            case TokenKind.Operator when token.Operator.IsSet():
                return Selector(token.Text, token.Start);
            default:
                throw cursor.Unexpected();
        }
    }

    private bool StartsAggregation() =>
        cursor.Next.Kind == TokenKind.LeftParen || cursor.Next.Is("by") || cursor.Next.Is("without");

    private Expr Postfix(Expr expr)
    {
        while (true)
        {
            var token = Current;
            if (token.Kind == TokenKind.LeftBracket) expr = RangeOrSubquery(expr);
            else if (token.Kind == TokenKind.At) expr = At(expr);
            else if (token.Is("offset")) expr = Offset(expr);
            else if (token.Is("anchored") || token.Is("smoothed")) expr = Bounded(expr);
            else return expr;
        }
    }

    private Expr Bounded(Expr expr)
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

    private Expr RangeOrSubquery(Expr expr)
    {
        var open = cursor.Take();
        var (range, rangeExpr) = DurationParser.Positive(cursor, "subquery or range selector", "number, duration, step(), or range()");
        if (Current.Kind == TokenKind.RightBracket)
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
            return new MatrixSelector((VectorSelector)expr, range, new(expr.Position.Start, close.End)) { RangeExpr = rangeExpr };
        }
        if (Current.Kind != TokenKind.Colon) throw cursor.Unexpected("subquery or range", "\":\" or \"]\"");
        cursor.Take();
        long? step = null;
        DurationExpr? stepExpr = null;
        if (Current.Kind != TokenKind.RightBracket)
        {
            (step, stepExpr) = DurationParser.Positive(cursor, "subquery selector", "number, duration, step(), range(), or \"]\"");
            if (Current.Kind != TokenKind.RightBracket) throw cursor.Unexpected("subquery selector", "\"]\"");
        }
        var position = new PositionRange(expr.Position.Start, cursor.Take().End);
        return TokenCursor.Limited(new SubqueryExpr(expr, range, stepExpr is null ? step : null, 0, null, position) { RangeExpr = rangeExpr, StepExpr = stepExpr });
    }

    private Expr Offset(Expr expr)
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

    private Expr At(Expr expr)
    {
        cursor.Take();
        AtModifier at;
        if (Current.Is("start") || Current.Is("end"))
        {
            var anchor = Current.Is("start") ? AtAnchor.Start : AtAnchor.End;
            cursor.Take();
            cursor.Take(TokenKind.LeftParen, "@", "timestamp");
            cursor.Take(TokenKind.RightParen, "@", "timestamp");
            at = new(anchor, 0);
        }
        else
        {
            var sign = 1;
            while (Current.Operator is BinaryOperator.Add or BinaryOperator.Subtract)
            {
                if (cursor.Take().Operator == BinaryOperator.Subtract) sign = -sign;
            }
            if (Current.Kind is not (TokenKind.Number or TokenKind.Duration)) throw cursor.Unexpected("@", "timestamp");
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

    private VectorSelector Selector(string? name, int start)
    {
        var matchers = new List<LabelMatcher>();
        var end = start;
        if (name is not null) end = cursor.Take().End;
        if (Current.Kind == TokenKind.LeftBrace)
        {
            cursor.Take();
            while (Current.Kind != TokenKind.RightBrace)
            {
                matchers.Add(Matcher());
                if (Current.Kind == TokenKind.Comma) cursor.Take();
                else if (Current.Kind != TokenKind.RightBrace) throw cursor.Unexpected("label matching", "\",\" or \"}\"");
            }
            end = cursor.Take().End;
        }
        if (name is not null) matchers.Add(LabelMatcher.Create(LabelSet.NameLabel, MatchKind.Equal, name));
        return new VectorSelector(name, matchers, 0, null, new(start, end));
    }

    private LabelMatcher Matcher()
    {
        var label = Current;
        if (label.Kind is not (TokenKind.Identifier or TokenKind.String)) throw cursor.Unexpected("label matching", "identifier or \"}\"");
        cursor.Take();
        var name = label.Kind == TokenKind.String ? Unquote(label) : label.Text;
        MatchKind kind;
        switch (Current.Kind)
        {
            case TokenKind.Equal: kind = MatchKind.Equal; break;
            case TokenKind.EqualRegex: kind = MatchKind.Regex; break;
            case TokenKind.NotEqualRegex: kind = MatchKind.NotRegex; break;
            case TokenKind.Operator when Current.Operator == BinaryOperator.NotEqual: kind = MatchKind.NotEqual; break;
            // A text alone is the metric's name.
            case var _ when label.Kind == TokenKind.String:
                return LabelMatcher.Create(LabelSet.NameLabel, MatchKind.Equal, name);
            default: throw cursor.Unexpected("label matching", "label matching operator");
        }
        cursor.Take();
        if (Current.Kind != TokenKind.String) throw cursor.Unexpected("label matching", "string");
        var value = cursor.Take();
        return LabelMatcher.TryCreate(name, kind, Unquote(value), out var matcher, out var error)
            ? matcher!
            : throw new ParseException(new(label.Start, value.End), error!);
    }

    private CallExpr Call()
    {
        var name = cursor.Take();
        if (!FunctionSignature.All.TryGetValue(name.Text, out var function))
            throw new ParseException(name.Position, $"unknown function with name {GoText.Quote(name.Text)}");
        var arguments = Arguments();
        return TokenCursor.Limited(new CallExpr(function, arguments, new(name.Start, cursor.Previous.End)));
    }

    private List<Expr> Arguments()
    {
        cursor.Take(TokenKind.LeftParen, "", "");
        var arguments = new List<Expr>();
        while (Current.Kind != TokenKind.RightParen)
        {
            arguments.Add(Binary(0));
            if (Current.Kind == TokenKind.Comma)
            {
                if (cursor.Next.Kind == TokenKind.RightParen)
                    throw new ParseException(Current.Position, "trailing commas not allowed in function call args");
                cursor.Take();
            }
            else if (Current.Kind != TokenKind.RightParen)
            {
                throw cursor.Unexpected();
            }
        }
        cursor.Take();
        return arguments;
    }

    private AggregateExpr Aggregation()
    {
        var op = cursor.Take();
        var grouping = Grouping();
        var arguments = Arguments();
        grouping ??= Grouping();
        var position = new PositionRange(op.Start, cursor.Previous.End);
        if (arguments.Count == 0) throw new ParseException(position, "no arguments for aggregate expression provided");
        var wanted = op.Aggregator.TakesParameter() ? 2 : 1;
        if (arguments.Count != wanted)
        {
            throw new ParseException(position,
                $"wrong number of arguments for aggregate expression provided, expected {wanted}, got {arguments.Count}");
        }
        return TokenCursor.Limited(new AggregateExpr(op.Aggregator, arguments[^1], wanted == 2 ? arguments[0] : null,
            grouping?.Labels ?? [], grouping?.Without ?? false, position));
    }

    private (List<string> Labels, bool Without)? Grouping()
    {
        if (!Current.Is("by") && !Current.Is("without")) return null;
        var without = cursor.Take().Is("without");
        return (LabelList(), without);
    }

    private (bool ReturnBool, VectorMatching Matching) Modifiers(BinaryOperator op)
    {
        var returnBool = Current.Is("bool");
        if (returnBool) cursor.Take();
        var cardinality = op.IsSet() ? MatchCardinality.ManyToMany : MatchCardinality.OneToOne;
        List<string> labels = [], include = [];
        var on = false;
        if (Current.Is("on") || Current.Is("ignoring"))
        {
            on = cursor.Take().Is("on");
            labels = LabelList();
            if (Current.Is("group_left") || Current.Is("group_right"))
            {
                cardinality = cursor.Take().Is("group_left") ? MatchCardinality.ManyToOne : MatchCardinality.OneToMany;
                if (Current.Kind == TokenKind.LeftParen) include = LabelList();
            }
        }
        double? fillLeft = null, fillRight = null;
        if (Current.Is("fill"))
        {
            fillLeft = fillRight = FillValue();
        }
        else
        {
            while ((Current.Is("fill_left") && fillLeft is null) || (Current.Is("fill_right") && fillRight is null))
            {
                if (Current.Is("fill_left")) fillLeft = FillValue();
                else fillRight = FillValue();
            }
        }
        return (returnBool, new(cardinality, on, labels, include) { FillLeft = fillLeft, FillRight = fillRight });
    }

    private double FillValue()
    {
        cursor.Take();
        cursor.Take(TokenKind.LeftParen, "", "");
        var sign = Current.Operator is BinaryOperator.Add or BinaryOperator.Subtract ? cursor.Take().Operator : BinaryOperator.Add;
        if (Current.Kind is not (TokenKind.Number or TokenKind.Duration)) throw cursor.Unexpected();
        var value = cursor.TakeNumber().Value;
        cursor.Take(TokenKind.RightParen, "", "");
        return sign == BinaryOperator.Subtract ? -value : value;
    }

    private List<string> LabelList()
    {
        cursor.Take(TokenKind.LeftParen, "grouping opts", "\"(\"");
        var labels = new List<string>();
        while (Current.Kind != TokenKind.RightParen)
        {
            var token = Current;
            var isWord = token.Kind is TokenKind.Identifier or TokenKind.MetricIdentifier or TokenKind.Keyword or TokenKind.Aggregator
                || (token.Kind == TokenKind.Operator && (token.Operator.IsSet() || token.Operator == BinaryOperator.Atan2));
            if (!isWord && token.Kind != TokenKind.String) throw cursor.Unexpected("grouping opts", "label");
            cursor.Take();
            var name = isWord ? token.Text : Unquote(token);
            if (!LabelNames.IsValid(name))
                throw new ParseException(token.Position, $"invalid label name for grouping: {GoText.Quote(name)}");
            labels.Add(name);
            if (Current.Kind == TokenKind.Comma) cursor.Take();
            else if (Current.Kind != TokenKind.RightParen) throw cursor.Unexpected("grouping opts", "\",\" or \")\"");
        }
        cursor.Take();
        return labels;
    }

    private static string Unquote(Token token)
    {
        try
        {
            return GoStrings.Unquote(token.Text);
        }
        catch (FormatException e)
        {
            throw new ParseException(token.Position, e.Message);
        }
    }
}

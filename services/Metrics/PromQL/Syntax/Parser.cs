using System.Diagnostics.CodeAnalysis;

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
    public static bool TryParse(string text, [NotNullWhen(true)] out Expr? expr, [NotNullWhen(false)] out ParseError? error) => TryRead(text, parser =>
    {
        var whole = parser.Whole();
        new TypeChecker(text).Check(whole);
        return whole;
    }, out expr, out error);

    /// <summary>Reads a selector and nothing else, as the APIs that list series take it. It may choose everything.</summary>
    public static bool TryParseSelector(string text, [NotNullWhen(true)] out VectorSelector? selector, [NotNullWhen(false)] out ParseError? error)
    {
        selector = null;
        if (!TryRead(text, static parser => parser.OnlySelector(), out var expr, out error)) return false;
        selector = (VectorSelector)expr;
        return true;
    }

    private static bool TryRead(string text, Func<PromQlParser, Expr> read, [NotNullWhen(true)] out Expr? expr, [NotNullWhen(false)] out ParseError? error)
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
            expr = read(new PromQlParser(new TokenCursor(Lexer.Tokenize(text))));
            return true;
        }
        catch (ParseException e)
        {
            error = ParseError.At(text, e.Position, e.Message);
            return false;
        }
    }

    private Expr Whole()
    {
        if (Current.Kind == TokenKind.EndOfInput) throw new ParseException(default, "no expression found in input");
        var expr = Binary(0);
        if (Current.Kind != TokenKind.EndOfInput) throw cursor.Unexpected();
        return expr;
    }

    private VectorSelector OnlySelector()
    {
        var first = Current;
        var isName = first.Kind is TokenKind.Identifier or TokenKind.MetricIdentifier or TokenKind.Aggregator || IsNameToo(first);
        if (!isName && first.Kind != TokenKind.LeftBrace) throw cursor.Unexpected();
        var selector = SelectorParser.Read(cursor, isName ? first.Text : null);
        return Current.Kind == TokenKind.EndOfInput ? selector : throw cursor.Unexpected();
    }

    /// <summary>Words of the language that may be the name of a metric.</summary>
    private static bool IsNameToo(Token token) => token.Kind == TokenKind.Keyword
        ? !token.Is("bool") && !token.Is("on") && !token.Is("ignoring") && !token.Is("group_left") && !token.Is("group_right")
        : token.Operator.IsSet();

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
            var (returnBool, matching) = MatchingParser.Read(cursor, op);
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
        if (Current.Operator is not (BinaryOperator.Add or BinaryOperator.Subtract)) return SelectorModifiers.Read(cursor, Primary());
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
                return new StringLiteral(TokenCursor.Unquote(token), token.Position);
            case TokenKind.LeftParen:
                cursor.Take();
                var inner = Binary(0);
                if (Current.Kind != TokenKind.RightParen) throw cursor.Unexpected();
                return TokenCursor.Limited(new ParenExpr(inner, new(token.Start, cursor.Take().End)));
            case TokenKind.LeftBrace:
                return SelectorParser.Read(cursor, null);
            case TokenKind.Aggregator when StartsAggregation():
                return Aggregation();
            case TokenKind.Identifier or TokenKind.Keyword when cursor.Next.Kind == TokenKind.LeftParen
                && (token.Kind == TokenKind.Identifier || FunctionSignature.All.ContainsKey(token.Text)):
                return Call();
            case TokenKind.Identifier or TokenKind.MetricIdentifier or TokenKind.Aggregator:
                return SelectorParser.Read(cursor, token.Text);
            case var _ when IsNameToo(token):
                return SelectorParser.Read(cursor, token.Text);
            default:
                throw cursor.Unexpected();
        }
    }

    private static bool StartsExpression(Token token) => token.Kind is TokenKind.Number or TokenKind.Duration or TokenKind.String or TokenKind.LeftParen or TokenKind.LeftBrace
        or TokenKind.Identifier or TokenKind.MetricIdentifier or TokenKind.Aggregator || token.Operator is BinaryOperator.Add or BinaryOperator.Subtract || IsNameToo(token);

    private bool StartsAggregation() =>
        cursor.Next.Kind == TokenKind.LeftParen || cursor.Next.Is("by") || cursor.Next.Is("without");

    private CallExpr Call()
    {
        var name = cursor.Take();
        var arguments = Arguments();
        if (!FunctionSignature.All.TryGetValue(name.Text, out var function))
            throw new ParseException(name.Position, $"unknown function with name {GoText.Quote(name.Text)}");
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
                var comma = cursor.Take();
                if (!StartsExpression(Current)) throw new ParseException(comma.Position, "trailing commas not allowed in function call args");
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
        var grouping = MatchingParser.Grouping(cursor);
        if (Current.Kind != TokenKind.LeftParen) throw cursor.Unexpected("aggregation");
        var arguments = cursor.WithinAggregation(Arguments);
        grouping ??= MatchingParser.Grouping(cursor);
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
}

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

    private readonly List<Token> tokens;
    private int index;
    private int nesting;

    // What messages on the duration at hand say: where it stands, and what could stand there.
    private (string Place, string Expected) duration = ("", "");

    private PromQlParser(List<Token> tokens) => this.tokens = tokens;

    private Token Current => tokens[index];

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
            var parser = new PromQlParser(Lexer.Tokenize(text));
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
        if (Current.Kind != TokenKind.EndOfInput) throw Unexpected("", "");
        return expr;
    }

    private Expr Binary(int minPrecedence)
    {
        if (++nesting > MaxDepth) throw TooDeep();
        var left = Unary();
        while (Current.Kind == TokenKind.Operator)
        {
            var op = Current.Operator;
            var precedence = op.Precedence();
            if (precedence < minPrecedence) break;
            index++;
            var (returnBool, matching) = Modifiers(op);
            // Power alone binds to the right.
            var right = Binary(op == BinaryOperator.Power ? precedence : precedence + 1);
            // Between scalars nothing is matched; labels to match on are left for the type check to refuse.
            var unmatched = matching is { Labels.Count: 0, Fills: false } && (left.Type != ExprType.InstantVector || right.Type != ExprType.InstantVector);
            left = Limited(new BinaryExpr(op, left, right, returnBool, unmatched ? null : matching, new(left.Position.Start, right.Position.End)));
        }
        nesting--;
        return left;
    }

    private Expr Unary()
    {
        if (Current.Operator is not (BinaryOperator.Add or BinaryOperator.Subtract)) return Postfix(Primary());
        var sign = tokens[index++];
        var operand = Binary(Operators.PowerPrecedence);
        var position = new PositionRange(sign.Start, operand.Position.End);
        var negative = sign.Operator == BinaryOperator.Subtract;
        return operand is NumberLiteral number
            ? number with { Value = negative ? -number.Value : number.Value, Position = position }
            : Limited(new UnaryExpr(negative, operand, position));
    }

    private Expr Primary()
    {
        var token = Current;
        switch (token.Kind)
        {
            case TokenKind.Number or TokenKind.Duration:
                index++;
                return Number(token);
            case TokenKind.String:
                index++;
                return new StringLiteral(Unquote(token), token.Position);
            case TokenKind.LeftParen:
                index++;
                var inner = Binary(0);
                if (Current.Kind != TokenKind.RightParen) throw Unexpected("", "");
                return Limited(new ParenExpr(inner, new(token.Start, tokens[index++].End)));
            case TokenKind.LeftBrace:
                return Selector(null, token.Start);
            case TokenKind.Aggregator when StartsAggregation():
                return Aggregation();
            case TokenKind.Identifier or TokenKind.Keyword when tokens[index + 1].Kind == TokenKind.LeftParen
                && (token.Kind == TokenKind.Identifier || FunctionSignature.All.ContainsKey(token.Text)):
                return Call();
            case TokenKind.Identifier or TokenKind.MetricIdentifier or TokenKind.Aggregator:
                return Selector(token.Text, token.Start);
            case TokenKind.Keyword when !token.Is("bool") && !token.Is("on") && !token.Is("ignoring") && !token.Is("group_left") && !token.Is("group_right"):
                return Selector(token.Text, token.Start);
            case TokenKind.Operator when token.Operator.IsSet():
                return Selector(token.Text, token.Start);
            default:
                throw Unexpected("", "");
        }
    }

    private bool StartsAggregation() =>
        tokens[index + 1].Kind == TokenKind.LeftParen || tokens[index + 1].Is("by") || tokens[index + 1].Is("without");

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
        var word = tokens[index++].Text.ToLowerInvariant();
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
        var open = tokens[index++];
        duration = ("subquery or range selector", "number, duration, step(), or range()");
        var (range, rangeExpr) = PositiveDuration();
        if (Current.Kind == TokenKind.RightBracket)
        {
            var close = tokens[index++];
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
        if (Current.Kind != TokenKind.Colon) throw Unexpected("subquery or range", "\":\" or \"]\"");
        index++;
        long? step = null;
        DurationExpr? stepExpr = null;
        duration = ("subquery selector", "number, duration, step(), range(), or \"]\"");
        if (Current.Kind != TokenKind.RightBracket)
        {
            (step, stepExpr) = PositiveDuration();
            if (Current.Kind != TokenKind.RightBracket) throw Unexpected("subquery selector", "\"]\"");
        }
        var position = new PositionRange(expr.Position.Start, tokens[index++].End);
        return Limited(new SubqueryExpr(expr, range, stepExpr is null ? step : null, 0, null, position) { RangeExpr = rangeExpr, StepExpr = stepExpr });
    }

    private Expr Offset(Expr expr)
    {
        index++;
        duration = ("offset", "number, duration, step(), or range()");
        var value = OffsetDuration();
        var end = tokens[index - 1].End;
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
        var (offset, offsetExpr) = (value is NumberLiteral literal ? DurationMs(literal) : 0, value as DurationExpr);
        return expr switch
        {
            VectorSelector v => v with { OffsetMs = offset, OffsetExpr = offsetExpr, Position = To(v) },
            MatrixSelector m => m with { Vector = m.Vector with { OffsetMs = offset, OffsetExpr = offsetExpr }, Position = To(m) },
            _ => (SubqueryExpr)expr with { OffsetMs = offset, OffsetExpr = offsetExpr, Position = To(expr) },
        };
    }

    private bool StartsDuration(int at) => tokens[at].Kind is TokenKind.Number or TokenKind.Duration or TokenKind.LeftParen
        || tokens[at].Operator is BinaryOperator.Add or BinaryOperator.Subtract || IsDurationFunction(tokens[at]);

    private static bool IsDurationFunction(Token token) => token.Is("step") || token.Is("range") || token.Is("min_of") || token.Is("max_of");

    /// <summary>
    /// Without parentheses an offset ends after a number or a function, so that "foo offset 5m + bar" is a sum. After closing parentheses an
    /// operator belongs to the offset, if a duration follows it.
    /// </summary>
    private Expr OffsetDuration() => Current.Kind == TokenKind.LeftParen ? MoreOfDuration(DurationTerm(), 0, onlyDurations: true)
        : Current.Operator == BinaryOperator.None ? DurationTerm()
        : Signed(tokens[index++], OffsetDuration);

    private Expr Duration(int minPrecedence)
    {
        if (++nesting > MaxDepth) throw TooDeep();
        var left = Current.Operator is BinaryOperator.Add or BinaryOperator.Subtract
            // Like a unary sign of values, which binds like multiplication: -2 ^ 2 is -(2 ^ 2).
            ? Signed(tokens[index++], () => Duration(Operators.PowerPrecedence))
            : DurationTerm();
        left = MoreOfDuration(left, minPrecedence, onlyDurations: false);
        nesting--;
        return left;
    }

    private Expr MoreOfDuration(Expr left, int minPrecedence, bool onlyDurations)
    {
        while (Current.Operator.ForDurations() is { } op && Current.Operator.Precedence() is var precedence && precedence >= minPrecedence
            && (!onlyDurations || StartsDuration(index + 1)))
        {
            var sign = tokens[index++];
            var right = Duration(op == DurationOperator.Power ? precedence : precedence + 1);
            if (right is NumberLiteral { Value: 0 } && op is DurationOperator.Divide or DurationOperator.Modulo)
                throw new ParseException(sign.Position, op == DurationOperator.Divide ? "division by zero" : "modulo by zero");
            left = Limited(new DurationExpr(op, left, right, false, new(left.Position.Start, right.Position.End)));
        }
        return left;
    }

    private Expr Signed(Token sign, Func<Expr> operand)
    {
        if (++nesting > MaxDepth) throw TooDeep();
        var value = operand();
        nesting--;
        var negative = sign.Operator == BinaryOperator.Subtract;
        if (value is NumberLiteral number)
            return number with { Value = negative ? -number.Value : number.Value, Position = new(sign.Start, number.Position.End) };
        return negative ? Limited(new DurationExpr(DurationOperator.Subtract, null, value, false, new(sign.Start, value.Position.End))) : value;
    }

    private Expr DurationTerm()
    {
        var token = Current;
        if (token.Kind is TokenKind.Number or TokenKind.Duration)
        {
            index++;
            var literal = Number(token);
            DurationMs(literal);
            return literal;
        }
        if (token.Kind == TokenKind.LeftParen)
        {
            index++;
            var inner = Duration(0);
            Expect(TokenKind.RightParen, duration.Place, duration.Expected);
            // A number has no place for the parentheses: an idle sign keeps them.
            return inner is DurationExpr expr
                ? expr with { Wrapped = true }
                : new DurationExpr(DurationOperator.Add, null, inner, true, new(token.Start, tokens[index - 1].End));
        }
        if (!IsDurationFunction(token)) throw Unexpected(duration.Place, duration.Expected);
        index++;
        Expect(TokenKind.LeftParen, duration.Place, duration.Expected);
        Expr? left = null, right = null;
        if (token.Is("min_of") || token.Is("max_of"))
        {
            left = Duration(0);
            Expect(TokenKind.Comma, duration.Place, duration.Expected);
            right = Duration(0);
        }
        Expect(TokenKind.RightParen, duration.Place, duration.Expected);
        var function = token.Is("step") ? DurationOperator.Step
            : token.Is("range") ? DurationOperator.Range
            : token.Is("min_of") ? DurationOperator.MinOf
            : DurationOperator.MaxOf;
        return Limited(new DurationExpr(function, left, right, false, new(token.Start, tokens[index - 1].End)));
    }

    private Expr At(Expr expr)
    {
        index++;
        AtModifier at;
        if (Current.Is("start") || Current.Is("end"))
        {
            var anchor = Current.Is("start") ? AtAnchor.Start : AtAnchor.End;
            index++;
            Expect(TokenKind.LeftParen, "@", "timestamp");
            Expect(TokenKind.RightParen, "@", "timestamp");
            at = new(anchor, 0);
        }
        else
        {
            var sign = 1;
            while (Current.Operator is BinaryOperator.Add or BinaryOperator.Subtract)
            {
                if (tokens[index++].Operator == BinaryOperator.Subtract) sign = -sign;
            }
            if (Current.Kind is not (TokenKind.Number or TokenKind.Duration)) throw Unexpected("@", "timestamp");
            var seconds = sign * Number(tokens[index++]).Value;
            if (!double.IsFinite(seconds) || Math.Abs(seconds) >= long.MaxValue / 1000d)
                throw new ParseException(expr.Position, $"timestamp out of bounds for @ modifier: {(double.IsFinite(seconds) ? seconds.ToString("F6", CultureInfo.InvariantCulture) : GoText.Float(seconds))}");
            at = new(AtAnchor.Time, (long)Math.Round(seconds * 1000, MidpointRounding.AwayFromZero));
        }
        var position = new PositionRange(expr.Position.Start, tokens[index - 1].End);
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
        if (name is not null) end = tokens[index++].End;
        if (Current.Kind == TokenKind.LeftBrace)
        {
            index++;
            while (Current.Kind != TokenKind.RightBrace)
            {
                matchers.Add(Matcher());
                if (Current.Kind == TokenKind.Comma) index++;
                else if (Current.Kind != TokenKind.RightBrace) throw Unexpected("label matching", "\",\" or \"}\"");
            }
            end = tokens[index++].End;
        }
        if (name is not null) matchers.Add(LabelMatcher.Create(LabelSet.NameLabel, MatchKind.Equal, name));
        return new VectorSelector(name, matchers, 0, null, new(start, end));
    }

    private LabelMatcher Matcher()
    {
        var label = Current;
        if (label.Kind is not (TokenKind.Identifier or TokenKind.String)) throw Unexpected("label matching", "identifier or \"}\"");
        index++;
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
            default: throw Unexpected("label matching", "label matching operator");
        }
        index++;
        if (Current.Kind != TokenKind.String) throw Unexpected("label matching", "string");
        var value = tokens[index++];
        return LabelMatcher.TryCreate(name, kind, Unquote(value), out var matcher, out var error)
            ? matcher!
            : throw new ParseException(new(label.Start, value.End), error!);
    }

    private CallExpr Call()
    {
        var name = tokens[index++];
        if (!FunctionSignature.All.TryGetValue(name.Text, out var function))
            throw new ParseException(name.Position, $"unknown function with name {GoText.Quote(name.Text)}");
        var arguments = Arguments();
        return Limited(new CallExpr(function, arguments, new(name.Start, tokens[index - 1].End)));
    }

    private List<Expr> Arguments()
    {
        Expect(TokenKind.LeftParen, "", "");
        var arguments = new List<Expr>();
        while (Current.Kind != TokenKind.RightParen)
        {
            arguments.Add(Binary(0));
            if (Current.Kind == TokenKind.Comma)
            {
                if (tokens[index + 1].Kind == TokenKind.RightParen)
                    throw new ParseException(Current.Position, "trailing commas not allowed in function call args");
                index++;
            }
            else if (Current.Kind != TokenKind.RightParen)
            {
                throw Unexpected("", "");
            }
        }
        index++;
        return arguments;
    }

    private AggregateExpr Aggregation()
    {
        var op = tokens[index++];
        var grouping = Grouping();
        var arguments = Arguments();
        grouping ??= Grouping();
        var position = new PositionRange(op.Start, tokens[index - 1].End);
        if (arguments.Count == 0) throw new ParseException(position, "no arguments for aggregate expression provided");
        var wanted = op.Aggregator.TakesParameter() ? 2 : 1;
        if (arguments.Count != wanted)
        {
            throw new ParseException(position,
                $"wrong number of arguments for aggregate expression provided, expected {wanted}, got {arguments.Count}");
        }
        return Limited(new AggregateExpr(op.Aggregator, arguments[^1], wanted == 2 ? arguments[0] : null,
            grouping?.Labels ?? [], grouping?.Without ?? false, position));
    }

    private (List<string> Labels, bool Without)? Grouping()
    {
        if (!Current.Is("by") && !Current.Is("without")) return null;
        var without = tokens[index++].Is("without");
        return (LabelList(), without);
    }

    private (bool ReturnBool, VectorMatching Matching) Modifiers(BinaryOperator op)
    {
        var returnBool = Current.Is("bool");
        if (returnBool) index++;
        var cardinality = op.IsSet() ? MatchCardinality.ManyToMany : MatchCardinality.OneToOne;
        List<string> labels = [], include = [];
        var on = false;
        if (Current.Is("on") || Current.Is("ignoring"))
        {
            on = tokens[index++].Is("on");
            labels = LabelList();
            if (Current.Is("group_left") || Current.Is("group_right"))
            {
                cardinality = tokens[index++].Is("group_left") ? MatchCardinality.ManyToOne : MatchCardinality.OneToMany;
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
        index++;
        Expect(TokenKind.LeftParen, "", "");
        var sign = Current.Operator is BinaryOperator.Add or BinaryOperator.Subtract ? tokens[index++].Operator : BinaryOperator.Add;
        if (Current.Kind is not (TokenKind.Number or TokenKind.Duration)) throw Unexpected("", "");
        var value = Number(tokens[index++]).Value;
        Expect(TokenKind.RightParen, "", "");
        return sign == BinaryOperator.Subtract ? -value : value;
    }

    private List<string> LabelList()
    {
        Expect(TokenKind.LeftParen, "grouping opts", "\"(\"");
        var labels = new List<string>();
        while (Current.Kind != TokenKind.RightParen)
        {
            var token = Current;
            var isWord = token.Kind is TokenKind.Identifier or TokenKind.MetricIdentifier or TokenKind.Keyword or TokenKind.Aggregator
                || (token.Kind == TokenKind.Operator && (token.Operator.IsSet() || token.Operator == BinaryOperator.Atan2));
            if (!isWord && token.Kind != TokenKind.String) throw Unexpected("grouping opts", "label");
            index++;
            var name = isWord ? token.Text : Unquote(token);
            if (!LabelNames.IsValid(name))
                throw new ParseException(token.Position, $"invalid label name for grouping: {GoText.Quote(name)}");
            labels.Add(name);
            if (Current.Kind == TokenKind.Comma) index++;
            else if (Current.Kind != TokenKind.RightParen) throw Unexpected("grouping opts", "\",\" or \")\"");
        }
        index++;
        return labels;
    }

    private (long Milliseconds, DurationExpr? Expr) PositiveDuration()
    {
        var value = Duration(0);
        if (value is not NumberLiteral literal) return (0, (DurationExpr)value);
        return literal.Value > 0 ? (DurationMs(literal), null) : throw new ParseException(literal.Position, "duration must be greater than 0");
    }

    private static long DurationMs(NumberLiteral literal)
    {
        var milliseconds = Math.Round(literal.Value * 1000, MidpointRounding.AwayFromZero);
        return Math.Abs(milliseconds) <= Durations.MaxMs
            ? (long)milliseconds
            : throw new ParseException(literal.Position, "duration out of range");
    }

    private static NumberLiteral Number(Token token)
    {
        if (token.Kind == TokenKind.Duration)
        {
            var error = Durations.TryParse(token.Text, out var milliseconds);
            return error is null
                ? new NumberLiteral(milliseconds / 1000d, true, token.Position)
                : throw new ParseException(token.Position, error);
        }
        if (NumberText.TryParse(token.Text, out var value)) return new NumberLiteral(value, false, token.Position);
        throw new ParseException(token.Position, $"error parsing number: strconv.ParseFloat: parsing {GoText.Quote(token.Text)}: invalid syntax");
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

    private static T Limited<T>(T expr) where T : Expr => expr.Depth <= MaxDepth ? expr : throw TooDeep(expr.Position);

    private ParseException TooDeep() => TooDeep(Current.Position);

    private static ParseException TooDeep(PositionRange at) => new(at, $"expression nests deeper than {MaxDepth} levels");

    private void Expect(TokenKind kind, string context, string expected)
    {
        if (Current.Kind != kind) throw Unexpected(context, expected);
        index++;
    }

    private ParseException Unexpected(string context, string expected)
    {
        var message = $"unexpected {Current.Describe()}";
        if (context.Length > 0) message += $" in {context}";
        if (expected.Length > 0) message += $", expected {expected}";
        return new ParseException(Current.Position, message);
    }
}

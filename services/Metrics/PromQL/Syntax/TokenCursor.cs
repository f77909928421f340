namespace Vigil.Metrics.PromQL;

/// <summary>A place in the tokens of an expression, and how deep the reading of it nests.</summary>
internal sealed class TokenCursor(List<Token> tokens)
{
    private int index;
    private int nesting;
    private int aggregations;

    /// <exception cref="ParseException">The text could not be read any further than to here.</exception>
    public Token Current => tokens[index] is { Kind: not TokenKind.Error } token
        ? token
        : throw new ParseException(new(tokens[index].Start, tokens[index].Start), tokens[index].Text);

    /// <summary>The token behind the current one, which is not the last.</summary>
    public Token Next => tokens[index + 1];

    /// <summary>The token that was taken last.</summary>
    public Token Previous => tokens[index - 1];

    /// <summary>The current token; the next one is current then.</summary>
    /// <exception cref="ParseException">The text could not be read any further than to here.</exception>
    public Token Take()
    {
        var token = Current;
        index++;
        return token;
    }

    /// <exception cref="ParseException">Another token stands here.</exception>
    public Token Take(TokenKind kind, string place, string expected) => Current.Kind == kind ? Take() : throw Unexpected(place, expected);

    /// <summary>Reads a number or a duration.</summary>
    /// <exception cref="ParseException">It is none.</exception>
    public NumberLiteral TakeNumber()
    {
        var token = Take();
        if (token.Kind == TokenKind.Duration)
        {
            var error = Durations.TryParse(token.Text, out var milliseconds);
            return error is null
                ? new NumberLiteral(milliseconds / 1000d, true, token.Position)
                : throw new ParseException(token.Position, error);
        }
        if (!NumberText.TryParse(token.Text, out var value)) throw Failure("invalid syntax");
        return double.IsInfinity(value) && char.IsAsciiDigit(token.Text[^1]) ? throw Failure("value out of range") : new NumberLiteral(value, false, token.Position);

        ParseException Failure(string why) => new(token.Position, $"error parsing number: strconv.ParseFloat: parsing {GoText.Quote(token.Text)}: {why}");
    }

    /// <summary>The text that a string token stands for.</summary>
    /// <exception cref="ParseException">It has a bad escape.</exception>
    public static string Unquote(Token token)
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

    /// <summary>Reads something within what is being read, one level deeper.</summary>
    /// <exception cref="ParseException">That is too deep.</exception>
    public T Nested<T>(Func<T> read)
    {
        if (++nesting > PromQlParser.MaxDepth) throw TooDeep(Current.Position);
        var result = read();
        nesting--;
        return result;
    }

    /// <summary>The expression, if its tree is not too deep.</summary>
    /// <exception cref="ParseException">It is.</exception>
    public static T Limited<T>(T expr) where T : Expr => expr.Depth <= PromQlParser.MaxDepth ? expr : throw TooDeep(expr.Position);

    /// <summary>Reads what stands within an aggregation: of what is wrong there without a place of its own it is said that it is in one.</summary>
    public T WithinAggregation<T>(Func<T> read)
    {
        aggregations++;
        var result = read();
        aggregations--;
        return result;
    }

    /// <summary>Why the current token cannot stand here.</summary>
    public ParseException Unexpected(string place = "", string expected = "")
    {
        if (place.Length == 0 && aggregations > 0) place = "aggregation";
        var message = $"unexpected {Current.Describe()}";
        if (place.Length > 0) message += $" in {place}";
        if (expected.Length > 0) message += $", expected {expected}";
        return new ParseException(Current.Position, message);
    }

    private static ParseException TooDeep(PositionRange at) => new(at, $"expression nests deeper than {PromQlParser.MaxDepth} levels");
}

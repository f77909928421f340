namespace Vigil.Metrics.PromQL;

/// <summary>What a <see cref="Token"/> is. Keywords that may also be metric or label names keep their text in the token.</summary>
internal enum TokenKind
{
    EndOfInput,

    /// <summary>The text is none of the language from here on; the token's text says why.</summary>
    Error,
    Identifier,
    MetricIdentifier,
    String,
    Number,
    Duration,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    Equal,
    EqualRegex,
    NotEqualRegex,
    At,
    Operator,
    Aggregator,
    Keyword,
}

/// <summary>A piece of the text, with where it starts (in UTF-16 units). Operators and keywords carry their canonical text.</summary>
internal readonly record struct Token(TokenKind Kind, int Start, string Text, BinaryOperator Operator = default, AggregateOperator Aggregator = default)
{
    public int End => Start + Text.Length;

    public PositionRange Position => new(Start, End);

    /// <summary>How Prometheus names the token in "unexpected ..." messages.</summary>
    public string Describe() => Kind switch
    {
        TokenKind.EndOfInput => "end of input",
        TokenKind.Identifier => $"identifier {GoText.Quote(Text)}",
        TokenKind.MetricIdentifier => $"metric identifier {GoText.Quote(Text)}",
        TokenKind.String => $"string {GoText.Quote(Text)}",
        TokenKind.Number => $"number {GoText.Quote(Text)}",
        TokenKind.Duration => $"duration {GoText.Quote(Text)}",
        TokenKind.Keyword => $"<{Text.ToLowerInvariant()}>",
        TokenKind.Operator when Operator is not BinaryOperator.None => $"<op:{Operator.Symbol()}>",
        TokenKind.Aggregator => $"<aggr:{Text.ToLowerInvariant()}>",
        _ => GoText.Quote(Text),
    };

    public bool Is(string keyword) => Kind == TokenKind.Keyword && Text.Equals(keyword, StringComparison.OrdinalIgnoreCase);
}

using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Reads a metric's name and matchers.</summary>
internal static class SelectorParser
{
    /// <summary>Reads a selector.</summary>
    /// <param name="cursor">At the name, or at the brace where there is none.</param>
    /// <param name="name">The metric's name; null where the selector begins with its matchers.</param>
    public static VectorSelector Read(TokenCursor cursor, string? name)
    {
        var matchers = new List<LabelMatcher>();
        var start = cursor.Current.Start;
        var end = start;
        if (name is not null) end = cursor.Take().End;
        if (cursor.Current.Kind == TokenKind.LeftBrace)
        {
            cursor.Take();
            while (cursor.Current.Kind != TokenKind.RightBrace)
            {
                matchers.Add(Matcher(cursor));
                if (cursor.Current.Kind == TokenKind.Comma) cursor.Take();
                else if (cursor.Current.Kind != TokenKind.RightBrace) throw cursor.Unexpected("label matching", "\",\" or \"}\"");
            }
            end = cursor.Take().End;
        }
        if (name is not null) matchers.Add(LabelMatcher.Create(LabelSet.NameLabel, MatchKind.Equal, name));
        return new VectorSelector(name, matchers, 0, null, new(start, end));
    }

    private static LabelMatcher Matcher(TokenCursor cursor)
    {
        var label = cursor.Current;
        if (label.Kind is not (TokenKind.Identifier or TokenKind.String)) throw cursor.Unexpected("label matching", "identifier or \"}\"");
        cursor.Take();
        var name = label.Kind == TokenKind.String ? TokenCursor.Unquote(label) : label.Text;
        MatchKind kind;
        switch (cursor.Current.Kind)
        {
            case TokenKind.Equal: kind = MatchKind.Equal; break;
            case TokenKind.EqualRegex: kind = MatchKind.Regex; break;
            case TokenKind.NotEqualRegex: kind = MatchKind.NotRegex; break;
            case TokenKind.Operator when cursor.Current.Operator == BinaryOperator.NotEqual: kind = MatchKind.NotEqual; break;
            // A text alone is the metric's name.
            case var _ when label.Kind == TokenKind.String:
                return LabelMatcher.Create(LabelSet.NameLabel, MatchKind.Equal, name);
            default: throw cursor.Unexpected("label matching", "label matching operator");
        }
        cursor.Take();
        if (cursor.Current.Kind != TokenKind.String) throw cursor.Unexpected("label matching", "string");
        var value = cursor.Take();
        return LabelMatcher.TryCreate(name, kind, TokenCursor.Unquote(value), out var matcher, out var error)
            ? matcher!
            : throw new ParseException(new(label.Start, value.End), error!);
    }
}

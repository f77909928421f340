namespace Vigil.Metrics.PromQL;

/// <summary>Reads which labels the series of an operation are matched, or grouped, by.</summary>
internal static class MatchingParser
{
    /// <summary>Reads "by" or "without" and its labels; null where there is neither.</summary>
    public static (List<string> Labels, bool Without)? Grouping(TokenCursor cursor)
    {
        if (!cursor.Current.Is("by") && !cursor.Current.Is("without")) return null;
        var without = cursor.Take().Is("without");
        return (LabelList(cursor), without);
    }

    /// <summary>Reads what stands between an operator and its right side.</summary>
    public static (bool ReturnBool, VectorMatching Matching) Read(TokenCursor cursor, BinaryOperator op)
    {
        var returnBool = cursor.Current.Is("bool");
        if (returnBool) cursor.Take();
        var cardinality = op.IsSet() ? MatchCardinality.ManyToMany : MatchCardinality.OneToOne;
        List<string> labels = [], include = [];
        var on = false;
        if (cursor.Current.Is("on") || cursor.Current.Is("ignoring"))
        {
            on = cursor.Take().Is("on");
            labels = LabelList(cursor);
            if (cursor.Current.Is("group_left") || cursor.Current.Is("group_right"))
            {
                cardinality = cursor.Take().Is("group_left") ? MatchCardinality.ManyToOne : MatchCardinality.OneToMany;
                if (cursor.Current.Kind == TokenKind.LeftParen) include = LabelList(cursor);
            }
        }
        double? fillLeft = null, fillRight = null;
        if (cursor.Current.Is("fill"))
        {
            fillLeft = fillRight = FillValue(cursor);
        }
        else
        {
            while ((cursor.Current.Is("fill_left") && fillLeft is null) || (cursor.Current.Is("fill_right") && fillRight is null))
            {
                if (cursor.Current.Is("fill_left")) fillLeft = FillValue(cursor);
                else fillRight = FillValue(cursor);
            }
        }
        return (returnBool, new(cardinality, on, labels, include) { FillLeft = fillLeft, FillRight = fillRight });
    }

    private static double FillValue(TokenCursor cursor)
    {
        cursor.Take();
        cursor.Take(TokenKind.LeftParen, "", "");
        var sign = cursor.Current.Operator is BinaryOperator.Add or BinaryOperator.Subtract ? cursor.Take().Operator : BinaryOperator.Add;
        if (cursor.Current.Kind is not (TokenKind.Number or TokenKind.Duration)) throw cursor.Unexpected();
        var value = cursor.TakeNumber().Value;
        cursor.Take(TokenKind.RightParen, "", "");
        return sign == BinaryOperator.Subtract ? -value : value;
    }

    private static List<string> LabelList(TokenCursor cursor)
    {
        cursor.Take(TokenKind.LeftParen, "grouping opts", "\"(\"");
        var labels = new List<string>();
        while (cursor.Current.Kind != TokenKind.RightParen)
        {
            var token = cursor.Current;
            var isWord = token.Kind is TokenKind.Identifier or TokenKind.MetricIdentifier or TokenKind.Keyword or TokenKind.Aggregator
                || (token.Kind == TokenKind.Operator && (token.Operator.IsSet() || token.Operator == BinaryOperator.Atan2));
            if (!isWord && token.Kind != TokenKind.String) throw cursor.Unexpected("grouping opts", "label");
            cursor.Take();
            var name = isWord ? token.Text : TokenCursor.Unquote(token);
            if (!LabelNames.IsValid(name))
                throw new ParseException(token.Position, $"invalid label name for grouping: {GoText.Quote(name)}");
            labels.Add(name);
            if (cursor.Current.Kind == TokenKind.Comma) cursor.Take();
            else if (cursor.Current.Kind != TokenKind.RightParen) throw cursor.Unexpected("grouping opts", "\",\" or \")\"");
        }
        cursor.Take();
        return labels;
    }
}

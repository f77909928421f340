using System.Collections.Frozen;

namespace Vigil.Metrics.PromQL;

/// <summary>Cuts a text into tokens. Messages are Prometheus' own, so that its users recognise them.</summary>
internal sealed class Lexer(string input)
{
    private static readonly FrozenDictionary<string, BinaryOperator> OperatorWords = new Dictionary<string, BinaryOperator>
    {
        ["and"] = BinaryOperator.And,
        ["or"] = BinaryOperator.Or,
        ["unless"] = BinaryOperator.Unless,
        ["atan2"] = BinaryOperator.Atan2,
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenDictionary<string, AggregateOperator> Aggregators = Enum.GetValues<AggregateOperator>()
        .Where(a => a != AggregateOperator.None).ToFrozenDictionary(a => a.Symbol(), StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenSet<string> Keywords = new[]
    {
        "offset", "smoothed", "anchored", "by", "without", "on", "ignoring", "group_left", "group_right", "fill", "fill_left",
        "fill_right", "bool", "start", "end", "step", "range", "max_of", "min_of",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenSet<string> DurationWords = new[] { "step", "range", "max_of", "min_of" }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    private const char End = '\0';

    private readonly List<Token> tokens = [];
    private int pos;
    private int start;
    private int parens;
    private bool inBraces;
    private bool inBrackets;
    private bool beforeDuration;
    private bool sawColon;

    /// <summary>
    /// All tokens, ending with <see cref="TokenKind.EndOfInput"/>, or with <see cref="TokenKind.Error"/> where the text cannot be cut any further: whoever reads
    /// the tokens may find something wrong before that. Comments and white space are dropped.
    /// </summary>
    public static List<Token> Tokenize(string input)
    {
        var lexer = new Lexer(input);
        try
        {
            while (lexer.Next()) { }
        }
        catch (ParseException e)
        {
            lexer.tokens.Add(new(TokenKind.Error, e.Position.Start, e.Message));
        }
        return lexer.tokens;
    }

    private bool AtEnd => pos >= input.Length;

    private char Peek(int ahead = 0) => pos + ahead < input.Length ? input[pos + ahead] : End;

    private bool Next()
    {
        while (!AtEnd && Peek() is ' ' or '\t' or '\n' or '\r') pos++;
        start = pos;
        if (AtEnd)
        {
            if (inBraces) throw Error("unexpected end of input inside braces");
            if (inBrackets && beforeDuration) throw Error("unexpected end of input in duration expression");
            if (parens != 0) throw Error("unclosed left parenthesis");
            if (inBrackets) throw Error("unclosed left bracket");
            Emit(TokenKind.EndOfInput);
            return false;
        }
        if (Peek() == '#')
        {
            while (!AtEnd && Peek() is not ('\n' or '\r')) pos++;
            return true;
        }
        if (inBraces) InsideBraces();
        else if (inBrackets) InsideBrackets();
        else Statement();
        return true;
    }

    /// <summary>A duration, or arithmetic with durations. Up to the first number Prometheus' messages are other ones than behind it.</summary>
    private void InsideBrackets()
    {
        var c = input[pos];
        if (c == ':')
        {
            pos++;
            if (beforeDuration) throw Error("unexpected colon before duration in duration expression");
            if (sawColon) throw Error("unexpected colon ':'");
            sawColon = true;
            Emit(TokenKind.Colon);
        }
        else if (IsAlpha(c))
        {
            while (IsAlpha(Peek())) pos++;
            if (!DurationWords.Contains(input[start..pos]) && !(beforeDuration && CalendarRange.IsWord(input[start..pos])))
                throw Error(beforeDuration ? $"unexpected character in duration expression: '{c}'" : $"unexpected character: '{c}', expected ':'");
            beforeDuration = false;
            Emit(TokenKind.Keyword);
        }
        else if (beforeDuration && !char.IsAsciiDigit(c) && !"]()+-*/%^,.".Contains(c, StringComparison.Ordinal))
        {
            throw Error($"unexpected character in duration expression: {Character()}");
        }
        else
        {
            if (char.IsAsciiDigit(c) || (c == '.' && char.IsAsciiDigit(Peek(1)))) beforeDuration = false;
            Statement();
        }
    }

    private void InsideBraces()
    {
        var c = input[pos];
        if (IsAlpha(c))
        {
            while (IsAlphaNumeric(Peek())) pos++;
            Emit(TokenKind.Identifier);
            return;
        }
        pos++;
        switch (c)
        {
            case ',': Emit(TokenKind.Comma); break;
            case '"' or '\'' or '`': String(c); break;
            case '=': Emit(Accept('~') ? TokenKind.EqualRegex : TokenKind.Equal); break;
            case '!':
                if (Accept('~')) Emit(TokenKind.NotEqualRegex);
                else if (Accept('=')) EmitOperator(BinaryOperator.NotEqual);
                else throw Error($"unexpected character after '!' inside braces: {Character()}");
                break;
            case '{': throw Error("unexpected left brace '{'");
            case '}':
                Emit(TokenKind.RightBrace);
                inBraces = false;
                break;
            default:
                pos--;
                throw Error($"unexpected character inside braces: {Character()}");
        }
    }

    private void Statement()
    {
        var c = input[pos];
        if (char.IsAsciiDigit(c) || (c == '.' && char.IsAsciiDigit(Peek(1))))
        {
            NumberOrDuration();
            return;
        }
        if (IsAlpha(c) || c == ':')
        {
            Word();
            return;
        }
        pos++;
        switch (c)
        {
            case ',': Emit(TokenKind.Comma); break;
            case '*': EmitOperator(BinaryOperator.Multiply); break;
            case '/': EmitOperator(BinaryOperator.Divide); break;
            case '%': EmitOperator(BinaryOperator.Modulo); break;
            case '+': EmitOperator(BinaryOperator.Add); break;
            case '-': EmitOperator(BinaryOperator.Subtract); break;
            case '^': EmitOperator(BinaryOperator.Power); break;
            case '=':
                if (Accept('=')) EmitOperator(BinaryOperator.Equal);
                else if (Peek() == '~') throw Error("unexpected character after '=': '~'");
                else Emit(TokenKind.Equal);
                break;
            case '!':
                if (!Accept('=')) throw Error($"unexpected character after '!': {Character()}");
                EmitOperator(BinaryOperator.NotEqual);
                break;
            case '<': EmitOperator(Accept('=') ? BinaryOperator.LessOrEqual : Accept('/') ? BinaryOperator.TrimUpper : BinaryOperator.Less); break;
            case '>': EmitOperator(Accept('=') ? BinaryOperator.GreaterOrEqual : Accept('/') ? BinaryOperator.TrimLower : BinaryOperator.Greater); break;
            case '"' or '\'' or '`': String(c); break;
            case '(':
                parens++;
                Emit(TokenKind.LeftParen);
                break;
            case ')':
                if (--parens < 0)
                {
                    start = pos;
                    throw Error("unexpected right parenthesis ')'");
                }
                Emit(TokenKind.RightParen);
                break;
            case '{':
                inBraces = true;
                Emit(TokenKind.LeftBrace);
                break;
            case '[':
                if (inBrackets) throw Error("unexpected left bracket '['");
                inBrackets = beforeDuration = true;
                sawColon = false;
                Emit(TokenKind.LeftBracket);
                break;
            case ']':
                if (!inBrackets) throw Error("unexpected right bracket ']'");
                inBrackets = false;
                Emit(TokenKind.RightBracket);
                break;
            case '@': Emit(TokenKind.At); break;
            default:
                pos--;
                throw Error($"unexpected character: {Character()}");
        }
    }

    private void Word()
    {
        while (IsAlphaNumeric(Peek()) || Peek() == ':') pos++;
        var word = input[start..pos];
        if (OperatorWords.TryGetValue(word, out var op)) EmitOperator(op);
        else if (Aggregators.TryGetValue(word, out var aggregator)) tokens.Add(new(TokenKind.Aggregator, start, word, Aggregator: aggregator));
        else if (word.Equals("inf", StringComparison.OrdinalIgnoreCase) || word.Equals("nan", StringComparison.OrdinalIgnoreCase)) Emit(TokenKind.Number);
        // So that "fill" stays usable as a metric's name.
        else if (word.StartsWith("fill", StringComparison.OrdinalIgnoreCase) && !FollowedByParen()) Emit(Identifier(word));
        else if (Keywords.Contains(word)) Emit(TokenKind.Keyword);
        else Emit(Identifier(word));
    }

    private static TokenKind Identifier(string word) =>
        word.Contains(':', StringComparison.Ordinal) ? TokenKind.MetricIdentifier : TokenKind.Identifier;

    private bool FollowedByParen()
    {
        var i = pos;
        while (i < input.Length && input[i] is ' ' or '\t' or '\n' or '\r') i++;
        return i < input.Length && input[i] == '(';
    }

    private void String(char quote)
    {
        while (true)
        {
            if (AtEnd || (quote != '`' && Peek() == '\n'))
                throw Error(quote == '`' ? "unterminated raw string" : "unterminated quoted string");
            var c = input[pos++];
            if (c == quote) break;
            if (c == '\\' && quote != '`') Escape(quote);
        }
        Emit(TokenKind.String);
    }

    /// <summary>Goes behind the escape whose backslash was read, if it is one of Go's.</summary>
    private void Escape(char quote)
    {
        var c = Peek();
        if ("abfnrtv\\".Contains(c, StringComparison.Ordinal) || c == quote) pos++;
        else if (c is >= '0' and <= '7') EscapedRune(3, 8, 255u);
        else if (AtEnd) throw Error("escape sequence not terminated");
        else if (c is not ('x' or 'u' or 'U')) throw Error($"unknown escape sequence {GoText.CodePoint(input, pos)}");
        else
        {
            pos++;
            EscapedRune(c == 'x' ? 2 : c == 'u' ? 4 : 8, 16, c == 'x' ? 255u : 0x10FFFF);
        }
    }

    private void EscapedRune(int digits, uint radix, uint max)
    {
        uint value = 0;
        for (var i = 0; i < digits; i++, pos++)
        {
            if (AtEnd) throw Error("escape sequence not terminated");
            var digit = char.IsAsciiHexDigit(Peek()) ? (uint)Convert.ToInt32(input.Substring(pos, 1), 16) : radix;
            if (digit >= radix) throw Error($"illegal character {GoText.CodePoint(input, pos)} in escape sequence");
            value = value * radix + digit;
        }
        if (value > max || value is >= 0xD800 and < 0xE000) throw Error("escape sequence is an invalid Unicode code point");
    }

    private void NumberOrDuration()
    {
        var scanner = new NumberScanner(input, start);
        var kind = scanner.Scan();
        pos = scanner.End;
        Emit(kind ?? throw Error($"bad number or duration syntax: {GoText.Quote(input[start..pos])}"));
    }

    private bool Accept(char c)
    {
        if (Peek() != c || AtEnd) return false;
        pos++;
        return true;
    }

    private void Emit(TokenKind kind) => tokens.Add(new(kind, start, input[start..pos]));

    private void EmitOperator(BinaryOperator op) => tokens.Add(new(TokenKind.Operator, start, input[start..pos], op));

    private string Character() => GoText.QuoteRune(input, pos);

    private ParseException Error(string message) => new(new(start, input.Length), message);

    private static bool IsAlpha(char c) => c == '_' || char.IsAsciiLetter(c);

    private static bool IsAlphaNumeric(char c) => IsAlpha(c) || char.IsAsciiDigit(c);
}

namespace Vigil.Metrics.PromQL;

/// <summary>Finds where a number or a duration ends. What it takes for a number need not be one: see <see cref="NumberText"/>.</summary>
internal ref struct NumberScanner(ReadOnlySpan<char> text, int start)
{
    private const string Decimal = "0123456789";
    private const string Hexadecimal = "0123456789abcdefABCDEF";

    private readonly ReadOnlySpan<char> text = text;

    /// <summary>How far was read; in messages, all that was read.</summary>
    public int End { get; private set; } = start;

    private readonly bool AtEnd => End >= text.Length;

    /// <summary>Reads a number or a duration; null where there is neither.</summary>
    public TokenKind? Scan() => Number() ? TokenKind.Number : Duration() ? TokenKind.Duration : null;

    /// <summary>Digits with single underscores between them, one dot, one exponent; or hexadecimal. True if what follows is no letter.</summary>
    private bool Number()
    {
        var from = End;
        var digits = Decimal;
        if (Accept("0") && Accept("xX"))
        {
            Accept("_");
            digits = Hexadecimal;
        }
        Accept(".");
        Accept(digits);
        bool dot = false, exponent = false;
        while (IsAt(digits) || IsAt("._eE"))
        {
            if ((dot && Accept(".")) || (exponent && Accept("eE"))) return false;
            if (Accept("."))
            {
                dot = true;
                // Hexadecimal numbers have no fractions.
                if (Accept("_.") || digits == Hexadecimal) return false;
            }
            else if (Accept("eE"))
            {
                exponent = true;
                Accept("+-");
                if (Accept("._eE") || AtEnd) return false;
            }
            else if (Accept("_"))
            {
                if (Accept("._eE") || AtEnd) return false;
            }
            else
            {
                while (Accept(digits)) { }
            }
        }
        return End > from && !IsLetterOrDigit();
    }

    private bool Duration()
    {
        if (!Accept("smhdwy")) return false;
        Accept("s");
        while (Accept(Decimal))
        {
            while (Accept(Decimal)) { }
            if (!Accept("smhdw")) return false;
            Accept("s");
        }
        if (!IsLetterOrDigit()) return true;
        End++;
        return false;
    }

    private readonly bool IsAt(string any) => !AtEnd && any.Contains(text[End], StringComparison.Ordinal);

    private readonly bool IsLetterOrDigit() => !AtEnd && (char.IsAsciiLetterOrDigit(text[End]) || text[End] == '_');

    private bool Accept(string any)
    {
        if (!IsAt(any)) return false;
        End++;
        return true;
    }
}

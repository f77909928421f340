namespace Vigil.Metrics.PromQL;

/// <summary>Why a text is not PromQL, and where, in Prometheus' words.</summary>
/// <param name="Line">From 1.</param>
/// <param name="Column">From 1, in UTF-16 units.</param>
internal sealed record ParseError(PositionRange Position, int Line, int Column, string Message)
{
    public static ParseError At(string text, PositionRange position, string message)
    {
        var (line, column) = LineAndColumn(text, position.Start);
        return new(position, line, column, message);
    }

    /// <summary>Line and column, both from 1, of a place in the text.</summary>
    public static (int Line, int Column) LineAndColumn(string text, int position)
    {
        var before = text.AsSpan(0, Math.Clamp(position, 0, text.Length));
        return (before.Count('\n') + 1, before.Length - before.LastIndexOf('\n'));
    }

    public override string ToString() => $"{Line}:{Column}: parse error: {Message}";
}

/// <summary>Unwinds the parser; never leaves it.</summary>
internal sealed class ParseException(PositionRange position, string message) : Exception(message)
{
    public PositionRange Position { get; } = position;
}

using System.Text;

namespace Vigil.Metrics.PromQL;

/// <summary>Why a text is not PromQL, and where, in Prometheus' words.</summary>
/// <param name="Line">From 1.</param>
/// <param name="Column">From 1, in bytes of UTF-8.</param>
internal sealed record ParseError(PositionRange Position, int Line, int Column, string Message)
{
    public static ParseError At(string text, PositionRange position, string message)
    {
        var (line, column) = LineAndColumn(text, position.Start);
        return new(position, line, column, message);
    }

    /// <summary>Line and column of a place in the text, both from 1, the column in bytes of UTF-8.</summary>
    public static (int Line, int Column) LineAndColumn(string text, int position)
    {
        var before = text.AsSpan(0, Math.Clamp(position, 0, text.Length));
        return (before.Count('\n') + 1, Encoding.UTF8.GetByteCount(before[(before.LastIndexOf('\n') + 1)..]) + 1);
    }

    public override string ToString() => $"{Line}:{Column}: parse error: {Message}";
}

/// <summary>Unwinds the parser; never leaves it.</summary>
internal sealed class ParseException(PositionRange position, string message) : Exception(message)
{
    public PositionRange Position { get; } = position;
}

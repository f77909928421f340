using System.Diagnostics.CodeAnalysis;

namespace Vigil.Metrics.PromQL;

/// <summary>A part of the calendar.</summary>
internal enum CalendarUnit
{
    Day,

    /// <summary>From Monday on, as ISO 8601 has it.</summary>
    Week,

    Month,
}

/// <summary>
/// A window that goes by the calendar, written in place of a duration: <c>[month]</c> is from the month's beginning up to the moment, <c>[last_month]</c> the whole month before; likewise with week and
/// day. A time zone may follow: <c>[month "Europe/Berlin"]</c>. Prometheus has no such windows.
/// </summary>
/// <param name="Unit">Of what.</param>
/// <param name="Last">The one before that of the moment, whole.</param>
/// <param name="Zone">The time zone's name (IANA); null for the service's own.</param>
internal sealed record CalendarRange(CalendarUnit Unit, bool Last, string? Zone)
{
    private const string Prefix = "last_";

    /// <summary>Whether a word is one of those in brackets.</summary>
    public static bool IsWord(string word) => TryParse(word, out _);

    /// <summary>Reads a window, if there is one.</summary>
    /// <exception cref="ParseException">The time zone is not known.</exception>
    public static CalendarRange? TryTake(TokenCursor cursor)
    {
        if (cursor.Current.Kind != TokenKind.Keyword || !TryParse(cursor.Current.Text, out var range)) return null;
        cursor.Take();
        if (cursor.Current.Kind != TokenKind.String) return range;
        var token = cursor.Take();
        var zone = TokenCursor.Unquote(token);
        return TimeZoneInfo.TryFindSystemTimeZoneById(zone, out _) ? range with { Zone = zone } : throw new ParseException(token.Position, $"unknown time zone {GoText.Quote(zone)}");
    }

    /// <summary>As it is written.</summary>
    public override string ToString() => $"{(Last ? Prefix : "")}{Unit.ToString().ToLowerInvariant()}{(Zone is null ? "" : $" {GoText.Quote(Zone)}")}";

    private static bool TryParse(string word, [NotNullWhen(true)] out CalendarRange? range)
    {
        range = word.ToLowerInvariant() switch
        {
            "day" => new(CalendarUnit.Day, false, null),
            "week" => new(CalendarUnit.Week, false, null),
            "month" => new(CalendarUnit.Month, false, null),
            Prefix + "day" => new(CalendarUnit.Day, true, null),
            Prefix + "week" => new(CalendarUnit.Week, true, null),
            Prefix + "month" => new(CalendarUnit.Month, true, null),
            _ => null,
        };
        return range is not null;
    }
}

using System.Globalization;
using System.Text;

namespace Vigil.ServiceDefaults;

/// <summary>Prometheus names for OpenTelemetry ones, by the OpenTelemetry specification "Prometheus and OpenMetrics Compatibility".</summary>
internal static class PrometheusNames
{
    public static string Of(string instrument, string? unit, FamilyKind kind)
    {
        var name = Sanitize(instrument, colon: true);
        if (kind == FamilyKind.Counter && name.EndsWith("_total", StringComparison.Ordinal)) name = name[..^6];
        var suffix = UnitSuffix(unit, kind);
        if (suffix.Length > 0 && !name.EndsWith("_" + suffix, StringComparison.Ordinal)) name = $"{name}_{suffix}";
        return kind == FamilyKind.Counter ? name + "_total" : name;
    }

    public static string Label(string key) => Sanitize(key, colon: false);

    public static string Value(object? value) => value switch
    {
        null => "",
        bool b => b ? "true" : "false",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };

    // Runs of characters that a name may not hold become one underscore; a leading digit gets one before it.
    private static string Sanitize(string text, bool colon)
    {
        var name = new StringBuilder(text.Length + 1);
        foreach (var c in text)
        {
            var ok = char.IsAsciiLetterOrDigit(c) || (colon && c == ':');
            if (ok && name.Length == 0 && char.IsAsciiDigit(c)) name.Append('_');
            if (ok) name.Append(c);
            else if (c == '_' || name.Length == 0 || name[^1] != '_') name.Append('_');
        }
        return name.Length == 0 ? "_" : name.ToString();
    }

    // UCUM units in words. Annotations in braces are no units.
    private static string UnitSuffix(string? unit, FamilyKind kind)
    {
        if (string.IsNullOrEmpty(unit) || unit[0] == '{') return "";
        var slash = unit.IndexOf('/');
        if (slash > 0) return $"{Word(unit[..slash])}_per_{PerWord(unit[(slash + 1)..])}";
        return unit == "1" ? kind == FamilyKind.Gauge ? "ratio" : "" : Word(unit);
    }

    private static string Word(string unit) => unit switch
    {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        _ => Sanitize(unit, colon: false),
    };

    private static string PerWord(string unit) => unit switch
    {
        "s" => "second",
        "min" => "minute",
        "h" => "hour",
        "d" => "day",
        _ => Sanitize(unit, colon: false),
    };
}

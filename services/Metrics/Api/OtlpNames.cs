using System.Text;

namespace Vigil.Metrics.Api;

/// <summary>How names of OpenTelemetry become names here: Prometheus' own words and meaning (<c>otlp.translation_strategy</c>).</summary>
internal enum OtlpTranslation
{
    /// <summary>Characters other than letters, digits, underscores and colons become underscores; unit and type become suffixes.</summary>
    UnderscoreEscapingWithSuffixes,

    /// <summary>Characters other than letters, digits, underscores and colons become underscores; nothing is added.</summary>
    UnderscoreEscapingWithoutSuffixes,

    /// <summary>Names stay as they are, <c>http.server.duration</c>; unit and type become suffixes.</summary>
    NoUTF8EscapingWithSuffixes,

    /// <summary>Names stay as they are.</summary>
    NoTranslation,
}

/// <summary>
/// Names of OpenTelemetry as Prometheus names, by the specification "Prometheus and OpenMetrics Compatibility" of OpenTelemetry, and as Prometheus' otlptranslator
/// does it where that leaves a choice (github.com/prometheus/otlptranslator).
/// </summary>
internal sealed class OtlpNames(OtlpTranslation translation)
{
    private readonly bool escapes = translation is OtlpTranslation.UnderscoreEscapingWithSuffixes or OtlpTranslation.UnderscoreEscapingWithoutSuffixes;
    private readonly bool suffixes = translation is OtlpTranslation.UnderscoreEscapingWithSuffixes or OtlpTranslation.NoUTF8EscapingWithSuffixes;

    private static readonly Dictionary<string, string> Units = new(StringComparer.Ordinal)
    {
        ["d"] = "days",
        ["h"] = "hours",
        ["min"] = "minutes",
        ["s"] = "seconds",
        ["ms"] = "milliseconds",
        ["us"] = "microseconds",
        ["ns"] = "nanoseconds",
        ["By"] = "bytes",
        ["KiBy"] = "kibibytes",
        ["MiBy"] = "mebibytes",
        ["GiBy"] = "gibibytes",
        ["TiBy"] = "tibibytes",
        ["KBy"] = "kilobytes",
        ["MBy"] = "megabytes",
        ["GBy"] = "gigabytes",
        ["TBy"] = "terabytes",
        ["m"] = "meters",
        ["V"] = "volts",
        ["A"] = "amperes",
        ["J"] = "joules",
        ["W"] = "watts",
        ["g"] = "grams",
        ["Cel"] = "celsius",
        ["Hz"] = "hertz",
        ["%"] = "percent",
    };

    private static readonly Dictionary<string, string> PerUnits = new(StringComparer.Ordinal)
    {
        ["s"] = "second",
        ["m"] = "minute",
        ["h"] = "hour",
        ["d"] = "day",
        ["w"] = "week",
        ["mo"] = "month",
        ["y"] = "year",
    };

    /// <summary>The metric's name.</summary>
    /// <param name="name">As OpenTelemetry has it, e.g. <c>http.server.request.duration</c>.</param>
    /// <param name="unit">UCUM, e.g. <c>s</c>, <c>By</c>, <c>{request}</c>, <c>m/s</c>.</param>
    /// <param name="monotonicSum">It is a counter.</param>
    /// <param name="gauge">It is a gauge: the unit 1 then means a ratio.</param>
    public string Metric(string name, string unit, bool monotonicSum, bool gauge)
    {
        if (!escapes) return suffixes ? Suffixed(name, unit, monotonicSum, gauge) : name;
        if (!suffixes) return Plain(name);
        var words = Words(name);
        if (monotonicSum) words.Remove("total");
        foreach (var suffix in UnitWords(unit))
        {
            if (!words.Contains(suffix)) words.Add(suffix);
        }
        if (gauge && unit == "1" && !words.Contains("ratio")) words.Add("ratio");
        if (monotonicSum) words.Add("total");
        var joined = string.Join('_', words);
        return joined.Length == 0 || char.IsAsciiDigit(joined[0]) ? "_" + joined : joined;
    }

    /// <summary>The label's name; escaped, other characters than letters, digits and underscores become underscores.</summary>
    public string Label(string name)
    {
        if (!escapes) return name;
        var text = new StringBuilder(name.Length);
        foreach (var c in name) text.Append(char.IsAsciiLetterOrDigit(c) || c == '_' ? c : '_');
        if (text.Length == 0) return "_";
        return char.IsAsciiDigit(text[0]) ? "key_" + text : text.ToString();
    }

    // A suffix that the name ends in already is not written twice, whatever stands before it.
    private static string Suffixed(string name, string unit, bool monotonicSum, bool gauge)
    {
        var (main, per) = UnitParts(unit);
        var ending = "";
        if (gauge && unit == "1") TakeEnd("ratio");
        if (monotonicSum) TakeEnd("total");
        if (per.Length > 0) TakeEnd($"per_{PerUnits.GetValueOrDefault(per, per)}");
        var suffix = main is "" or "1" ? "" : Units.GetValueOrDefault(main, main);
        if (suffix.Length > 0 && !name.EndsWith(suffix, StringComparison.Ordinal)) name = $"{name}_{suffix}";
        return name + ending;

        void TakeEnd(string end)
        {
            if (name.Length > end.Length + 1 && name.EndsWith(end, StringComparison.Ordinal)) name = name[..^(end.Length + 1)];
            ending = $"_{end}{ending}";
        }
    }

    private static string Plain(string name)
    {
        var text = new StringBuilder(name.Length);
        var apart = false;
        foreach (var c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or ':'))
            {
                apart = true;
                continue;
            }
            if (apart && text.Length > 0) text.Append('_');
            apart = false;
            text.Append(c);
        }
        return text.Length > 0 && char.IsAsciiDigit(text[0]) ? "_" + text : text.ToString();
    }

    private static List<string> Words(string name)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        foreach (var c in name)
        {
            if (char.IsAsciiLetterOrDigit(c) || c == ':') word.Append(c);
            else Flush();
        }
        Flush();
        return words;

        void Flush()
        {
            if (word.Length > 0) words.Add(word.ToString());
            word.Clear();
        }
    }

    private static List<string> UnitWords(string unit)
    {
        var (main, per) = UnitParts(unit);
        var words = new List<string>();
        if (main.Length > 0 && main != "1") words.AddRange(Words(Units.GetValueOrDefault(main, main)));
        if (per.Length == 0) return words;
        words.Add("per");
        words.AddRange(Words(PerUnits.GetValueOrDefault(per, per)));
        return words;
    }

    private static (string Main, string Per) UnitParts(string unit)
    {
        // What stands in braces is a remark, not a unit.
        var parts = WithoutRemarks(unit).Split('/', 2);
        return (parts[0].Trim(), parts.Length < 2 ? "" : parts[1].Trim());
    }

    private static string WithoutRemarks(string unit)
    {
        var text = new StringBuilder();
        var depth = 0;
        foreach (var c in unit)
        {
            if (c == '{') depth++;
            else if (c == '}') depth = Math.Max(0, depth - 1);
            else if (depth == 0) text.Append(c);
        }
        return text.ToString();
    }
}

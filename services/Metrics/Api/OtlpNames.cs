using System.Text;

namespace Vigil.Metrics.Api;

/// <summary>
/// Names of OpenTelemetry as Prometheus names, by the specification "Prometheus and OpenMetrics Compatibility" of OpenTelemetry:
/// characters that are not allowed become underscores, the unit becomes a suffix, counters end in <c>_total</c>.
/// </summary>
internal static class OtlpNames
{
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
    public static string Metric(string name, string unit, bool monotonicSum, bool gauge)
    {
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

    /// <summary>The label's name: other characters than letters, digits and underscores become underscores.</summary>
    public static string Label(string name)
    {
        var text = new StringBuilder(name.Length);
        foreach (var c in name) text.Append(char.IsAsciiLetterOrDigit(c) || c == '_' ? c : '_');
        if (text.Length == 0) return "_";
        return char.IsAsciiDigit(text[0]) ? "key_" + text : text.ToString();
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
        // What stands in braces is a remark, not a unit.
        var parts = WithoutRemarks(unit).Split('/', 2);
        var words = new List<string>();
        var main = parts[0].Trim();
        if (main.Length > 0 && main != "1") words.AddRange(Words(Units.GetValueOrDefault(main, main)));
        if (parts.Length < 2 || parts[1].Trim() is not { Length: > 0 } per) return words;
        words.Add("per");
        words.AddRange(Words(PerUnits.GetValueOrDefault(per, per)));
        return words;
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

using System.Globalization;
using System.Text.RegularExpressions;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>One value of a script's series. Null stands for no sample.</summary>
/// <param name="HintGiven">Of a histogram: its hint was named, and is to be compared.</param>
internal sealed record ScriptValue(double Number, FloatHistogram? Histogram = null, bool HintGiven = false);

/// <summary>A line of a script that describes a series: labels, then one value per step.</summary>
internal static partial class ScriptSeries
{
    public static (LabelSet Labels, List<ScriptValue?> Values) Read(string line)
    {
        var (metric, rest) = Split(line);
        var values = new List<ScriptValue?>();
        foreach (var item in Items(rest))
        {
            if (item.Contains("{{", StringComparison.Ordinal)) ExpandHistograms(item, values);
            else Expand(item, values);
        }
        return (Labels(metric), values);
    }

    /// <summary>A line of start times: metric{...}@st, then for each sample how long after it (mostly before: negative) its counter began.</summary>
    public static (LabelSet Labels, List<long?> Offsets)? ReadStartTimes(string line)
    {
        var (metric, rest) = Split(line);
        if (!metric.EndsWith("@st", StringComparison.Ordinal)) return null;
        var offsets = new List<long?>();
        foreach (var item in rest.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries))
        {
            var match = StartItem().Match(item);
            if (!match.Success) throw new FormatException($"bad start time {item}");
            var times = match.Groups["times"].Success ? int.Parse(match.Groups["times"].Value, CultureInfo.InvariantCulture) : 0;
            if (match.Groups["blank"].Success)
            {
                offsets.AddRange(Enumerable.Repeat<long?>(null, Math.Max(1, times)));
                continue;
            }
            var (offset, delta) = (Milliseconds(match.Groups["start"].Value), match.Groups["delta"].Success ? Milliseconds(match.Groups["delta"].Value) : 0);
            for (var i = 0; i <= times; i++) offsets.Add(offset + i * delta);
        }
        return (Labels(metric[..^3]), offsets);
    }

    private static long Milliseconds(string signed)
    {
        var text = signed.TrimStart('+', '-');
        if (Durations.TryParse(text, out var milliseconds) is { } error) throw new FormatException(error);
        return signed.StartsWith('-') ? -milliseconds : milliseconds;
    }

    private static (string Metric, string Items) Split(string line)
    {
        var end = 0;
        char quote = '\0';
        for (var depth = 0; end < line.Length && (depth > 0 || quote != '\0' || !char.IsWhiteSpace(line[end])); end++)
        {
            var c = line[end];
            if (quote != '\0')
            {
                if (c == '\\' && quote != '`') end++;
                else if (c == quote) quote = '\0';
            }
            else if (c is '"' or '\'' or '`') quote = c;
            else if (c == '{') depth++;
            else if (c == '}') depth--;
        }
        return (line[..end], line[end..]);
    }

    private static LabelSet Labels(string metric)
    {
        if (metric is "{}" or "") return LabelSet.Empty;
        if (!PromQlParser.TryParseSelector(metric, out var selector, out var error)) throw new FormatException($"{metric}: {error}");
        return LabelSet.Create(selector.Matchers.Select(m => new Label(m.Name, m.Value)));
    }

    /// <summary>Cuts at spaces, but for those within a histogram.</summary>
    private static IEnumerable<string> Items(string text)
    {
        var start = 0;
        var inside = false;
        for (var i = 0; i <= text.Length; i++)
        {
            if (i < text.Length - 1 && text.AsSpan(i).StartsWith("{{")) inside = true;
            if (i > 1 && text.AsSpan(i - 2).StartsWith("}}") && (i == text.Length || text[i] != '}')) inside = i < text.Length - 1 && text.AsSpan(i).StartsWith("{{");
            if (i < text.Length && (inside || !char.IsWhiteSpace(text[i]))) continue;
            if (i > start) yield return text[start..i];
            start = i + 1;
        }
    }

    private static void ExpandHistograms(string item, List<ScriptValue?> values)
    {
        var match = HistogramItem().Match(item);
        if (!match.Success) throw new FormatException($"bad histogram item {item}");
        var histogram = HistogramText.Read(match.Groups["start"].Value, out var hintGiven);
        var repeat = match.Groups["times"].Success ? int.Parse(match.Groups["times"].Value, CultureInfo.InvariantCulture) : 0;
        var delta = match.Groups["delta"].Success ? HistogramText.Read(match.Groups["delta"].Value, out hintGiven) : null;
        for (var i = 0; i <= repeat; i++)
        {
            values.Add(new(double.NaN, histogram, hintGiven));
            if (delta is null || i == repeat) continue;
            if (histogram.Schema > delta.Schema) throw new FormatException($"schema of the difference is coarser: {item}");
            histogram = match.Groups["sign"].Value == "+" ? histogram.Add(delta, out _)! : histogram.Subtract(delta, out _)!;
        }
    }

    private static void Expand(string item, List<ScriptValue?> values)
    {
        if (item == "stale")
        {
            values.Add(new(Samples.Stale));
            return;
        }
        var match = Item().Match(item);
        if (!match.Success) throw new FormatException($"bad series item {item}");
        var repeat = match.Groups["times"].Success ? int.Parse(match.Groups["times"].Value, CultureInfo.InvariantCulture) : 0;
        if (match.Groups["blank"].Success)
        {
            values.AddRange(Enumerable.Repeat<ScriptValue?>(null, Math.Max(1, repeat)));
            return;
        }
        NumberText.TryParse(match.Groups["start"].Value, out var value);
        NumberText.TryParse(match.Groups["delta"].Value, out var delta);
        for (var i = 0; i <= repeat; i++)
        {
            values.Add(new(value));
            value += delta;
        }
    }

    private const string Number = @"[+-]?(?:inf|nan|[0-9.]+(?:e[+-]?[0-9]+)?)";

    [GeneratedRegex(@"^(?:(?<blank>_)|(?<start>" + Number + @")(?<delta>[+-](?:inf|nan|[0-9.]+(?:e[+-]?[0-9]+)?))?)(?:x(?<times>[0-9]+))?$", RegexOptions.IgnoreCase)]
    private static partial Regex Item();

    [GeneratedRegex(@"^(?<start>\{\{.*?\}\})(?:(?<sign>[+-])(?<delta>\{\{.*?\}\}))?(?:x(?<times>[0-9]+))?$")]
    private static partial Regex HistogramItem();

    [GeneratedRegex(@"^(?:(?<blank>_)|(?<start>[+-]?[0-9]+[a-wyz]*)(?<delta>[+-][0-9]+[a-wyz]*)?)(?:x(?<times>[0-9]+))?$")]
    private static partial Regex StartItem();
}

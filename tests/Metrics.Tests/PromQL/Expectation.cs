using System.Text.RegularExpressions;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>What a case of a script says must come out, and how to compare it.</summary>
internal sealed class Expectation(string mode)
{
    private readonly List<(LabelSet Labels, List<ScriptValue?> Values)> series = [];
    private readonly List<(string Kind, string? Message, Regex? Pattern)> remarks = [];
    private double? scalar;

    public bool Fails => mode == "fail" || remarks.Any(r => r.Kind == "fail");

    public bool Ordered => mode == "ordered" || remarks.Any(r => r.Kind == "ordered");

    public string? Text { get; private set; }

    /// <summary>The times of the samples of an expected range vector.</summary>
    public StepGrid? Range { get; private set; }

    public void Add(string line)
    {
        if (line.StartsWith("expect range vector", StringComparison.Ordinal))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            Durations.TryParse(words[4], out var from);
            Durations.TryParse(words[6], out var to);
            Durations.TryParse(words[8], out var step);
            Range = StepGrid.Range(from, to, step);
        }
        else if (line.StartsWith("expect string", StringComparison.Ordinal))
        {
            Text = GoStrings.Unquote(line["expect string".Length..].Trim());
        }
        else if (line.Split(' ', '\t')[0] == "expect")
        {
            var rest = line["expect".Length..].Trim();
            var kind = rest.Split(' ', '\t')[0];
            rest = rest[kind.Length..].Trim();
            if (rest.StartsWith("msg:", StringComparison.Ordinal)) remarks.Add((kind, rest[4..].Trim(), null));
            else if (rest.StartsWith("regex:", StringComparison.Ordinal)) remarks.Add((kind, null, new Regex(rest[6..].Trim())));
            else remarks.Add((kind, null, null));
        }
        else if (line.StartsWith("expected_fail_message", StringComparison.Ordinal))
        {
            remarks.Add(("fail", line["expected_fail_message".Length..].Trim(), null));
        }
        else if (line.StartsWith("expected_fail_regexp", StringComparison.Ordinal))
        {
            remarks.Add(("fail", null, new Regex(line["expected_fail_regexp".Length..].Trim())));
        }
        else if (NumberText.TryParse(line, out var number))
        {
            scalar = number;
        }
        else
        {
            series.Add(ScriptSeries.Read(line));
        }
    }

    public string? CompareFailure(string message)
    {
        foreach (var (kind, expected, pattern) in remarks)
        {
            if (kind != "fail") continue;
            if (expected is not null && expected != message) return $"failed with: {message}";
            if (pattern is not null && !pattern.IsMatch(message)) return $"failed with: {message}";
        }
        return null;
    }

    public string? CompareAnnotations(QueryResult result) =>
        Compare("warn", result.Warnings) ?? Compare("info", result.Infos);

    public string? CompareVector(IReadOnlyList<VectorElement> actual, bool isScalar)
    {
        if (isScalar)
        {
            if (scalar is not { } number) return $"a scalar, {actual[0].Value}";
            return AlmostEqual(number, actual[0].Value) ? null : $"{actual[0].Value}, not {number}";
        }
        if (scalar is not null) return "no scalar";
        if (actual.Count != series.Count) return $"{actual.Count} series, not {series.Count}: {Show(actual)}";
        for (var i = 0; i < actual.Count; i++)
        {
            var place = series.FindIndex(s => s.Labels.Equals(actual[i].Labels));
            if (place < 0) return $"unexpected {LabelOrder.Text(actual[i].Labels)} {Show(actual[i])}";
            if (Ordered && place != i) return $"{LabelOrder.Text(actual[i].Labels)} at place {i}, not {place}: {Show(actual)}";
            if (series[place].Values is not [{ } value]) return "more than one value is expected";
            if (!AlmostEqual(value, actual[i].Value, actual[i].Histogram)) return $"{LabelOrder.Text(actual[i].Labels)} is {Show(actual[i])}, not {Show(value)}";
        }
        return null;
    }

    public string? CompareMatrix(MatrixValue actual, StepGrid grid)
    {
        if (actual.Series.Count != series.Count(s => s.Values.Any(v => v is not null)))
            return $"{actual.Series.Count} series, not {series.Count}: {string.Join(", ", actual.Series.Select(s => LabelOrder.Text(s.Labels)))}";
        foreach (var found in actual.Series)
        {
            var place = series.FindIndex(s => s.Labels.Equals(found.Labels));
            if (place < 0) return $"unexpected {LabelOrder.Text(found.Labels)}";
            var expected = series[place].Values.Select((v, i) => (Time: grid.TimeOf(i), Value: v)).Where(v => v.Value is not null).ToArray();
            var actually = found.Times.ToArray().Select((t, i) => (Time: t, Value: found.Values.Span[i], Histogram: found.Histograms.IsEmpty ? null : found.Histograms.Span[i])).ToArray();
            var shown = string.Join(" ", actually.Select(a => $"{Show(new ScriptValue(a.Value, a.Histogram))}@{a.Time}"));
            if (expected.Length != found.Count) return $"{LabelOrder.Text(found.Labels)} has {found.Count} samples, not {expected.Length}: {shown}";
            for (var i = 0; i < expected.Length; i++)
            {
                if (expected[i].Time != actually[i].Time || !AlmostEqual(expected[i].Value!, actually[i].Value, actually[i].Histogram))
                    return $"{LabelOrder.Text(found.Labels)}: sample {i} is not {Show(expected[i].Value!)}@{expected[i].Time}: {shown}";
            }
        }
        return null;
    }

    private string? Compare(string kind, IReadOnlyList<string> actual)
    {
        var wanted = remarks.Where(r => r.Kind == kind).ToArray();
        if ((remarks.Any(r => r.Kind == $"no_{kind}")) && actual.Count > 0) return $"unexpected {kind}: {string.Join("; ", actual)}";
        if ((mode == kind || wanted.Length > 0) && actual.Count == 0) return $"no {kind}";
        bool Fits((string, string? Message, Regex? Pattern) remark, string text) =>
            (remark.Message is null || remark.Message == text) && (remark.Pattern is null || remark.Pattern.IsMatch(text));
        foreach (var remark in wanted)
        {
            if (!actual.Any(a => Fits(remark, a))) return $"no {kind} like {remark.Message}{remark.Pattern}: {string.Join("; ", actual)}";
        }
        return wanted.Length > 0 && actual.FirstOrDefault(a => !wanted.Any(w => Fits(w, a))) is { } extra ? $"unexpected {kind}: {extra}" : null;
    }

    /// <summary>Equal to one part in a million, as the scripts are judged where they come from.</summary>
    private static bool AlmostEqual(double a, double b)
    {
        if (double.IsNaN(a) && double.IsNaN(b)) return true;
        if (a == b) return true;
        var sum = Math.Abs(a) + Math.Abs(b);
        var difference = Math.Abs(a - b);
        const double Epsilon = 0.000001, MinNormal = 2.2250738585072014E-308;
        if (a == 0 || b == 0 || sum < MinNormal) return difference < Epsilon * MinNormal;
        return difference / Math.Min(sum, double.MaxValue) < Epsilon;
    }

    private static bool AlmostEqual(ScriptValue expected, double value, FloatHistogram? histogram) => (expected.Histogram, histogram) switch
    {
        (null, null) => AlmostEqual(expected.Number, value),
        ({ } one, { } other) => AlmostEqual(one.Compact(), other.Compact()) && (!expected.HintGiven || one.Hint == other.Hint),
        _ => false,
    };

    private static bool AlmostEqual(FloatHistogram a, FloatHistogram b) => a.Schema == b.Schema && AlmostEqual(a.Count, b.Count) && AlmostEqual(a.Sum, b.Sum)
        && (!a.IsCustom || a.CustomBounds.AsSpan().SequenceEqual(b.CustomBounds)) && a.ZeroThreshold == b.ZeroThreshold && AlmostEqual(a.ZeroCount, b.ZeroCount)
        && AlmostEqual(a.Positive, b.Positive) && AlmostEqual(a.Negative, b.Negative);

    private static bool AlmostEqual(HistogramBuckets a, HistogramBuckets b)
    {
        if (!a.Indexes.SequenceEqual(b.Indexes)) return false;
        for (var i = 0; i < a.Length; i++)
        {
            if (!AlmostEqual(a.Counts[i], b.Counts[i])) return false;
        }
        return true;
    }

    private static string Show(ScriptValue value) => value.Histogram is { } h ? $"{h} schema {h.Schema} zero {h.ZeroThreshold:R} hint {h.Hint}" : $"{value.Number:R}";

    private static string Show(VectorElement element) => Show(new ScriptValue(element.Value, element.Histogram));

    private static string Show(IReadOnlyList<VectorElement> vector) =>
        string.Join(", ", vector.Take(10).Select(e => $"{LabelOrder.Text(e.Labels)} {Show(e)}"));
}

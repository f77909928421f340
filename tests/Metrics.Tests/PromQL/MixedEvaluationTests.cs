using System.Globalization;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;
using Xunit;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>Random expressions over floats, histograms of all kinds, and series that have both: a range query is the instant queries at its steps.</summary>
public sealed class MixedEvaluationTests
{
    private const long Step = 37_000;
    private const int Steps = 7;

    private static readonly string[] Selectors = ["f", "c_total", "h", "n", "m", "b_bucket", "{a=\"1\"}", "{__name__=~\"h|n\"}", "h{a!=\"1\"}", "m offset 1m", "h @ 200", "f smoothed", "h smoothed"];
    private static readonly string[] Ranges =
    [
        "f[2m]", "c_total[5m]", "h[3m]", "n[2m]", "m[4m]", "h[90s] offset 1m", "m[2m] @ 300", "(h + h)[3m:30s]", "m[3m:20s]", "sum(h)[2m:15s]", "h[2m] anchored", "h[2m] smoothed",
        "c_total[2m] anchored", "c_total[90s] smoothed", "m[2m] anchored", "n[1m] smoothed", "h[1m + 30s]",
    ];
    private static readonly string[] OverRange =
    [
        "rate", "increase", "delta", "irate", "idelta", "resets", "changes", "sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "count_over_time", "last_over_time",
        "first_over_time", "present_over_time", "absent_over_time", "stddev_over_time", "deriv", "ts_of_first_over_time", "ts_of_last_over_time", "ts_of_max_over_time", "mad_over_time",
    ];
    private static readonly string[] OfVector =
    [
        "abs", "histogram_count", "histogram_sum", "histogram_avg", "histogram_stddev", "histogram_stdvar", "timestamp", "absent", "-", "info", "vector(scalar", "sgn", "start_timestamp",
    ];
    private static readonly string[] Folds = ["sum", "avg", "min", "max", "count", "group", "stddev", "quantile(0.5, ", "count_values(\"v\", ", "topk(2, "];
    private static readonly string[] Operators = ["+", "-", "*", "/", "==", "!=", ">", "</", ">/", "== bool", "and", "or", "unless", "+ fill(1)", "* on(a) fill_left(2)", "- on(a) group_left fill_right(3)"];

    [Fact]
    public void Range_OfRandomExpressions_IsItsInstants()
    {
        var random = new Random(20261122);
        var storage = Data(random);
        var (answered, failed, histograms) = (0, 0, 0);
        for (var i = 0; i < 1_500; i++)
        {
            var text = Vector(random, 3);
            Assert.True(PromQlParser.TryParse(text, out var expr, out var error), $"{text}: {error}");
            var grid = StepGrid.Range(200_000, 200_000 + (Steps - 1) * Step, Step);
            var range = Try(() => Evaluator.Range(text, expr, grid, storage.Source(expr, grid, onlyWhatIsAskedFor: true), new EvaluationOptions()));
            var failures = 0;
            for (var step = 0; step < Steps; step++)
            {
                var at = grid.TimeOf(step);
                var moment = new StepGrid(at, 1, 1);
                var instant = Try(() => Evaluator.Instant(text, expr, at, storage.Source(expr, moment, onlyWhatIsAskedFor: true), new EvaluationOptions()));
                if (instant is null) failures++;
                else if (range is not null) histograms += Compare($"{text} at {at}", (VectorValue)instant.Value, (MatrixValue)range.Value);
            }
            Assert.True(range is null == failures > 0, $"{text}: {failures} instants failed, and the range {(range is null ? "too" : "did not")}");
            if (range is null) failed++;
            else answered++;
        }
        Assert.True(answered > 1_000 && histograms > 1_000, $"{answered} answers, {failed} failures, {histograms} histograms");
    }

    private static QueryResult? Try(Func<QueryResult> query)
    {
        try
        {
            return query();
        }
        catch (EvaluationException)
        {
            return null;
        }
    }

    private static int Compare(string what, VectorValue instant, MatrixValue range)
    {
        var at = range.Series.Select(s => (s, Place: s.Times.Span.IndexOf(instant.TimeMs))).Where(s => s.Place >= 0)
            .ToDictionary(s => s.s.Labels, s => new Sample(s.s.Values.Span[s.Place], s.s.Histograms.IsEmpty ? null : s.s.Histograms.Span[s.Place]));
        Assert.True(at.Count == instant.Elements.Count, $"{what}: {at.Count} and {instant.Elements.Count}");
        var histograms = 0;
        foreach (var element in instant.Elements)
        {
            Assert.True(at.TryGetValue(element.Labels, out var other), $"{what}: {element.Labels}");
            Assert.True(Alike(element, other), $"{what}: {element.Value} {element.Histogram}, {other}");
            histograms += element.Histogram is null ? 0 : 1;
        }
        return histograms;
    }

    private static bool Alike(VectorElement element, Sample other)
    {
        if (element.Histogram is not { } histogram) return other.Histogram is null && Near(element.Value, other.Number);
        return other.Histogram is { } second && second.Schema == histogram.Schema && Near(histogram.Count, second.Count) && Near(histogram.Sum, second.Sum)
            && Near(histogram.ZeroCount, second.ZeroCount) && histogram.ZeroThreshold == second.ZeroThreshold
            && Enumerable.Range(0, histogram.Places).All(p => !histogram.BucketAt(p, out var one) | !second.BucketAt(p, out var two) || Near(one.Count, two.Count));
    }

    /// <summary>Summed up in another order.</summary>
    private static bool Near(double a, double b) => a.Equals(b) || Math.Abs(a - b) <= 1e-9 * Math.Max(1, Math.Max(Math.Abs(a), Math.Abs(b)));

    private static string Vector(Random random, int depth)
    {
        if (depth == 0) return Pick(Selectors);
        switch (random.Next(7))
        {
            case 0: return Pick(Selectors);
            case 1 or 2:
                var range = Pick(Ranges);
                var function = Pick(OverRange);
                if (range.Contains("anchored", StringComparison.Ordinal)) function = Pick(["rate", "increase", "delta", "resets", "changes"]);
                if (range.Contains("smoothed", StringComparison.Ordinal)) function = Pick(["rate", "increase", "delta"]);
                return $"{function}({range})";
            case 3:
                var name = Pick(OfVector);
                return name == "vector(scalar" ? $"vector(scalar({Vector(random, depth - 1)}))" : $"{name}({Vector(random, depth - 1)})";
            case 4:
                var fold = Pick(Folds);
                // What is best among equals is left open.
                if (fold.StartsWith("topk", StringComparison.Ordinal)) return $"{fold}c_total)";
                return fold.EndsWith(", ", StringComparison.Ordinal) ? $"{fold}{Vector(random, depth - 1)})" : $"{fold}{Pick(["", " by (a)", " without (a)"])}({Vector(random, depth - 1)})";
            case 5:
                return random.Next(3) == 0
                    ? $"histogram_quantile({Pick(["0", "0.3", "0.9", "1.5"])}, {Vector(random, depth - 1)})"
                    : $"histogram_fraction({Pick(["-Inf", "0", "1"])}, {Pick(["0.5", "3", "Inf"])}, {Vector(random, depth - 1)})";
            default:
                var op = Pick(Operators);
                var left = $"({Vector(random, depth - 1)})";
                var right = random.Next(2) == 0 && op.Length <= 7 && op is not ("and" or "or" or "unless") && !op.Contains("fill", StringComparison.Ordinal)
                    ? Pick(["2", "0", "-1.5", "NaN"])
                    : $"({Vector(random, depth - 1)})";
                return $"{left} {op} {right}";
        }

        string Pick(string[] from) => from[random.Next(from.Length)];
    }

    /// <summary>15 minutes, every 13 seconds, with gaps, resets, changes of layout, and staleness markers.</summary>
    private static ScriptStorage Data(Random random)
    {
        var storage = new ScriptStorage();
        foreach (var a in (string[])["1", "2"])
        {
            double counter = 0;
            storage.Load(13_000,
            [
                $"f{{a=\"{a}\"}} {Values(_ => $"{random.Next(-20, 20)}")}",
                $"c_total{{a=\"{a}\"}} {Values(i => Count(ref counter, i, a == "1" ? 0.25 : 0.5))}",
                $"h{{a=\"{a}\"}} {Values(i => Exponential(i % 20, i < 35 ? 1 : 0))}",
                $"n{{a=\"{a}\"}} {Values(i => Custom(i % 15, i < 40 ? "1 2 4" : "1 4 8"))}",
                $"m{{a=\"{a}\"}} {Values(i => (i / 8 % 3) switch { 0 => $"{i}", 1 => Exponential(i, 0), _ => Custom(i, "1 2") })}",
                $"b_bucket{{a=\"{a}\",le=\"1\"}} {Values(i => $"{i}")}",
                $"b_bucket{{a=\"{a}\",le=\"4\"}} {Values(i => (i % 9 == 8 ? $"{2 * i - 12}" : $"{2 * i}"))}",
                $"b_bucket{{a=\"{a}\",le=\"+Inf\"}} {Values(i => $"{3 * i}")}",
                $"target_info{{a=\"{a}\",data=\"d{a}\"}} {Values(_ => "1")}",
            ], withCustomBuckets: false);
        }
        return storage;

        string Count(ref double counter, int i, double more)
        {
            counter = i % 17 == 16 ? more : counter + random.Next(1, 9) + more;
            return counter.ToString(CultureInfo.InvariantCulture);
        }

        string Values(Func<int, string> value) => string.Join(' ', Enumerable.Range(0, 70).Select(i => random.Next(12) switch
        {
            0 => "_",
            1 when i % 5 == 0 => "stale",
            _ => value(i),
        }));

        string Exponential(int i, int schema) =>
            $"{{{{schema:{schema} count:{6 * i + 6} sum:{i * 2.5} z_bucket:{i} z_bucket_w:0.001 buckets:[{i + 1} {2 * i + 2} {i}] n_buckets:[{i + 3}]}}}}";

        string Custom(int i, string bounds) => $"{{{{schema:-53 count:{4 * i + 3} sum:{i * 3} custom_values:[{bounds}] buckets:[{i + 1} {2 * i} {i + 2}]}}}}";
    }
}

using System.Globalization;
using Vigil.Metrics.Series;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>
/// The same samples in a real Prometheus and in our service, the same questions over HTTP, the same answers. Questions are asked
/// between samples: at a window's very start Prometheus 2 still takes a sample that Prometheus 3, and this service, leave out.
/// </summary>
public sealed class DifferentialTests
{
    private const int Minutes = 60;

    private static readonly string[] Expressions =
    [
        "up", "up == 0", "up * 100", "-up", "up > bool 0", "1 - up", "2 ^ up", "up % 2", "up != 1", "0 < up",
        "{__name__=~\"up|cpu\"}", "up{job=\"api\"}", "up{job!=\"api\"}", "up{job=~\"a.*|db\"}", "up{job!~\"a.*\"}", "up{nothing=\"\"}", "cpu offset 5m", "cpu offset -1m",
        "sum(up)", "sum by (job) (cpu)", "avg without (instance) (cpu)", "min(cpu)", "max by (job) (cpu)", "count(up) by (job)", "group(up)",
        "stddev(cpu)", "stdvar by (job) (cpu)", "topk(2, cpu)", "bottomk(1, cpu) by (job)", "quantile(0.9, cpu)", "quantile by (job) (0.25, cpu)", "count_values(\"v\", up)",
        "rate(requests_total[5m])", "increase(requests_total[10m])", "irate(requests_total[5m])", "delta(cpu[5m])", "idelta(cpu[5m])", "deriv(cpu[5m])",
        "predict_linear(cpu[10m], 600)", "changes(up[20m])", "resets(requests_total[30m])", "rate(gaps_total[5m])", "increase(gaps_total[30m])",
        "avg_over_time(cpu[7m])", "sum_over_time(cpu[7m])", "min_over_time(cpu[7m])", "max_over_time(cpu[7m])", "count_over_time(cpu[7m])", "last_over_time(cpu[7m])",
        "quantile_over_time(0.95, cpu[10m])", "stddev_over_time(cpu[10m])", "stdvar_over_time(cpu[10m])", "present_over_time(cpu[7m])", "absent_over_time(nothing{a=\"b\"}[5m])",
        "absent(nothing{a=\"b\",c=~\"d\"})", "absent(up)",
        "sum(rate(requests_total{code=~\"5..\"}[5m])) / sum(rate(requests_total[5m]))",
        "sum by (job) (rate(requests_total{code=~\"5..\"}[5m])) / sum by (job) (rate(requests_total[5m])) > 0.01",
        "rate(requests_total{code=~\"5..\"}[5m]) / rate(requests_total[5m])",
        "histogram_quantile(0.95, sum by (le) (rate(latency_bucket[5m])))", "histogram_quantile(0.5, latency_bucket)", "histogram_quantile(1.5, latency_bucket)", "histogram_quantile(0.9, cpu)",
        "abs(cpu - 50)", "ceil(cpu)", "floor(cpu)", "round(cpu, 5)", "round(cpu)", "clamp(cpu, 40, 60)", "clamp_min(cpu, 50)", "clamp_max(cpu, 50)", "exp(up)", "ln(cpu)", "log2(cpu)", "log10(cpu)", "sqrt(cpu)",
        "sgn(cpu - 50)", "sin(cpu)", "cos(cpu)", "tan(cpu)", "atan(cpu)", "asin(up / 2)", "acos(up / 2)", "sinh(up)", "cosh(up)", "tanh(up)", "asinh(up)", "acosh(up + 1)", "atanh(up / 2)", "deg(cpu)", "rad(cpu)", "pi()", "abs(cpu atan2 up)",
        "time()", "timestamp(up)", "timestamp(up * 1)", "day_of_week()", "day_of_month(vector(time()))", "day_of_year()", "days_in_month()", "hour()", "minute()", "month()", "year()", "hour(vector(0))",
        "scalar(up{job=\"db\"})", "scalar(up)", "vector(1)", "vector(scalar(cpu{instance=\"a\",job=\"api\"}))",
        "label_replace(up, \"x\", \"$1-y\", \"job\", \"(.*)\")", "label_replace(up, \"job\", \"\", \"instance\", \"a\")", "label_join(up, \"x\", \"/\", \"job\", \"instance\")",
        "sort(cpu)", "sort_desc(cpu)", "up and on(job) cpu > 50", "cpu or up", "up unless on(instance) cpu{job=\"db\"}", "up and up == 1",
        "cpu * on(job, instance) up", "cpu * on(job) group_left(team) info", "info * on(job) group_right cpu", "cpu + ignoring(instance) group_left up{job=\"db\"}", "cpu / on(job) up",
        "max_over_time(rate(requests_total[2m])[10m:1m])", "sum_over_time(up[10m:])", "avg_over_time((cpu > 50)[20m:30s])", "rate(requests_total[5m:20s])", "max_over_time(sum(cpu)[10m:1m] offset 3m)",
        "sum(cpu) / count(cpu)", "avg(cpu) - scalar(avg(cpu))", "cpu > 40 < 60", "(cpu > 40) and (cpu < 60)", "cpu == cpu", "cpu - cpu offset 1m", "sum(up) or vector(0)", "count(up == 2) or vector(0)",
        "1 + 2 * 3 ^ 2 ^ 0.5 - -1", "5 % 3", "-5 % 3", "1 / 0", "-1 / 0", "0 / 0", "1 == bool 1", "\"text\"", "0x1f", "1e3", "Inf", "NaN",
        "up @ 1", "sum(", "foo{", "up[5m", "rate(up)", "1 and 2", "abs(1)", "topk(up)", "up offset", "sum by (x (up)", "{}", "up + on(job) 1", "up{a=b}", "1 == 1",
    ];

    [FactNeeds("prometheus", "promtool")]
    public Task M18_Query_AnswersLikePrometheus_OverManyExpressions() => CompareAsync(Expressions, instants: 2);

    /// <summary>More of them, or others: VIGIL_RANDOM_QUERIES=5000 VIGIL_RANDOM_SEED=7.</summary>
    [FactNeeds("prometheus", "promtool")]
    public Task M18_Query_AnswersLikePrometheus_OverRandomExpressions()
    {
        var queries = new RandomQueries(new Random(Setting("VIGIL_RANDOM_SEED", 1)));
        return CompareAsync([.. Enumerable.Range(0, Setting("VIGIL_RANDOM_QUERIES", 200)).Select(_ => queries.Next())], instants: 1);

        static int Setting(string name, int otherwise) =>
            int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : otherwise;
    }

    private static async Task CompareAsync(string[] expressions, int instants)
    {
        var end = Twins.WholeMinute();
        await using var twins = await Twins.StartAsync(Data(end - Minutes * 60_000));
        var differences = new List<string>();
        foreach (var expression in expressions)
        {
            // Off the samples' and the steps' grid.
            foreach (var time in ((long[])[end - 500, end - 1_800_500]).Take(instants)) differences.AddRange(await twins.CompareAsync(expression, time));
            differences.AddRange(await twins.CompareAsync(expression, end - 1_200_500, end - 500, 37));
        }
        Assert.True(differences.Count == 0, $"{differences.Count} of {expressions.Length * (instants + 1)} answers differ\n{string.Join("\n", differences)}");
    }

    private static List<SeriesSamples> Data(long start)
    {
        var random = new Random(7);
        var series = new List<SeriesSamples>();
        foreach (var (job, instance) in (ReadOnlySpan<(string, string)>)[("api", "a"), ("api", "b"), ("db", "c")])
        {
            double counter = 0, errors = 0, level = 50;
            Add(["up", job, instance], i => job == "api" && instance == "b" && i % 60 > 45 ? 0 : 1);
            Add(["cpu", job, instance], _ => level = Math.Clamp(level + random.NextDouble() * 10 - 5, 1, 99));
            Add(["requests_total", job, instance], i => counter = i == 170 ? 3 : counter + random.Next(100), ("code", "200"));
            Add(["requests_total", job, instance], _ => errors += random.Next(3), ("code", "503"));
        }
        foreach (var (job, instance, zone) in (ReadOnlySpan<(string, string, string)>)[("api", "a", "z1"), ("api", "a", "z2"), ("api", "b", "z1"), ("db", "c", "z2")])
        {
            double level = 0, steady = 10_000;
            // Every now and then some samples are missing.
            Add(["level", job, instance], i => i % 67 is > 40 and < 40 + 11 ? null : level += random.NextDouble() * 4 - 2, ("zone", zone));
            Add(["steady_total", job, instance], i => steady = i % 90 == 89 ? 10_000 : steady + random.NextDouble(), ("zone", zone));
        }
        Add(["gaps_total", "api", "a"], i => i % 31 < 17 ? i * 2 : null);
        double[] buckets = [0, 0, 0, 0];
        for (var b = 0; b < buckets.Length; b++)
        {
            var index = b;
            Add(["latency_bucket", "api", "a"], i => (i + 1) * (index + 1) * 2.5 + (index == 3 ? 1 : 0), ("le", ((string[])["0.1", "0.5", "1", "+Inf"])[b]));
        }
        series.Add(Series(LabelSet.Of(LabelSet.NameLabel, "info", "job", "api", "team", "red"), _ => 1));
        series.Add(Series(LabelSet.Of(LabelSet.NameLabel, "info", "job", "db", "team", "blue"), _ => 1));
        return series;

        void Add(string[] names, Func<int, double?> value, params ReadOnlySpan<(string Name, string Value)> more)
        {
            var labels = LabelSet.Of(LabelSet.NameLabel, names[0], "job", names[1], "instance", names[2]);
            foreach (var (name, text) in more) labels = labels.With(name, text);
            series.Add(Series(labels, value));
        }

        // Every 15 s, a little after the full second.
        SeriesSamples Series(LabelSet labels, Func<int, double?> value)
        {
            var (times, values) = (new List<long>(), new List<double>());
            for (var i = 0; i < Minutes * 4; i++)
            {
                if (value(i) is not { } sample) continue;
                times.Add(start + i * 15_000 + 123);
                values.Add(sample);
            }
            return new(labels, times.ToArray(), values.ToArray());
        }
    }
}

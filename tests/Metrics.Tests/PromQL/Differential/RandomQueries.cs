using System.Globalization;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>
/// Random expressions over the metrics of <see cref="DifferentialTests"/>, of what Prometheus 2 and 3 both know and answer alike. Functions with jumps (floor,
/// comparisons) are asked of values as they were stored: what rounding makes of others may fall on either side. Left out is what Prometheus 3 answers otherwise than 2:
/// variances of infinite values, the name of what atan2 yields, several matches of which a comparison filters all but one, a prediction from a pinned window.
/// </summary>
internal sealed class RandomQueries(Random random)
{
    private static readonly string[] Gauges = ["cpu", "level", "up"];
    private static readonly string[] Counters = ["requests_total", "steady_total"];
    private static readonly string[] Matchers =
    [
        "", "", "", "{job=\"api\"}", "{job!=\"api\"}", "{instance=~\"a|b\"}", "{instance!~\"a.*\"}", "{job=~\".+\",instance=\"a\"}", "{job=\"none\"}", "{zone=\"\"}",
        "{zone=~\"z.\"}", "{zone!=\"z1\"}",
    ];
    private static readonly string[] Ranges = ["40s", "2m", "5m", "7m", "20m"];
    private static readonly string[] Offsets =
    [
        "", "", "", "", "", "", " offset 1m", " offset 7m30s", " offset -2m", " @ start()", " @ end()", " @ end() offset 1m", " offset 2m @ start()", " offset -1m @ end()",
    ];
    private static readonly string[] Groupings = ["", "", " by (job)", " by (instance)", " by (job, zone)", " without (instance)", " without (job, zone)", " by ()", " by (nothing)"];
    private static readonly string[] Folds = ["sum", "avg", "min", "max", "count", "group"];
    private static readonly string[] OverTime =
    [
        "avg_over_time", "sum_over_time", "min_over_time", "max_over_time", "count_over_time", "last_over_time", "stddev_over_time", "stdvar_over_time",
        "present_over_time", "delta", "idelta", "deriv", "changes",
    ];
    private static readonly string[] OfCounters = ["rate", "increase", "irate", "resets"];
    private static readonly string[] Smooth = ["abs", "exp", "sqrt", "sin", "cos", "atan", "asinh", "tanh", "deg", "rad", "ln", "log2", "log10"];
    private static readonly string[] Jumping = ["ceil", "floor", "round", "sgn"];
    private static readonly string[] Comparisons = ["==", "!=", "<", "<=", ">", ">="];
    private static readonly string[] Arithmetic = ["+", "-", "*", "/"];
    private static readonly string[] Quantiles = ["0", "0.25", "0.5", "0.99", "1", "-0.1", "1.1", "NaN", "Inf"];
    private static readonly string[] Patterns = ["(.*)", "a(.*)", "([ab]).*", "(?i)([A-Z])", "(.+?)([0-9]*)", "[^a]|(a)", "(?:z)?(1|2)?", "", "(a)|(b)|(.)"];
    private static readonly string[] Templates = ["$1-x", "${1}", "$2$1", "$1x", "$$", "", "$", "$0"];
    private static readonly string[] Calendar = ["hour", "minute", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"];

    /// <summary>An expression that yields a vector or, now and then, a scalar.</summary>
    public string Next() => random.Next(12) == 0 ? Scalar(2) : Vector(3);

    private string Pick(string[] from) => from[random.Next(from.Length)];

    private string Selector() => Pick(random.Next(4) == 0 ? Counters : Gauges) + Pick(Matchers);

    private string Stored() => Selector() + Pick(Offsets);

    private string Number() => random.Next(5) switch
    {
        0 => random.Next(-3, 10).ToString(CultureInfo.InvariantCulture),
        1 => (random.NextDouble() * 100).ToString("F2", CultureInfo.InvariantCulture),
        2 => "1e3",
        3 => "0x10",
        _ => random.Next(1, 60).ToString(CultureInfo.InvariantCulture),
    };

    private string Scalar(int depth) => (depth == 0 ? 0 : random.Next(6)) switch
    {
        1 => $"scalar({Vector(depth - 1)})",
        2 => $"({Scalar(depth - 1)} {Pick(Arithmetic)} {Scalar(depth - 1)})",
        3 => "time()",
        4 => $"-({Scalar(depth - 1)})",
        5 => $"({Number()} {Pick(Comparisons)} bool {Number()})",
        _ => Number(),
    };

    private string Range()
    {
        var matchers = Pick(Matchers);
        return random.Next(4) switch
        {
            // Subqueries within subqueries begin at other moments in Prometheus 2.
            0 => $"{Pick(Gauges)}{matchers}[{Pick(["4m", "10m"])}:{Pick(["30s", "1m", ""])}]{Pick(Offsets)}",
            1 => $"(sum{Pick(Groupings)} ({Pick(Gauges)}{matchers}))[5m:1m]{Pick(Offsets)}",
            _ => $"{Pick(Gauges)}{matchers}[{Pick(Ranges)}]{Pick(Offsets)}",
        };
    }

    private string Vector(int depth)
    {
        if (depth == 0) return Stored();
        var inner = depth - 1;
        return random.Next(24) switch
        {
            0 => Stored(),
            1 => $"{Pick(OfCounters)}({Pick(Counters)}{Pick(Matchers)}[{Pick(Ranges)}]{Pick(Offsets)})",
            2 or 3 => $"{Pick(OverTime)}({Range()})",
            4 => $"quantile_over_time({Pick(Quantiles)}, {Range()})",
            5 => $"predict_linear({Pick(Gauges)}{Pick(Matchers)}[{Pick(Ranges)}], {random.Next(-600, 3600)})",
            18 => $"{Pick(["stddev", "stdvar"])}{Pick(Groupings)} ({Stored()})",
            6 or 7 => $"{Pick(Folds)}{Pick(Groupings)} ({Vector(inner)})",
            8 => $"quantile{Pick(Groupings)} ({Pick(Quantiles)}, {Vector(inner)})",
            9 => $"{Pick(["topk", "bottomk"])}{Pick(Groupings)} ({random.Next(-1, 4)}, {Pick(["cpu", "level"])}{Pick(Matchers)}{Pick(Offsets)})",
            10 => $"{Pick(Smooth)}({Vector(inner)})",
            11 => $"{Pick(Jumping)}({Stored()})",
            12 => $"{Stored()} {Pick(Comparisons)}{Pick(["", " bool"])} {Pick([Number(), Number(), "on(job, instance) group_left() up"])}",
            13 => $"({Vector(inner)}) {Pick(Arithmetic)} {Scalar(1)}",
            14 => $"({Vector(inner)}) {Pick(Arithmetic)} {Pick(["on(job, instance)", "on(job)", "ignoring(zone)", "", "on(job) group_left()", "on(instance) group_right()"])} ({Vector(inner)})",
            15 => $"({Vector(inner)}) {Pick(["and", "or", "unless"])} {Pick(["", "on(job)", "ignoring(instance, zone)"])} ({Vector(inner)})",
            16 => random.Next(4) switch
            {
                0 => $"{Pick(Calendar)}({Pick(["", "vector(time())", "timestamp(up)"])})",
                1 => $"absent({Vector(inner)})",
                2 => $"absent_over_time({Range()})",
                _ => $"timestamp({Stored()})",
            },
            19 => $"count_values{Pick(Groupings)} (\"{Pick(["v", "job"])}\", {Stored()})",
            20 => $"({Vector(inner)}) * on(job) group_left({Pick(["", "team", "team, zone"])}) info",
            21 => random.Next(3) switch
            {
                0 => $"{Stored()} % {Pick(["3", "-7", "0", "2.5", "Inf", "NaN"])}",
                1 => $"{Pick(["-", "+", "--"])}{Stored()} ^ {Pick(["2", "0.5", "-1", "2 ^ 0.5", "-2 ^ 2"])}",
                _ => $"{Number()} {Pick(["^", "-", "/"])} {Stored()}",
            },
            22 => random.Next(3) switch
            {
                0 => $"histogram_quantile({Pick(Quantiles)}, {Pick(["latency_bucket", "rate(latency_bucket[5m])", "sum by (le) (rate(latency_bucket[2m]))", "latency_bucket{le!=\"0.5\"}", "latency_bucket{le!=\"+Inf\"}"])})",
                1 => $"round({Stored()}, {Pick(["-5", "0.1", "0", "NaN"])})",
                _ => $"timestamp({Vector(inner)})",
            },
            17 => random.Next(3) switch
            {
                0 => $"clamp({Stored()}, {Number()}, {Number()})",
                1 => $"clamp_min({Vector(inner)}, {Number()})",
                _ => $"clamp_max({Vector(inner)}, {Scalar(1)})",
            },
            _ => random.Next(3) switch
            {
                0 => $"label_replace({Vector(inner)}, \"{Pick(["to", "to", "job"])}\", \"{Pick(Templates)}\", \"{Pick(["job", "instance", "zone"])}\", \"{Pick(Patterns)}\")",
                1 => $"label_join({Vector(inner)}, \"to\", \"/\", \"job\", \"zone\")",
                _ => $"-({Vector(inner)})",
            },
        };
    }
}

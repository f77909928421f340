using System.Globalization;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>Series with everything in them that is seldom met: values at the ends of the number line, holes, ties, broken histograms, labels of all kinds.</summary>
internal static class EdgeData
{
    public const int Count = 200;

    private static readonly double[] Odd =
    [
        double.NaN, double.PositiveInfinity, double.NegativeInfinity, 0, -0.0, 1e300, -1e300, 1e-300, 1e-310, 0.1, 1d / 3, 2.5, -2.5, 3.5, -7, 1e21, 1e6, 123456789.123, 1e-7, -1.5,
    ];

    /// <summary>A sample every 15 s, a little after the full second, up to <paramref name="end"/>.</summary>
    public static List<SeriesSamples> Series(long end)
    {
        var (random, start, series) = (new Random(5), end - Count * 15_000, new List<SeriesSamples>());
        foreach (var env in (ReadOnlySpan<string>)["prod", "dev"])
        {
            foreach (var dc in (ReadOnlySpan<string>)["a", "b", "c"])
            {
                foreach (var job in (ReadOnlySpan<string>)["api", "db"])
                {
                    double level = 50, counter = 0;
                    Add("g", _ => level += random.NextDouble() * 10 - 5, "env", env, "dc", dc, "job", job);
                    Add("c_total", _ => counter = random.Next(50) == 0 ? 0 : counter + random.Next(50), "env", env, "dc", dc, "job", job);
                    Add("irr", i => random.Next(3) == 0 ? null : 60 + i % 13 + random.NextDouble(), "env", env, "dc", dc, "job", job);
                }
            }
        }
        foreach (var dc in (ReadOnlySpan<string>)["a", "b", "c"]) Add("info", _ => 1, "dc", dc, "team", "t" + dc, "owner", "x\"y\\z");
        for (var i = 0; i < Odd.Length; i++)
        {
            var value = Odd[i];
            Add("odd", _ => value, "i", Text(i));
        }
        Add("oddt", i => Odd[i % Odd.Length], "x", "1");
        Add("nancount", i => i % 7 == 3 ? double.NaN : i / 9, "x", "1");
        Add("stalemid", i => i % 23 is > 10 and < 15 ? null : i, "x", "1");
        Add("stalemid", i => i % 31 == 30 ? null : i * i % 17, "x", "2");
        Add("sparse", i => i % 25 == 0 ? i : null, "x", "1");
        Add("one", i => i == Count - 10 ? 7 : null, "x", "1");
        Add("two", i => i is Count - 10 or Count - 9 ? i - 180 : null, "x", "1");
        Add("const", _ => 4.25, "x", "1");
        Add("big", i => i % 2 == 0 ? -1e300 : 1e300, "x", "1");
        Add("bigp", _ => 1.7e308, "x", "1");
        Add("withinf", i => i == Count - 8 ? double.PositiveInfinity : i, "x", "1");
        double[] ties = [1, 1, double.NaN, 2, 2];
        for (var i = 0; i < ties.Length; i++)
        {
            var value = ties[i];
            Add("ties", _ => value, "i", Text(i + 1));
        }
        AddHistograms(Add);
        foreach (var v in (ReadOnlySpan<string>)["foo", "Foo", "foo-bar", "foo bar", "f\u00F3\u00F6", "\u65E5\u672C", "a1b2", "", "10", "9", "node10", "node9", "a.b.c:80", "{\"a\"}", "1e3", "\u0661\u0662"])
            Add("lab", _ => 1, "v", v, "k", "k" + v);
        Add("sum", _ => 3, "by", "1", "on", "2");
        Add("offset", _ => 3, "bool", "1");
        Add("neg_time", i => -86_400d * 365 * 3 + i, "x", "1");
        Add("leap", i => 951_782_400d + i * 86_400 * 7, "x", "1");
        Add("a:b:c", _ => 1, "x", "1");
        for (var i = 0; i < 4; i++)
        {
            var n = i;
            Add("many", _ => n, "a", Text(n % 2), "b", Text(n / 2), "c", "z", "d", "w", "inst", Text(n));
            Add("onez", _ => 10 * n, "a", Text(n % 2), "b", Text(n / 2), "extra", "e" + Text(n), "c", "over");
        }
        return series;

        void Add(string name, Func<int, double?> value, params string[] labels)
        {
            var set = LabelSet.Of(LabelSet.NameLabel, name);
            for (var i = 0; i < labels.Length; i += 2) set = labels[i + 1].Length == 0 ? set : set.With(labels[i], labels[i + 1]);
            var (times, values) = (new List<long>(), new List<double>());
            for (var i = 0; i < Count; i++)
            {
                if (value(i) is not { } sample) continue;
                times.Add(start + i * 15_000 + 123);
                values.Add(sample);
            }
            series.Add(new(set, times.ToArray(), values.ToArray()));
        }
    }

    /// <summary>Buckets: good ones, some that fall, without +Inf, only +Inf, two of one bound, below zero, without a bound.</summary>
    private static void AddHistograms(Action<string, Func<int, double?>, string[]> add)
    {
        string[] bounds = ["0.1", "0.5", "1", "5", "+Inf"];
        double[] falling = [10, 30, 20, 25, 40];
        foreach (var kind in (ReadOnlySpan<string>)["ok", "dip", "noinf", "one", "dup", "neg"])
        {
            for (var b = 0; b < bounds.Length; b++)
            {
                if ((kind == "noinf" && b == 4) || (kind == "one" && b < 4)) continue;
                var count = kind == "dip" ? falling[b] : kind == "one" ? 50 : (b + 1) * 10;
                add("h_bucket", i => count * (i + 1), ["kind", kind, "le", kind == "neg" && b < 4 ? "-" + bounds[b] : bounds[b]]);
            }
        }
        add("h_bucket", i => 15 * (i + 1), ["kind", "dup", "le", "1.0"]);
        add("h_bucket", _ => 3, ["kind", "bad", "le", "abc"]);
        add("h_bucket", _ => 3, ["kind", "nole"]);
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}

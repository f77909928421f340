using FsCheck;
using FsCheck.Fluent;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;
using Vigil.Metrics.Watch.Incremental;
using Xunit;

namespace Vigil.Metrics.Tests.Watch;

/// <summary>Expressions that are kept up to date from sample to sample have the value that the full evaluation has.</summary>
public sealed class StandingPlanTests
{
    /// <summary>Two of them are the same, and one is none.</summary>
    private static readonly string[] Bounds = ["0.1", "1", "1.0", "2.5", "+Inf", "+Inf", "x"];

    private static readonly PlanCompiler Compiler = new(300_000, 86_400_000);

    [Theory]
    [InlineData("avg_over_time(a[30s]) > 5")]
    [InlineData("5 >= avg_over_time(a[30s])")]
    [InlineData("avg_over_time(a[1m] offset 10s)")]
    [InlineData("sum_over_time(a[30s]) != bool 12")]
    [InlineData("sum_over_time(a[30s]) < 3")]
    [InlineData("min_over_time(a[20s])")]
    [InlineData("max_over_time({__name__=~\"a|b\"}[40s])")]
    [InlineData("quantile_over_time(0.9, a[30s])")]
    [InlineData("rate(a[30s]) > 0.5")]
    [InlineData("increase(a[1m])")]
    [InlineData("delta(a[1m])")]
    [InlineData("irate(a[1m])")]
    [InlineData("stddev_over_time(a[30s])")]
    [InlineData("predict_linear(a[30s], 60) * 2")]
    [InlineData("changes(a[1m]) + resets(a[1m])")]
    [InlineData("count_over_time(a[30s]) == 3")]
    [InlineData("last_over_time(a[30s])")]
    [InlineData("a > 3")]
    [InlineData("a offset -5s")]
    [InlineData("abs(-a)")]
    [InlineData("sum by (g) (rate(a[30s]))")]
    [InlineData("avg without (i) (a)")]
    [InlineData("max(a) - min(b)")]
    [InlineData("quantile by (g) (0.5, avg_over_time(a[30s]))")]
    [InlineData("stddev(a)")]
    [InlineData("sum(rate(a[30s])) / sum(rate(b[30s])) > 0.1")]
    [InlineData("rate(a[30s]) / rate(b[30s])")]
    [InlineData("a / ignoring (g) b")]
    [InlineData("a > on (i) b")]
    [InlineData("a / a")]
    [InlineData("count(a > 2) > (1 + 1)")]
    [InlineData("a and b")]
    [InlineData("a unless on (i) b")]
    [InlineData("a or b")]
    [InlineData("a or ignoring (i) b")]
    [InlineData("-(a or -a)")]
    [InlineData("sum(a or b)")]
    [InlineData("avg by (g) (b unless a > 2)")]
    [InlineData("sum by (g) (rate(a[30s])) or on (g) vector(0)")]
    [InlineData("sum(rate(a[30s])) > on () vector(0.5)")]
    [InlineData("rate(a[30s]) > 0.1 and on (i) avg_over_time(b[1m]) < 5")]
    [InlineData("a > 3 unless on (g) b and on (i) a < 100")]
    [InlineData("histogram_quantile(0.9, h)")]
    [InlineData("histogram_quantile(0.99, sum by (le) (rate(h[30s]))) > 0.5")]
    [InlineData("histogram_quantile(0.5, sum by (g, le) (increase(h[1m])))")]
    [InlineData("histogram_quantile(0.9, {__name__=~\"h|a\"})")]
    [InlineData("histogram_quantile(1.5, h)")]
    [InlineData("histogram_quantile(0.9, rate(h[30s])) > 0.2 and on (g) sum by (g) (rate(a[30s])) > 0")]
    [InlineData("histogram_fraction(0, 0.5, rate(h[30s]))")]
    public void StandingPlan_OnAnyStream_HasTheValueOfTheFullEvaluation(string text)
    {
        Prop.ForAll<int[]>(stream => Differences(text, stream) is { } difference ? false.Label(difference) : true.Label("")).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData("avg_over_time(a[30s]) > 5")]
    [InlineData("sum by (g) (rate(a[30s]))")]
    [InlineData("quantile_over_time(0.9, a[30s])")]
    [InlineData("min_over_time(a[20s]) + max_over_time(a[20s])")]
    [InlineData("sum_over_time(a[2m])")]
    [InlineData("histogram_quantile(0.99, sum by (le) (rate(h[30s]))) > 0.5")]
    [InlineData("a > 3")]
    [InlineData("sum by (g) (a or b)")]
    [InlineData("rate(a[30s]) > 0.1 and on (i) avg_over_time(b[1m]) < 5")]
    public void StandingPlan_OnALongStream_HasTheValueOfTheFullEvaluation(string text)
    {
        for (var seed = 1; seed <= 4; seed++)
        {
            var random = new Random(seed);
            if (Differences(text, [.. Enumerable.Range(0, 1_500).Select(_ => random.Next())]) is { } difference) Assert.Fail(difference);
        }
    }

    [Theory]
    [InlineData("absent(a)")]
    [InlineData("topk(1, a)")]
    [InlineData("a and topk(1, b)")]
    [InlineData("a and on (__name__) b")]
    [InlineData("histogram_quantile(scalar(b), a)")]
    [InlineData("vector(1)")]
    [InlineData("a @ 5")]
    [InlineData("rate(a[1m:5s])")]
    [InlineData("time()")]
    [InlineData("rate(a[5m] anchored)")]
    [InlineData("a * on (i) group_left b")]
    [InlineData("a + fill(0) b")]
    [InlineData("sum by (__name__) (a)")]
    [InlineData("avg_over_time(a[2d])")]
    public void Compile_OtherExpressions_HaveNoPlan(string text)
    {
        Assert.True(PromQlParser.TryParse(text, out var expr, out var error), error?.ToString());
        Assert.Empty(Compiler.Leaves(expr, out var tooLong));
        Assert.Equal(text.Contains("2d", StringComparison.Ordinal), tooLong);
    }

    [Theory]
    [InlineData("avg_over_time(a[1d])", 1)]
    [InlineData("avg_over_time(a[23h] offset 1h)", 1)]
    [InlineData("avg_over_time(a[1d1ms])", 0)]
    [InlineData("avg_over_time(a[23h] offset 1h1ms)", 0)]
    [InlineData("a offset 23h55m", 1)]
    [InlineData("a offset 23h55m1ms", 0)]
    public void Plan_OfAWindowAMillisecondLongerThanAllowed_IsNone(string text, int leaves)
    {
        Assert.True(PromQlParser.TryParse(text, out var expr, out _));
        Assert.Equal((leaves, leaves == 0), (Compiler.Leaves(expr, out var tooLong).Count, tooLong));
    }

    [Fact]
    public void StandingPlan_NothingChanges_SaysWhenTimeWill()
    {
        var selections = new List<StandingSelection>();
        var plan = Plan("avg_over_time(a[30s]) > 0", selections);
        var series = selections[0].Find(Labels("a", 0));
        selections[0].Known(0);
        selections[0].Insert(series, 100_000, 1);
        selections[0].Insert(series, 110_000, 3);
        selections[0].Insert(series, 140_000, 3);
        Assert.Equal(2, Assert.Single(plan.Evaluate(120_000)).Value);
        Assert.Equal(130_000, plan.NextChange);
        Assert.Equal(3, Assert.Single(plan.Evaluate(130_000)).Value);
        Assert.Equal(140_000, plan.NextChange);
        Assert.Equal(1, plan.Inputs);
        plan.Evaluate(140_000);
        Assert.Equal(170_000, plan.NextChange);
        Assert.Empty(plan.Evaluate(170_000));
        Assert.Equal(long.MaxValue, plan.NextChange);
        Assert.False(plan.Covers(169_999));
    }

    [Fact]
    public void SampleMemory_OneSampleTooMany_IsRefusedAndRoomComesBack()
    {
        var memory = new StandingMemory(4 + SampleWindow.Overhead);
        var selections = new List<StandingSelection>();
        var plan = Plan("avg_over_time(a[30s])", selections, memory);
        var series = selections[0].Find(Labels("a", 0));
        selections[0].Known(0);
        for (var i = 0; i < 4; i++) Assert.True(selections[0].Insert(series, 1_000 + i, 1));
        Assert.False(selections[0].Insert(series, 2_000, 1));
        plan.Evaluate(40_000);
        Assert.Equal(0, memory.Taken);
        Assert.True(selections[0].Insert(series, 40_000, 1));
    }

    [Fact]
    public void StandingPlan_StaleMarkerAhead_EndsTheSeriesWhenItIsReached()
    {
        var selections = new List<StandingSelection>();
        var plan = Plan("a > 0", selections);
        selections[0].Known(0);
        var series = selections[0].Find(Labels("a", 0));
        selections[0].Insert(series, 400_000, 1);
        selections[0].Insert(series, 405_000, Samples.Stale);
        Assert.Single(plan.Evaluate(400_000));
        Assert.Equal(405_000, plan.NextChange);
        Assert.Empty(plan.Evaluate(405_000));
    }

    [Theory]
    [InlineData("sum_over_time(a[3h])")]
    [InlineData("avg_over_time(a[3h])")]
    public void RunningSum_LongWindowsOfFractions_AreEqualButForTheLastDigits(string text)
    {
        var random = new Random(7);
        var selections = new List<StandingSelection>();
        var plan = Plan(text, selections);
        PromQlParser.TryParse(text, out var expr, out _);
        selections[0].Known(0);
        var series = selections[0].Find(Labels("a", 0));
        var (times, values) = (new List<long>(), new List<double>());
        for (var i = 1; i <= 2 * RunningSum.LongWindow; i++)
        {
            times.Add(i * 1_000L);
            values.Add(random.NextDouble() * Math.Pow(10, random.Next(-3, 4)));
            selections[0].Insert(series, times[^1], values[^1]);
            var value = Assert.Single(plan.Evaluate(times[^1])).Value;
            if (i % 512 is not (0 or 1)) continue;
            var source = new PrefetchedSeries();
            source.Add(SelectorCollector.Collect(expr!, new StepGrid(times[^1], 1, 1), new EvaluationOptions()).Single().Selector, [new SeriesSamples(series.Labels, times.ToArray(), values.ToArray())]);
            var full = Assert.Single(((VectorValue)Evaluator.Instant(text, expr!, times[^1], source, new EvaluationOptions()).Value).Elements).Value;
            if (i <= RunningSum.LongWindow) Assert.Equal(full, value);
            else Assert.InRange(value / full, 1 - 1e-14, 1 + 1e-14);
        }
    }

    [Theory]
    [InlineData(RunningSum.LongWindow, 0.1, false)]
    [InlineData(RunningSum.LongWindow + 1, 0.1, true)]
    [InlineData(RunningSum.LongWindow, 1, true)]
    [InlineData(RunningSum.LongWindow + 1, double.PositiveInfinity, false)]
    public void RunningSum_OfFractionsInAWindowBeyondTheLimit_AnswersByItself(int samples, double last, bool answers)
    {
        var fold = new RunningSum(mean: false);
        var values = Enumerable.Repeat(last == 1 ? 1 : 0.1, samples - 1).Append(last).ToArray();
        foreach (var value in values) fold.Add(value);
        var window = new Window(Enumerable.Range(1, samples).Select(i => (long)i).ToArray(), values, samples, samples, samples);
        Assert.Equal(answers, fold.TryValue(window, out var sum));
        if (answers) Assert.Equal(values.Sum(), sum, 1e-9);
    }

    [Fact]
    public void RunningSum_LargeSamplesLeave_SmallOnesAreNotLost()
    {
        var random = new Random(5);
        var stream = Enumerable.Range(0, 200).Select(i => (Time: 1_000L * i, Value: i == 20 ? 1e280 : random.NextDouble())).ToArray();
        var selections = new List<StandingSelection>();
        var plan = Plan("sum_over_time(a[1m]) > 1e9", selections);
        selections[0].Known(0);
        var series = selections[0].Find(Labels("a", 0));
        foreach (var (time, value) in stream)
        {
            selections[0].Insert(series, time, value);
            Assert.Equal(time is >= 20_000 and < 80_000 ? 1 : 0, plan.Evaluate(time).Count);
        }
    }

    private static StandingPlan Plan(string text, List<StandingSelection> selections, StandingMemory? memory = null)
    {
        Assert.True(PromQlParser.TryParse(text, out var expr, out var error), error?.ToString());
        var plan = Compiler.Compile(expr, spec =>
        {
            var known = selections.Find(s => s.Spec.Key == spec.Key);
            if (known is null) selections.Add(known = new StandingSelection(spec, memory ?? new StandingMemory(1_000_000)));
            return known;
        });
        Assert.NotNull(plan);
        return plan;
    }

    private static LabelSet Labels(string name, int i) => LabelSet.Of("__name__", name, "i", $"{i}", "g", $"{i % 2}");

    /// <summary>Plays a stream, in which each number is a step, to both evaluations. The first difference, or null.</summary>
    private static string? Differences(string text, int[] stream)
    {
        var selections = new List<StandingSelection>();
        var plan = Plan(text, selections);
        PromQlParser.TryParse(text, out var expr, out _);
        var store = new Dictionary<LabelSet, SortedList<long, double>>();
        var histograms = text.Contains("histogram", StringComparison.Ordinal);
        var now = 1_000_000L;
        foreach (var selection in selections) selection.Known(0);
        for (var step = 0; step < stream.Length; step++)
        {
            var random = new Random(stream[step]);
            var labels = histograms && random.Next(4) > 0
                ? Labels("h", random.Next(2)).With("le", Bounds[random.Next(Bounds.Length)])
                : Labels(random.Next(2) == 0 ? "a" : "b", random.Next(3));
            now += random.Next(20) switch
            {
                0 => 400_000,
                1 => 25_000,
                < 12 => 1_000,
                _ => random.Next(3_000),
            };
            var time = now + random.Next(12) switch
            {
                0 => -random.Next(60_000),
                1 => random.Next(8_000),
                _ => 0,
            };
            if (!store.TryGetValue(labels, out var samples)) store.Add(labels, samples = []);
            var value = random.Next(16) switch
            {
                0 => double.NaN,
                1 => Samples.Stale,
                2 => double.PositiveInfinity,
                3 => 1e300,
                4 => -0.0,
                5 => random.NextDouble() * 1e17,
                6 or 7 => random.NextDouble(),
                8 => Math.Round(random.NextDouble() * 10, 1),
                9 => -random.Next(9),
                10 => 0,
                _ => random.Next(9) + step / 7,
            };
            if (random.Next(8) != 0 && samples.TryAdd(time, value))
            {
                foreach (var selection in selections)
                {
                    if (LabelMatcher.AllMatch(selection.Spec.Matchers, labels)) Assert.True(selection.Insert(selection.Find(labels), time, value));
                }
            }
            var source = new PrefetchedSeries();
            var inputs = 0;
            foreach (var (selector, range) in SelectorCollector.Collect(expr!, new StepGrid(now, 1, 1), new EvaluationOptions()))
            {
                var found = new List<SeriesSamples>();
                foreach (var (name, all) in store)
                {
                    if (!LabelMatcher.AllMatch(selector.Matchers, name)) continue;
                    var inside = all.Where(s => s.Key > range.FromMs && s.Key <= range.ToMs).ToArray();
                    if (inside.Length == 0) continue;
                    if (!Samples.IsStale(inside[^1].Value)) inputs++;
                    found.Add(new SeriesSamples(name, inside.Select(s => s.Key).ToArray(), inside.Select(s => s.Value).ToArray()));
                }
                source.Add(selector, found);
            }
            string expected, actual;
            try
            {
                expected = Text(((VectorValue)Evaluator.Instant(text, expr!, now, source, new EvaluationOptions()).Value).Elements, inputs);
            }
            catch (EvaluationException e)
            {
                expected = e.Message;
            }
            try
            {
                actual = Text(plan.Evaluate(now), plan.Inputs);
            }
            catch (EvaluationException e)
            {
                actual = e.Message;
            }
            // Then it is evaluated in full.
            catch (NotIncrementalException)
            {
                return null;
            }
            if (expected != actual) return $"step {step} of {stream.Length}, at {now}: full {expected}, incremental {actual}";
            if (plan.NextChange <= now) return $"the next change is at {plan.NextChange}, which is past at {now}";
        }
        return null;
    }

    private static string Text(IEnumerable<VectorElement> elements, int inputs) =>
        string.Join("; ", elements.Select(e => $"{e.Labels} {Bits(e.Value)}").Order(StringComparer.Ordinal)) + $" of {inputs}";

    // One NaN is as good as another, and so are the zeros; everything else is told to the last bit.
    private static string Bits(double value) => double.IsNaN(value) ? "NaN" : value == 0 ? "0" : $"{value:R}";
}

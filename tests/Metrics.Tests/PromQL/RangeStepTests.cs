using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;
using Xunit;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>What is done for many steps at once gives the bits that each step alone gives.</summary>
public sealed class RangeStepTests
{
    private const long Start = 1_700_000_000_000;

    [Theory]
    [InlineData("rate(m_total[5m])")]
    [InlineData("increase(m_total[100s] offset 1m)")]
    [InlineData("delta(m_total[5m])")]
    [InlineData("sum_over_time(m_total[5m])")]
    [InlineData("avg_over_time(m_total[5m])")]
    [InlineData("avg_over_time(m_total[1ms])")]
    [InlineData("sum_over_time(m_total[17s] offset 10m)")]
    [InlineData("avg_over_time(m_total[2h])")]
    [InlineData("min_over_time(m_total[5m])")]
    [InlineData("max_over_time(m_total[5m])")]
    [InlineData("sum(rate(m_total[5m]))")]
    [InlineData("avg by (odd) (m_total)")]
    [InlineData("max(sum_over_time(m_total[10m]))")]
    [InlineData("quantile(0.3, avg_over_time(m_total[3m]))")]
    public void Range_OfRandomSeries_IsAtEachStepTheInstant(string text)
    {
        var expr = Parse(text);
        for (var seed = 0; seed < 6; seed++)
        {
            var random = new Random(seed);
            var source = new PrefetchedSeries();
            var series = Enumerable.Range(0, 5).Select(i => RandomSeries(random, i)).ToArray();
            foreach (var (selector, _) in SelectorCollector.Collect(expr, new StepGrid(Start, 1, 1), new EvaluationOptions())) source.Add(selector, series);
            var grid = new StepGrid(Start + random.Next(100_000), 1 + random.Next(40_000), 200);
            var range = ((MatrixValue)Evaluator.Range(text, expr, grid, source, new EvaluationOptions()).Value).Series
                .SelectMany(s => s.Times.ToArray().Zip(s.Values.ToArray(), (time, value) => (s.Labels.ToString(), time, BitConverter.DoubleToInt64Bits(value)))).Order();
            var instants = Enumerable.Range(0, grid.Steps).Select(grid.TimeOf).SelectMany(time => ((VectorValue)Evaluator.Instant(text, expr, time, source, new EvaluationOptions()).Value).Elements
                .Select(e => (e.Labels.ToString(), time, BitConverter.DoubleToInt64Bits(e.Value)))).Order();
            Assert.Equal(instants, range);
        }
    }

    [Fact]
    public void Range_OverSoMuchThatItIsShared_IsAtEachStepTheInstant()
    {
        const string Text = "rate(m_total[5m])";
        var expr = Parse(Text);
        var source = new PrefetchedSeries();
        var random = new Random(1);
        var selector = SelectorCollector.Collect(expr, new StepGrid(Start, 1, 1), new EvaluationOptions())[0].Selector;
        source.Add(selector, Enumerable.Range(0, 100).Select(i => RandomSeries(random, i)).ToArray());
        var grid = new StepGrid(Start, 1_000, (int)(SideBySide.Worthwhile / 100) + 1);
        var range = ((MatrixValue)Evaluator.Range(Text, expr, grid, source, new EvaluationOptions()).Value).Series;
        Assert.Equal(100, range.Count);
        foreach (var step in new[] { 100, 1_000, grid.Steps - 1 })
        {
            var time = grid.TimeOf(step);
            var instant = ((VectorValue)Evaluator.Instant(Text, expr, time, source, new EvaluationOptions()).Value).Elements;
            var there = range.Where(s => s.Times.Span.Contains(time)).ToArray();
            Assert.Equal(instant.Select(e => (e.Labels, BitConverter.DoubleToInt64Bits(e.Value))).OrderBy(e => e.Labels.ToString(), StringComparer.Ordinal),
                there.Select(s => (s.Labels, BitConverter.DoubleToInt64Bits(s.Values.Span[s.Times.Span.IndexOf(time)]))).OrderBy(e => e.Labels.ToString(), StringComparer.Ordinal));
        }
    }

    [Fact]
    public void Range_WhoseFunctionFailsOnSeveralThreads_FailsAsOnOne()
    {
        const string Text = "double_exponential_smoothing(m_total[5m], 2, 0.5)";
        var expr = Parse(Text);
        var source = new PrefetchedSeries();
        var random = new Random(1);
        source.Add(SelectorCollector.Collect(expr, new StepGrid(Start, 1, 1), new EvaluationOptions())[0].Selector, Enumerable.Range(0, 100).Select(i => RandomSeries(random, i)).ToArray());
        var grid = new StepGrid(Start, 1_000, (int)(SideBySide.Worthwhile / 100) + 1);
        var failure = Assert.Throws<EvaluationException>(() => Evaluator.Range(Text, expr, grid, source, new EvaluationOptions()));
        Assert.StartsWith("invalid smoothing factor", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Range_CancelledWhileItIsShared_IsCancelled()
    {
        const string Text = "rate(m_total[5m])";
        var expr = Parse(Text);
        var source = new PrefetchedSeries();
        var random = new Random(1);
        source.Add(SelectorCollector.Collect(expr, new StepGrid(Start, 1, 1), new EvaluationOptions())[0].Selector, Enumerable.Range(0, 100).Select(i => RandomSeries(random, i)).ToArray());
        Assert.ThrowsAny<OperationCanceledException>(() => Evaluator.Range(Text, expr, new StepGrid(Start, 1_000, 10_000), source, new EvaluationOptions(), new CancellationToken(canceled: true)));
    }

    // Regular and not, with gaps, resets, what is no number, and ends.
    private static SeriesSamples RandomSeries(Random random, int number)
    {
        var (times, values) = (new List<long>(), new List<double>());
        var (time, value) = (Start - 900_000, 1e6 * random.NextDouble());
        var regular = random.Next(2) == 0;
        var rare = random.Next(3) == 0;
        while (time < Start + 9_000_000)
        {
            time += regular ? 15_000 : 1 + random.Next(30_000);
            if (random.Next(100) == 0) time += 400_000;
            value = random.Next(60) == 0 ? random.NextDouble() : value + random.NextDouble() * 50;
            times.Add(time);
            values.Add(rare ? random.Next(30) switch { 0 => double.NaN, 1 => double.PositiveInfinity, 2 => -1e308, 3 => 1.7e308, 4 => Samples.Stale, 5 => -0.0, _ => value } : value);
        }
        return new SeriesSamples(LabelSet.Of(LabelSet.NameLabel, "m_total", "number", $"{number}", "odd", $"{number % 2}"), times.ToArray(), values.ToArray());
    }

    private static Expr Parse(string text)
    {
        Assert.True(PromQlParser.TryParse(text, out var expr, out var error), error?.ToString());
        return expr;
    }
}

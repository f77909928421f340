using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;
using Xunit;

namespace Vigil.Metrics.Tests.PromQL;

public sealed class EvaluatorTests
{
    private static readonly LabelSet Foo = LabelSet.Of(LabelSet.NameLabel, "foo");

    [Theory]
    [InlineData("foo", 700_000, 1_000_000, false)]
    [InlineData("foo[10m]", 400_000, 1_000_000, false)]
    [InlineData("foo offset 1m", 640_000, 940_000, false)]
    [InlineData("foo @ 60", -240_000, 60_000, true)]
    [InlineData("foo @ end() offset 1m", 700_000 + 240_000, 1_240_000, true)]
    [InlineData("rate(foo[5m] @ start())", 700_000, 1_000_000, false)]
    [InlineData("max_over_time(foo[1h:1m] offset 10m)", 1_000_000 - 600_000 - 3_600_000 - 300_000, 400_000, false)]
    [InlineData("sum(max_over_time(rate(foo[5m])[1h:1m] @ 100))", 100_000 - 3_600_000 - 300_000, 100_000, false)]
    [InlineData("rate(foo[5m] anchored)", 1_000_000 - 300_000 - 300_000, 1_000_000, false)]
    [InlineData("rate(foo[5m] smoothed)", 1_000_000 - 300_000 - 300_000, 1_000_000 + 300_000, false)]
    [InlineData("foo smoothed", 1_000_000 - 300_000, 1_000_000 + 300_000, false)]
    [InlineData("foo anchored", 1_000_000 - 300_000, 1_000_000, true)]
    [InlineData("foo[5m * 2] offset (1m * 2)", 1_000_000 - 120_000 - 600_000, 1_000_000 - 120_000, false)]
    [InlineData("max_over_time(foo[5m * 2:1m] offset -(1m))", 1_000_000 + 60_000 - 600_000 - 300_000, 1_000_000 + 60_000, false)]
    public void Collect_OfSelector_AsksForItsWholeWindow(string text, long from, long to, bool newestOnly)
    {
        Assert.True(PromQlParser.TryParse(text, out var expr, out _));
        // A range query where @ is used, an instant one otherwise.
        var grid = text.Contains('@') ? new StepGrid(1_000_000, 1_000, 301) : new StepGrid(1_000_000, 1, 1);
        var (_, range) = Assert.Single(SelectorCollector.Collect(expr, grid, new EvaluationOptions()));
        Assert.Equal((from, to), (range.FromMs, range.ToMs));
        Assert.Equal(newestOnly || text is "foo" or "foo offset 1m", range.NewestOnly);
    }

    [Theory]
    [InlineData("info(foo)", 700_000, 1_000_000)]
    [InlineData("info(foo offset 1m)", 640_000, 940_000)]
    [InlineData("info(rate(foo[5m] @ 500))", 200_000, 500_000)]
    [InlineData("info(max_over_time(foo[10m:1m] offset 1m))", 640_000, 940_000)]
    [InlineData("info(max_over_time((foo offset 2m)[10m:1m] @ 500 offset 1m))", 20_000, 320_000)]
    public void Collect_OfInfo_AsksForInfoSeriesAsOfTheFirstSelector(string text, long from, long to)
    {
        Assert.True(PromQlParser.TryParse(text, out var expr, out _));
        var (_, range) = Assert.Single(SelectorCollector.Collect(expr, new StepGrid(1_000_000, 1, 1), new EvaluationOptions()), f => f.Range.Matchers[0].Value == "target_info");
        Assert.Equal((from, to, true), (range.FromMs, range.ToMs, range.NewestOnly));
    }

    [Fact]
    public void Evaluate_OfHistograms_CountsTheirSize()
    {
        // A run, two buckets, and what is around them: 192 bytes, and the time: as much as 12 floats.
        var histogram = HistogramText.Read("{{count:2 sum:2 buckets:[1 1]}}");
        Assert.True(PromQlParser.TryParse("count_over_time(foo[3s])", out var expr, out _));
        var source = new PrefetchedSeries();
        foreach (var (selector, _) in SelectorCollector.Collect(expr, new StepGrid(3000, 1, 1), new EvaluationOptions()))
            source.Add(selector, [new SeriesSamples(Foo, new long[] { 1000, 2000, 3000 }, new double[3]) { Histograms = new[] { histogram, histogram, histogram } }]);
        QueryResult Run(int limit) =>
            Evaluator.Instant("", expr, 3000, source, new EvaluationOptions { Limits = new EvaluationLimits(MaxSamples: limit) });
        Assert.Equal(3, Assert.IsType<VectorValue>(Run(36).Value).Elements[0].Value);
        Assert.Throws<EvaluationException>(() => Run(35));
    }

    /// <summary>The query is cancelled while it reads its samples; what follows is not computed any more.</summary>
    [Theory]
    [InlineData("foo")]
    [InlineData("foo smoothed")]
    [InlineData("foo[5m]")]
    [InlineData("rate(foo[5m])")]
    [InlineData("rate(foo[5m] anchored)")]
    [InlineData("foo + foo")]
    [InlineData("foo > 1")]
    [InlineData("sum(foo)")]
    [InlineData("topk(1, foo)")]
    [InlineData("count_values(\"v\", foo)")]
    [InlineData("histogram_quantile(0.5, foo)")]
    [InlineData("info(foo)")]
    [InlineData("max_over_time(foo[5m:1m])")]
    public void Evaluate_CancelledUnderWay_Stops(string text)
    {
        Assert.True(PromQlParser.TryParse(text, out var expr, out _));
        using var cancellation = new CancellationTokenSource();
        var source = new CancellingSource(cancellation, [new SeriesSamples(Foo, new long[] { 0, 1000 }, new double[] { 1, 2 })]);
        Assert.ThrowsAny<OperationCanceledException>(() => Evaluator.Instant(text, expr, 1000, source, new EvaluationOptions(), cancellation.Token));
    }

    private sealed class CancellingSource(CancellationTokenSource cancellation, IReadOnlyList<SeriesSamples> series) : ISeriesSource
    {
        public IReadOnlyList<SeriesSamples> Select(VectorSelector selector)
        {
            cancellation.Cancel();
            return series;
        }
    }

    [Fact]
    public void Evaluate_AtSampleLimit_SucceedsAndBeyondFails()
    {
        var options = new EvaluationOptions { Limits = new EvaluationLimits(MaxSamples: 10) };
        Assert.Equal(10, Assert.IsType<VectorValue>(Run("count_over_time(foo[10s])", 10, options).Value).Elements[0].Value);
        var failure = Assert.Throws<EvaluationException>(() => Run("count_over_time(foo[11s])", 11, options));
        Assert.Equal("query processing would load too many samples into memory in query execution", failure.Message);
    }

    [Fact]
    public void Evaluate_AtSubqueryStepLimit_SucceedsAndBeyondFails()
    {
        var options = new EvaluationOptions { Limits = new EvaluationLimits(MaxSteps: 10) };
        Run("count_over_time(vector(1)[10s:1s])", 1, options);
        Assert.Throws<EvaluationException>(() => Run("count_over_time(vector(1)[11s:1s])", 1, options));
    }

    [Fact]
    public void Evaluate_Cancelled_Stops()
    {
        Assert.True(PromQlParser.TryParse("1 + 1", out var expr, out _));
        Assert.ThrowsAny<OperationCanceledException>(() =>
            Evaluator.Instant("1 + 1", expr, 0, new PrefetchedSeries(), new EvaluationOptions(), new CancellationToken(true)));
    }

    [Fact]
    public void Evaluate_OfRangeVector_YieldsTheWindowsSamples()
    {
        var matrix = Assert.IsType<MatrixValue>(Run("foo[3s]", 10, new EvaluationOptions()).Value);
        Assert.Equal([8_000, 9_000, 10_000], Assert.Single(matrix.Series).Times.ToArray());
    }

    [Theory]
    [InlineData(double.PositiveInfinity, "+Inf")]
    [InlineData(double.NaN, "NaN")]
    [InlineData(1234.5, "1.23e+03")]
    [InlineData(0.000012345, "1.23e-05")]
    [InlineData(12.345, "12.3")]
    public void Float_WithThreeDigits_IsThatOfGo(double value, string expected) => Assert.Equal(expected, GoText.FloatG(value, 3));

    [Fact]
    public void Evaluate_OfRateOverGauge_Remarks()
    {
        var result = Run("1 + rate(foo[5s])", 10, new EvaluationOptions());
        Assert.Equal(["PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"foo\" (1:10)"], result.Infos);
        Assert.Empty(result.Warnings);
    }

    [Theory]
    [InlineData(0, "0", "0")]
    [InlineData(-0.0, "-0", "-0")]
    [InlineData(1, "1", "1")]
    [InlineData(0.1, "0.1", "0.1")]
    [InlineData(1e21, "1000000000000000000000", "1e+21")]
    [InlineData(123456789012345680000d, "123456789012345680000", "123456789012345680000")]
    [InlineData(1e-7, "0.0000001", "1e-07")]
    [InlineData(0.000001, "0.000001", "0.000001")]
    [InlineData(-1.5e300, null, "-1.5e+300")]
    [InlineData(double.NaN, "NaN", "NaN")]
    [InlineData(double.PositiveInfinity, "+Inf", "+Inf")]
    [InlineData(double.NegativeInfinity, "-Inf", "-Inf")]
    [InlineData(5e-324, null, "5e-324")]
    [InlineData(1435781451.781, "1435781451.781", "1435781451.781")]
    public void Float_AsText_IsThatOfGo(double value, string? plain, string json)
    {
        if (plain is not null) Assert.Equal(plain, GoText.Float(value));
        Assert.Equal(json, GoText.FloatJson(value));
        Assert.True(NumberText.TryParse(GoText.Float(value), out var read));
        Assert.Equal(value, read);
    }

    [Theory]
    [InlineData("a.*", "abc", true)]
    [InlineData("a.*", "xabc", false)]
    [InlineData("a|b", "b", true)]
    [InlineData("a|b", "ab", false)]
    [InlineData("(?i)ABC", "abc", true)]
    [InlineData("a.b", "a\nb", true)]
    [InlineData(@"\d+", "12", true)]
    [InlineData(@"\d+", "١٢", false)]
    [InlineData("[[:alpha:]]+", "abc", true)]
    [InlineData("[[:alpha:]-]+", "a-b", true)]
    [InlineData("[a[b]+", "a[b", true)]
    [InlineData(@"\Qa.b\E.", "a.bc", true)]
    [InlineData(@"\pL+", "é", true)]
    [InlineData(@"\x{e9}", "é", true)]
    [InlineData("(?P<x>a)b", "ab", true)]
    [InlineData("a$", "a", true)]
    [InlineData("", "", true)]
    [InlineData("", "a", false)]
    public void Regex_InRe2Syntax_MatchesWholeValue(string pattern, string value, bool matches) =>
        Assert.Equal(matches, Re2.Compile(pattern).IsMatch(value));

    [Theory]
    [InlineData("(")]
    [InlineData("a)(b")]
    [InlineData("[a")]
    [InlineData(@"(a)\1")]
    [InlineData("(?=a)")]
    [InlineData("a\\")]
    public void Regex_NotInRe2Syntax_IsRefused(string pattern) => Assert.Throws<FormatException>(() => Re2.Compile(pattern));

    [Theory]
    [InlineData(".*", "", true)]
    [InlineData(".+", "", false)]
    [InlineData(".+", "a\nb", true)]
    [InlineData("", "", true)]
    [InlineData("", "a", false)]
    [InlineData("a|", "", true)]
    [InlineData("a|bc", "bc", true)]
    [InlineData("a|bc", "b", false)]
    [InlineData("5..", "503", true)]
    [InlineData("5..", "5030", false)]
    [InlineData(@"(a\.b:80|c\|d)", "a.b:80", true)]
    [InlineData(@"(a\.b:80|c\|d)", "c|d", true)]
    [InlineData(@"(?:a\.b|c)", "axb", false)]
    [InlineData("(a)|(b)", "b", true)]
    [InlineData("(a|b)(c)", "ac", true)]
    public void Pattern_WithAndWithoutRegex_MatchesWholeValue(string pattern, string value, bool matches)
    {
        Assert.Equal(matches, LabelMatcher.Create("l", MatchKind.Regex, pattern).Matches(value));
        Assert.Equal(!matches, LabelMatcher.Create("l", MatchKind.NotRegex, pattern).Matches(value));
        Assert.Equal(matches, Re2.Compile(pattern).IsMatch(value));
    }

    [Fact]
    public void Pattern_AtLengthLimit_IsTakenAndBeyondRefused()
    {
        Assert.True(LabelMatcher.TryCreate("l", MatchKind.Regex, new string('a', LabelMatcher.MaxPatternLength), out _, out _));
        Assert.False(LabelMatcher.TryCreate("l", MatchKind.Regex, new string('a', LabelMatcher.MaxPatternLength + 1), out _, out var error));
        Assert.Equal("regular expression is longer than 4096 characters", error);
    }

    /// <summary>foo has a sample each second, whose value is the second.</summary>
    private static QueryResult Run(string text, int seconds, EvaluationOptions options)
    {
        Assert.True(PromQlParser.TryParse(text, out var expr, out var error), error?.ToString());
        var source = new PrefetchedSeries();
        foreach (var (selector, range) in SelectorCollector.Collect(expr, new StepGrid(seconds * 1000, 1, 1), options))
        {
            var times = Enumerable.Range(0, 1000).Select(i => i * 1000L).Where(t => t > range.FromMs && t <= range.ToMs).ToArray();
            source.Add(selector, [new SeriesSamples(Foo, times, times.Select(t => t / 1000d).ToArray())]);
        }
        return Evaluator.Instant(text, expr, seconds * 1000, source, options);
    }
}

using System.Globalization;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>Windows that go by the calendar.</summary>
public sealed class CalendarTests
{
    private const string Zones = "/usr/share/zoneinfo/Europe/Berlin";

    [Theory]
    // The moment, of which window, from when to when, all in UTC.
    [InlineData("2026-03-10T12:34:56", "day", "2026-03-10T00:00:00", "2026-03-10T12:34:56")]
    [InlineData("2026-03-10T00:00:00", "day", "2026-03-09T00:00:00", "2026-03-10T00:00:00")]
    [InlineData("2026-03-10T00:00:00.001", "day", "2026-03-10T00:00:00", "2026-03-10T00:00:00.001")]
    [InlineData("2026-03-10T12:34:56", "last_day", "2026-03-09T00:00:00", "2026-03-10T00:00:00")]
    [InlineData("2026-03-10T00:00:00", "last_day", "2026-03-08T00:00:00", "2026-03-09T00:00:00")]
    // Tuesday; Sunday; a week of two years, which ISO 8601 counts as the first of the second.
    [InlineData("2026-03-10T12:00:00", "week", "2026-03-09T00:00:00", "2026-03-10T12:00:00")]
    [InlineData("2026-03-15T12:00:00", "week", "2026-03-09T00:00:00", "2026-03-15T12:00:00")]
    [InlineData("2026-03-16T00:00:00", "week", "2026-03-09T00:00:00", "2026-03-16T00:00:00")]
    [InlineData("2026-01-01T12:00:00", "week", "2025-12-29T00:00:00", "2026-01-01T12:00:00")]
    [InlineData("2026-01-01T12:00:00", "last_week", "2025-12-22T00:00:00", "2025-12-29T00:00:00")]
    // 30 and 31 days, February in and out of leap years, those of centuries.
    [InlineData("2026-05-10T12:00:00", "month", "2026-05-01T00:00:00", "2026-05-10T12:00:00")]
    [InlineData("2026-05-10T12:00:00", "last_month", "2026-04-01T00:00:00", "2026-05-01T00:00:00")]
    [InlineData("2026-03-31T12:00:00", "last_month", "2026-02-01T00:00:00", "2026-03-01T00:00:00")]
    [InlineData("2024-03-01T00:00:00", "month", "2024-02-01T00:00:00", "2024-03-01T00:00:00")]
    [InlineData("2024-03-01T00:00:00.001", "last_month", "2024-02-01T00:00:00", "2024-03-01T00:00:00")]
    [InlineData("2024-02-29T12:00:00", "day", "2024-02-29T00:00:00", "2024-02-29T12:00:00")]
    [InlineData("2000-03-05T00:00:01", "last_month", "2000-02-01T00:00:00", "2000-03-01T00:00:00")]
    [InlineData("2100-03-05T00:00:01", "last_month", "2100-02-01T00:00:00", "2100-03-01T00:00:00")]
    [InlineData("2026-01-01T00:00:00.001", "last_month", "2025-12-01T00:00:00", "2026-01-01T00:00:00")]
    [InlineData("1969-12-31T12:00:00", "month", "1969-12-01T00:00:00", "1969-12-31T12:00:00")]
    public void CalendarWindow_InUtc_IsThatOfTheCalendar(string moment, string window, string start, string end) => AssertWindow(moment, window, start, end);

    [TheoryNeeds(Zones)]
    // Clocks go forward on 29 March 2026, at 1:00 UTC, and back on 25 October.
    [InlineData("2026-03-29T12:00:00", "day \"Europe/Berlin\"", "2026-03-28T23:00:00", "2026-03-29T12:00:00")]
    [InlineData("2026-03-29T22:00:00", "day \"Europe/Berlin\"", "2026-03-28T23:00:00", "2026-03-29T22:00:00")]
    [InlineData("2026-03-29T22:00:00.001", "day \"Europe/Berlin\"", "2026-03-29T22:00:00", "2026-03-29T22:00:00.001")]
    [InlineData("2026-03-30T12:00:00", "last_day \"Europe/Berlin\"", "2026-03-28T23:00:00", "2026-03-29T22:00:00")]
    [InlineData("2026-10-26T12:00:00", "last_day \"Europe/Berlin\"", "2026-10-24T22:00:00", "2026-10-25T23:00:00")]
    [InlineData("2026-03-31T12:00:00", "month \"Europe/Berlin\"", "2026-02-28T23:00:00", "2026-03-31T12:00:00")]
    [InlineData("2026-04-15T12:00:00", "last_month \"Europe/Berlin\"", "2026-02-28T23:00:00", "2026-03-31T22:00:00")]
    [InlineData("2026-11-15T12:00:00", "last_month \"Europe/Berlin\"", "2026-09-30T22:00:00", "2026-10-31T23:00:00")]
    [InlineData("2026-03-31T12:00:00", "last_week \"Europe/Berlin\"", "2026-03-22T23:00:00", "2026-03-29T22:00:00")]
    // Already Monday there, not yet, half an hour beside the others.
    [InlineData("2026-03-08T20:00:00", "week \"Asia/Tokyo\"", "2026-03-08T15:00:00", "2026-03-08T20:00:00")]
    [InlineData("2026-03-09T04:00:00", "week \"America/New_York\"", "2026-03-02T05:00:00", "2026-03-09T04:00:00")]
    [InlineData("2026-03-10T12:00:00", "day \"Asia/Kolkata\"", "2026-03-09T18:30:00", "2026-03-10T12:00:00")]
    // Days without a midnight, and with two.
    [InlineData("2026-03-08T12:00:00", "day \"America/Havana\"", "2026-03-08T05:00:00", "2026-03-08T12:00:00")]
    [InlineData("2026-11-01T12:00:00", "day \"America/Havana\"", "2026-11-01T04:00:00", "2026-11-01T12:00:00")]
    [InlineData("2026-11-02T12:00:00", "last_day \"America/Havana\"", "2026-11-01T04:00:00", "2026-11-02T05:00:00")]
    [InlineData("2024-04-26T12:00:00", "day \"Africa/Cairo\"", "2024-04-25T22:00:00", "2024-04-26T12:00:00")]
    public void CalendarWindow_InATimeZone_GoesByItsClocks(string moment, string window, string start, string end) => AssertWindow(moment, window, start, end);

    [TheoryNeeds(Zones)]
    [InlineData("Europe/Berlin")]
    [InlineData("America/Havana")]
    [InlineData("Australia/Lord_Howe")]
    [InlineData("Asia/Kathmandu")]
    public void CalendarWindows_OfEachUnit_FollowEachOtherWithoutAGap(string zone)
    {
        foreach (var unit in Enum.GetValues<CalendarUnit>())
        {
            var (current, last) = (new CalendarRange(unit, false, zone), new CalendarRange(unit, true, zone));
            var end = Ms("2028-01-01T00:00:00");
            while (end > Ms("2024-01-01T00:00:00"))
            {
                var before = CalendarWindows.At(last, TimeZoneInfo.Utc, end);
                Assert.True(before.StartMs < before.EndMs && before.EndMs < end, $"{unit} before {end}");
                // Its last moment is its own, and its first one that of the one before.
                Assert.Equal(new TimeWindow(before.StartMs, before.EndMs), CalendarWindows.At(current, TimeZoneInfo.Utc, before.EndMs));
                Assert.Equal(before.EndMs, CalendarWindows.At(current, TimeZoneInfo.Utc, before.EndMs + 1).StartMs);
                end = before.EndMs;
            }
        }
        var grid = StepGrid.Range(Ms("2026-01-01T00:00:00"), Ms("2026-12-31T00:00:00"), 7_777_777);
        foreach (var range in (CalendarRange[])[new(CalendarUnit.Week, false, zone), new(CalendarUnit.Month, true, zone), new(CalendarUnit.Day, true, null)])
            Assert.Equal(Enumerable.Range(0, grid.Steps).Select(i => CalendarWindows.At(range, TimeZoneInfo.Utc, grid.TimeOf(i))), CalendarWindows.At(range, TimeZoneInfo.Utc, grid));
    }

    [Theory]
    [InlineData("avg_over_time(up[month])", "avg_over_time(up[month])")]
    [InlineData("rate(x_total{a=\"b\"}[ LAST_week ] offset 1d)", "rate(x_total{a=\"b\"}[last_week] offset 1d)")]
    [InlineData("max_over_time(up[day \"UTC\"] @ end())", "max_over_time(up[day \"UTC\"] @ end())")]
    [InlineData("avg_over_time((up == bool 1)[month:5m])", "avg_over_time((up == bool 1)[month:5m])")]
    [InlineData("avg_over_time(up[last_month 'UTC':])", "avg_over_time(up[last_month \"UTC\":])")]
    public void Parser_CalendarWindow_IsReadAndWritten(string text, string canonical)
    {
        Assert.True(PromQlParser.TryParse(text, out var expr, out var error), error?.Message);
        Assert.Equal(canonical, Formatter.Format(expr));
    }

    [Theory]
    [InlineData("up[month \"Europe/Atlantis\"]", "unknown time zone \"Europe/Atlantis\"")]
    [InlineData("up[year]", "unexpected character in duration expression: 'y'")]
    [InlineData("up[5m month]", "unexpected character: 'm', expected ':'")]
    [InlineData("up[month 5m]", "unexpected")]
    [InlineData("up[month + 5m]", "unexpected")]
    [InlineData("up[\"UTC\"]", "unexpected character in duration expression")]
    [InlineData("up offset month", "unexpected")]
    [InlineData("sum(up)[month]", "ranges only allowed for vector selectors")]
    public void Parser_WhatIsNoWindow_IsRefused(string text, string expected)
    {
        Assert.False(PromQlParser.TryParse(text, out _, out var error));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Evaluator_CalendarWindows_HaveTheSamplesOfEachStepsOwn()
    {
        // One sample an hour, which counts the hours of 2026.
        var start = Ms("2026-01-01T00:00:00");
        var times = Enumerable.Range(1, 24 * 120).Select(h => start + h * 3_600_000L).ToArray();
        var series = new SeriesSamples(LabelSet.Of("__name__", "m"), times, times.Select(t => (double)((t - start) / 3_600_000)).ToArray());
        Assert.Equal([744, 1, 672], Values("count_over_time(m[month])", "2026-02-01T00:00:00", "2026-02-01T01:00:00", "2026-03-01T00:00:00"));
        Assert.Equal([744, 744, 672], Values("count_over_time(m[last_month])", "2026-02-01T01:00:00", "2026-03-01T00:00:00", "2026-03-01T01:00:00"));
        Assert.Equal([744, 744 + 672], Values("max_over_time(m[last_month])", "2026-02-15T00:00:00", "2026-03-15T00:00:00"));
        Assert.Equal([168], Values("count_over_time(m[last_week])", "2026-03-15T00:00:00"));
        Assert.Equal([12], Values("count_over_time(m[day])", "2026-03-15T12:00:00"));
        Assert.Equal([24], Values("count_over_time(m[day] offset 12h)", "2026-03-15T12:00:00"));
        Assert.Equal([744], Values("increase(m[last_month])", "2026-02-15T00:00:00"), (a, b) => Math.Abs(a - b) < 2);
        Assert.Equal([1 / 3600d], Values("rate(m[week])", "2026-03-15T00:00:00"), (a, b) => Math.Abs(a - b) < 1e-9);
        Assert.Equal([744 / 6], Values("count_over_time(m[last_month:6h])", "2026-02-15T00:00:00"));
        Assert.Equal([1, 4, 2], Values("count_over_time(m[day:6h])", "2026-02-15T06:00:00", "2026-02-16T00:00:00", "2026-02-16T12:00:00"));
        // A range query's steps have each its own window, also where months change between them.
        var grid = StepGrid.Range(Ms("2026-01-31T22:00:00"), Ms("2026-02-01T03:00:00"), 3_600_000);
        Assert.Equal([742, 743, 744, 1, 2, 3], Assert.Single(((MatrixValue)Evaluate("count_over_time(m[month])", grid).Value).Series).Values.ToArray());

        double[] Values(string text, params string[] moments) => [.. moments.Select(m => Assert.Single(((VectorValue)Evaluate(text, new StepGrid(Ms(m), 1, 1)).Value).Elements).Value)];

        QueryResult Evaluate(string text, StepGrid grid)
        {
            Assert.True(PromQlParser.TryParse(text, out var expr, out var error), error?.Message);
            var (options, source) = (new EvaluationOptions(), new PrefetchedSeries());
            foreach (var (selector, range) in SelectorCollector.Collect(expr, grid, options))
            {
                // No more than was asked for.
                var (from, to) = SampleBuffer.Range(series.Times.Span, range.FromMs + 1, range.ToMs);
                source.Add(selector, [series with { Times = series.Times[from..to], Values = series.Values[from..to] }]);
            }
            return grid.Steps == 1 ? Evaluator.Instant(text, expr, grid.StartMs, source, options) : Evaluator.Range(text, expr, grid, source, options);
        }
    }

    private static void AssertWindow(string moment, string window, string start, string end)
    {
        Assert.True(PromQlParser.TryParse($"m[{window}]", out var expr, out var error), error?.Message);
        var found = CalendarWindows.At(((MatrixSelector)expr).Calendar!, TimeZoneInfo.Utc, Ms(moment));
        Assert.Equal((start, end), (Text(found.StartMs), Text(found.EndMs)));
    }

    private static long Ms(string time) => DateTimeOffset.Parse(time, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal).ToUnixTimeMilliseconds();

    private static string Text(long ms) => DateTimeOffset.FromUnixTimeMilliseconds(ms).ToString("yyyy-MM-dd'T'HH:mm:ss.FFF", CultureInfo.InvariantCulture);
}

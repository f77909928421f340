using Vigil.Metrics.PromQL;
using Xunit;

namespace Vigil.Metrics.Tests.Rollups;

/// <summary>The long windows that policies ask for are right, and cheap: what counts is how much is read, not how long that takes.</summary>
public sealed class LongWindowTests
{
    private const long Hour = 3_600_000;
    private const long Day = 24 * Hour;
    private static readonly long Now = RollupHost.Ms("2026-03-10T00:00:00");

    [Theory]
    [InlineData(0, 30 + 160)]
    [InlineData(7 * Hour + 1_234_567, 1_000)]
    public async Task Query_Uptime30Days_IsRightAndReadsFewRows_M6(long before, long most)
    {
        await using var host = await RollupHost.StartAsync(DateTimeOffset.FromUnixTimeMilliseconds(Now));
        // Down for 36 minutes on the tenth day, and for a minute each Monday at three.
        var samples = Every(30_000, 31, time => time - (Now - 31 * Day) is var at && (at >= 10 * Day && at < 10 * Day + 36 * 60_000 || at % (7 * Day) >= 3 * Hour && at % (7 * Day) < 3 * Hour + 60_000) ? 0 : 1).ToArray();
        await AppendAsync(host, "probe_success", samples);
        var moment = Now - before;
        var window = samples.Where(s => s.Time > moment - 30 * Day && s.Time <= moment).ToArray();
        var outcome = await host.AskAsync("avg_over_time(probe_success[30d])", moment);
        Assert.Equal(window.Average(s => s.Value), Assert.Single(((VectorValue)outcome.Result.Value).Elements).Value, 1e-15);
        Assert.True(outcome.Samples <= most, $"{outcome.Samples} read in place of {window.Length}");
    }

    [Fact]
    public async Task Query_ForecastForNextMonth_IsRightAndReadsFewRows_M22()
    {
        await using var host = await RollupHost.StartAsync(DateTimeOffset.FromUnixTimeMilliseconds(Now));
        // 2 GB a day more, and a wave that each day has whole.
        await AppendAsync(host, "disk_used_bytes", Every(60_000, 30, time => 100e9 + 2e9 * (time - Now) / Day + 1e9 * Math.Sin(2 * Math.PI * (time % Day) / Day)));
        var outcome = await host.AskAsync("predict_linear(avg_over_time(disk_used_bytes[1d])[28d:1d], 30 * 86400)", Now);
        // The mean of a day is that of its noon.
        var expected = 100e9 + 2e9 * 30 - 1e9;
        Assert.Equal(expected, Assert.Single(((VectorValue)outcome.Result.Value).Elements).Value, 5e6);
        Assert.True(outcome.Samples <= 28 + 160, $"{outcome.Samples} read in place of {28 * 1440}");
        Assert.True(await RollupQueryTests.SameAsync(host, "predict_linear(avg_over_time(disk_used_bytes[1d])[28d:1d], 30 * 86400)", new StepGrid(Now, 1, 1)));
        Assert.True(await RollupQueryTests.SameAsync(host, "max_over_time(avg_over_time(disk_used_bytes[1h])[4w:1h])", new StepGrid(Now, 1, 1)));
    }

    [Fact]
    public async Task Query_MedianOfTheHourOfTheWeekOverFourWeeks_IsRightAndReadsFewRows_A25()
    {
        await using var host = await RollupHost.StartAsync(DateTimeOffset.FromUnixTimeMilliseconds(Now));
        // So many predictions a minute as the hour of the week says, in one week half as many; in the last hour three times.
        double total = 0;
        await AppendAsync(host, "predictions_total", Every(60_000, 30, time =>
            total += (time - 1) / Hour % 168 * (time > Now - Hour ? 3 : time > Now - 15 * Day && time <= Now - 8 * Day ? 0.5 : 1)));
        string[] weeks = ["1w", "2w", "3w", "4w"];
        var normal = $"quantile without (week) (0.5, {string.Join(" or ", weeks.Select(w => $"label_replace(increase(predictions_total[1h] offset {w}), \"week\", \"{w}\", \"\", \"\")"))})";
        var outcome = await host.AskAsync($"increase(predictions_total[1h]) / {normal}", Now);
        Assert.Equal(3, Assert.Single(((VectorValue)outcome.Result.Value).Elements).Value, 0.1);
        // Of each week one hour; and the last one, which is not rolled up yet.
        Assert.True(outcome.Samples <= 4 + 60, $"{outcome.Samples} read");
        Assert.True(await RollupQueryTests.SameAsync(host, normal, new StepGrid(Now, 1, 1)));
        Assert.Single(((VectorValue)(await host.AskAsync($"increase(predictions_total[1h]) > 1.5 * {normal}", Now)).Result.Value).Elements);
        Assert.Empty(((VectorValue)(await host.AskAsync($"increase(predictions_total[1h]) > 1.5 * {normal}", Now - Hour)).Result.Value).Elements);
    }

    [Theory]
    [InlineData("last_month", 28, 0, 30)]
    [InlineData("month", 10, 9, 9 + 161)]
    [InlineData("week", 10, 2, 2 + 161)]
    [InlineData("last_week", 10, 0, 7)]
    public async Task Query_CalendarWindow_IsRightAndReadsFewRows(string window, int day, int days, long most)
    {
        var now = RollupHost.Ms($"2026-03-{day:00}T00:00:00");
        await using var host = await RollupHost.StartAsync(DateTimeOffset.FromUnixTimeMilliseconds(Now));
        await AppendAsync(host, "up", Every(60_000, 30, time => time % 7_000 == 0 ? 0 : 1));
        var text = $"sum_over_time(up[{window}])";
        Assert.True(days == 0 || await host.ValueAsync($"count_over_time(up[{window}])", now) == days * 1_440 - (window == "week" ? 1_440 : 0));
        Assert.True(await RollupQueryTests.SameAsync(host, text, new StepGrid(now, 1, 1)));
        var read = (await host.AskAsync(text, now)).Samples;
        Assert.True(read <= most, $"{read} read");
    }

    private static IEnumerable<(long Time, double Value)> Every(long stepMs, int days, Func<long, double> value)
    {
        for (var time = Now - days * Day + stepMs; time <= Now; time += stepMs) yield return (time, value(time));
    }

    // By days, as checkpoints would have it.
    private static async Task AppendAsync(RollupHost host, string name, IEnumerable<(long Time, double Value)> samples)
    {
        foreach (var day in samples.Chunk(6_000))
        {
            await host.AppendAsync(name, day);
            await host.CheckpointAsync();
        }
    }
}

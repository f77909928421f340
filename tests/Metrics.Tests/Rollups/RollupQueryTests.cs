using Vigil.Metrics.PromQL;
using Vigil.Metrics.Rollups;
using Vigil.Metrics.Series;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Rollups;

/// <summary>What is read in rollups has the value that every single sample would give.</summary>
public sealed class RollupQueryTests
{
    private static readonly long Now = RollupHost.Ms("2026-03-10T00:00:00");

    private static readonly string[] Functions =
    [
        "avg_over_time", "sum_over_time", "min_over_time", "max_over_time", "count_over_time", "first_over_time", "last_over_time", "ts_of_first_over_time", "ts_of_last_over_time",
        "present_over_time", "rate", "increase", "delta", "changes", "resets",
    ];

    [Fact]
    public Task Query_RandomStreams_HasTheValueOfEverySample_Sqlite() => RandomAsync(null);

    [FactNeeds("postgres")]
    public async Task Query_RandomStreams_HasTheValueOfEverySample_Postgres() => await RandomAsync(await PostgresServer.NewDatabaseAsync());

    private static async Task RandomAsync(string? postgres)
    {
        await using var host = await RollupHost.StartAsync(DateTimeOffset.FromUnixTimeMilliseconds(Now), postgres: postgres);
        var random = new Random(7);
        var streams = new Dictionary<string, List<(long, double)>>
        {
            ["counter"] = Stream(random, 4 * 86_400, 15_000, 0, (r, before) => r.Next(500) == 0 ? 0 : before + r.Next(4)),
            ["jitter/1"] = Stream(random, 4 * 86_400, 20_000, 900, (r, _) => Math.Round(r.NextDouble() * 100, 2)),
            ["jitter/2"] = Stream(random, 4 * 86_400, 20_000, 900, (r, _) => r.Next(30) == 0 ? double.NaN : r.NextDouble() * 1e6 - 5e5),
            ["dense"] = Stream(random, 86_400, 2_000, 0, (r, before) => before + r.Next(-2, 3)),
            ["ends"] = Stream(random, 4 * 86_400, 30_000, 0, (r, before) => r.Next(40) == 0 ? Samples.Stale : double.IsNaN(before) ? 1 : before + r.Next(2)),
            ["sparse"] = Stream(random, 4 * 86_400, 1_500_000, 0, (r, before) => before + 1),
        };
        // In several checkpoints, so that periods are rolled up in parts.
        for (var part = 0; part < 5; part++)
        {
            foreach (var (name, samples) in streams) await host.AppendAsync(name, samples.Skip(samples.Count * part / 5).Take(samples.Count * (part + 1) / 5 - samples.Count * part / 5));
            await host.CheckpointAsync();
        }
        Assert.Equal(3, await host.NumberAsync("SELECT COUNT(DISTINCT resolution) FROM metric_rollups"));
        var saved = 0;
        foreach (var function in Functions)
        {
            foreach (var range in (string[])["20m", "3h", "1d", "3d", "100h"])
            {
                var selector = random.Next(2) == 0 ? "{job=\"api\"}" : random.Next(2) == 0 ? "jitter" : "{job=\"api\",__name__!~\"jitter\"}";
                // On the hour and beside it.
                var end = Now - random.Next(30) * 3_600_000L - random.Next(3) * random.Next(3_600_000);
                saved += await SameAsync(host, $"{function}({selector}[{range}])", new StepGrid(end, 1, 1)) ? 1 : 0;
                saved += await SameAsync(host, $"{function}({selector}[{range}] offset {random.Next(1, 50)}m)", StepGrid.Range(end - 36 * 3_600_000, end, 3_600_000 * random.Next(1, 5))) ? 1 : 0;
            }
            saved += await SameAsync(host, $"sum by (instance) ({function}({{job=\"api\"}}[1h] @ {Now / 1000 - 7_200}))", new StepGrid(Now, 1, 1)) ? 1 : 0;
            saved += await SameAsync(host, $"max_over_time({function}({{job=\"api\"}}[2h])[1d:2h])", new StepGrid(Now - 1_234_567, 1, 1)) ? 1 : 0;
        }
        Assert.True(saved > 100, $"only {saved} queries read less than every sample");
    }

    [Fact]
    public async Task Query_LateSamples_AreInTheRollups()
    {
        await using var host = await RollupHost.StartAsync(DateTimeOffset.FromUnixTimeMilliseconds(Now));
        var start = Now - 86_400_000;
        // Of every ten the eighth comes last.
        var samples = Enumerable.Range(0, 5_000).Select(i => (start + i * 10_000L, (double)i)).Chunk(10).SelectMany(c => (IEnumerable<(long, double)>)[.. c[..7], .. c[8..], c[7]]);
        await host.AppendAsync("m", samples);
        await host.CheckpointAsync();
        Assert.Equal(2_160, await host.ValueAsync("count_over_time(m[6h])", start + 12 * 3_600_000));
        Assert.Equal(0, await host.ValueAsync("resets(m[6h])", start + 12 * 3_600_000));
        Assert.True(await SameAsync(host, "sum_over_time(m[6h])", new StepGrid(start + 12 * 3_600_000, 1, 1)));
    }

    [Fact]
    public async Task Query_AfterARestart_ReadsTheSame()
    {
        var folder = Directory.CreateTempSubdirectory("vigil-rollups-").FullName;
        try
        {
            var (expected, read) = (0d, 0L);
            await using (var host = await RollupHost.StartAsync(DateTimeOffset.FromUnixTimeMilliseconds(Now), folder))
            {
                await host.AppendAsync("m", Stream(new Random(1), 3 * 86_400, 15_000, 500, (r, _) => r.Next(100)));
                await host.CheckpointAsync();
                expected = await host.ValueAsync("sum_over_time(m[2d])", Now);
                read = (await host.AskAsync("sum_over_time(m[2d])", Now)).Samples;
            }
            await using var again = await RollupHost.StartAsync(DateTimeOffset.FromUnixTimeMilliseconds(Now), folder);
            Assert.Equal(expected, await again.ValueAsync("sum_over_time(m[2d])", Now));
            Assert.Equal(read, (await again.AskAsync("sum_over_time(m[2d])", Now)).Samples);
            Assert.True(read < 600, $"{read} read");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Whether less than every sample was read.</summary>
    internal static async Task<bool> SameAsync(RollupHost host, string text, StepGrid grid)
    {
        var expected = await host.AskSamplesAsync(text, grid);
        var actual = await host.AskAsync(text, grid);
        AssertSame(text, grid, expected.Result, actual.Result);
        Assert.True(actual.Samples <= expected.Samples, $"{text}: {actual.Samples} read instead of {expected.Samples}");
        return actual.Samples < expected.Samples / 2;
    }

    private static void AssertSame(string text, StepGrid grid, QueryResult expected, QueryResult actual)
    {
        var (left, right) = (Values(expected.Value), Values(actual.Value));
        Assert.True(left.Count == right.Count && left.Keys.All(right.ContainsKey), $"{text} at {grid}: {left.Count} values, and {right.Count} from rollups");
        foreach (var (place, value) in left)
        {
            var exact = !text.Contains("avg", StringComparison.Ordinal) && !text.Contains("sum", StringComparison.Ordinal) && !text.Contains("rate", StringComparison.Ordinal) && !text.Contains("increase", StringComparison.Ordinal);
            // Sums of numbers of both signs lose as many digits as they cancel out; these are up to 5e5, some ten thousand of them.
            var allowed = exact ? 0 : Math.Abs(value) * 1e-12 + (place.Labels.Contains("jitter/2", StringComparison.Ordinal) ? 1e-6 : 0);
            Assert.True(value.Equals(right[place]) || Math.Abs(value - right[place]) <= allowed, $"{text} at {grid}, {place}: {value:R}, and {right[place]:R} from rollups");
        }
        Assert.Equal(expected.Warnings, actual.Warnings);
        Assert.Equal(expected.Infos, actual.Infos);
    }

    private static Dictionary<(string Labels, long Time), double> Values(QueryValue value) => value switch
    {
        VectorValue vector => vector.Elements.ToDictionary(e => (e.Labels.ToString(), vector.TimeMs), e => e.Value),
        MatrixValue matrix => matrix.Series.SelectMany(s => Enumerable.Range(0, s.Count).Select(i => (s, i))).ToDictionary(p => (p.s.Labels.ToString(), p.s.Times.Span[p.i]), p => p.s.Values.Span[p.i]),
        _ => throw new InvalidOperationException("neither a vector nor a matrix"),
    };

    private static List<(long, double)> Stream(Random random, int seconds, int stepMs, int jitterMs, Func<Random, double, double> next)
    {
        var samples = new List<(long, double)>();
        var value = 0d;
        for (var time = Now - seconds * 1000L; time < Now; time += stepMs) samples.Add((time + random.Next(jitterMs + 1), value = next(random, value)));
        return samples;
    }
}

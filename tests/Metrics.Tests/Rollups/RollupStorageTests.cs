using Microsoft.Extensions.DependencyInjection;
using Vigil.Metrics.Grains;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Rollups;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Rollups;

/// <summary>What becomes of rollups where the process ends or the disk decays.</summary>
public sealed class RollupStorageTests
{
    private static readonly long Now = RollupHost.Ms("2026-03-10T00:00:00");

    [Fact]
    public async Task RollUp_TheWriteFails_NothingIsCountedAndTheNextOneHasAll()
    {
        await using var host = await RollupHost.StartAsync(DateTimeOffset.FromUnixTimeMilliseconds(Now));
        await host.AppendAsync("m", Days(3).Take(8_000));
        await host.CheckpointAsync();
        var before = await host.NumberAsync("SELECT SUM(page) FROM metric_rolled");
        // The last of its statements: what was written before it must not stay.
        await host.ExecuteAsync("CREATE TRIGGER full BEFORE UPDATE ON metric_rolled BEGIN SELECT RAISE(ABORT, 'the disk is full'); END");
        await host.AppendAsync("m", Days(3).Skip(8_000));
        await Assert.ThrowsAsync<ServiceUnavailableException>(host.CheckpointAsync);
        Assert.Equal(before, await host.NumberAsync("SELECT SUM(page) FROM metric_rolled"));
        await RollupQueryTests.SameAsync(host, "sum_over_time(m[3d])", new StepGrid(Now, 1, 1));

        await host.ExecuteAsync("DROP TRIGGER full");
        await host.CheckpointAsync();
        Assert.True(await host.NumberAsync("SELECT SUM(page) FROM metric_rolled") > before);
        Assert.True(await RollupQueryTests.SameAsync(host, "sum_over_time(m[3d])", new StepGrid(Now, 1, 1)));
    }

    [Fact]
    public async Task RollUp_PagesOfBeforeThereWereRollups_AreRolledUp()
    {
        await using var host = await RollupHost.StartAsync(DateTimeOffset.FromUnixTimeMilliseconds(Now));
        await host.AppendAsync("m", Days(3));
        await host.CheckpointAsync();
        // As an older version leaves it, with more pages than are taken at once.
        for (var i = 0; i < 40; i++)
        {
            await host.AppendAsync("n", Enumerable.Range(0, 160).Select(n => (Now - 86_400_000L + (i * 160 + n) * 10_000, 1d)));
            await host.CheckpointAsync();
        }
        await host.ExecuteAsync("DELETE FROM metric_rolled");
        await host.ExecuteAsync("DELETE FROM metric_rollups");
        var writer = host.Host.Services.GetRequiredService<RollupWriter>();
        Assert.Equal(RollupWriter.PagesPerStep, await writer.RollUpAsync(RollupHost.Job, 0, false, CancellationToken.None));
        Assert.InRange(await writer.RollUpAsync(RollupHost.Job, 0, false, CancellationToken.None), 1, RollupWriter.PagesPerStep - 1);
        Assert.Equal(0, await writer.RollUpAsync(RollupHost.Job, 0, false, CancellationToken.None));
        Assert.True(await RollupQueryTests.SameAsync(host, "increase(m[3d])", new StepGrid(Now, 1, 1)));
        Assert.True(await RollupQueryTests.SameAsync(host, "count_over_time(n[1d])", new StepGrid(Now, 1, 1)));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(2)]
    [InlineData(1)]
    public async Task Query_APageOfRollupsIsDamaged_IsAnsweredByWhatIsFiner(int resolution)
    {
        await using var host = await RollupHost.StartAsync(DateTimeOffset.FromUnixTimeMilliseconds(Now));
        await host.AppendAsync("m", Days(5, 5));
        await host.CheckpointAsync();
        using var damaged = new CounterReading(host.Host.Services.GetRequiredService<MetricsInstruments>().RollupPagesDamaged);
        await host.ExecuteAsync($"UPDATE metric_rollups SET data = zeroblob(100) WHERE resolution = {resolution}");
        await RollupQueryTests.SameAsync(host, "increase(m[100h])", new StepGrid(Now - 1_234_567, 1, 1));
        Assert.True(damaged.Total > 0, "nothing was counted");
        await host.ExecuteAsync("UPDATE metric_rollups SET data = zeroblob(100)");
        await RollupQueryTests.SameAsync(host, "increase(m[100h])", new StepGrid(Now - 1_234_567, 1, 1));
    }

    [Fact]
    public async Task Query_APageOfSamplesIsDamaged_IsRefusedOnlyWhereItIsRead()
    {
        await using var host = await RollupHost.StartAsync(DateTimeOffset.FromUnixTimeMilliseconds(Now));
        foreach (var some in Days(3).Chunk(3_000))
        {
            await host.AppendAsync("m", some);
            await host.CheckpointAsync();
        }
        var expected = await host.ValueAsync("sum_over_time(m[2d])", Now);
        await host.ExecuteAsync($"UPDATE metric_pages SET data = zeroblob(100) WHERE last_ms < {Now - 12 * 3_600_000}");
        Assert.Equal(expected, await host.ValueAsync("sum_over_time(m[2d])", Now));
        var refused = await Assert.ThrowsAsync<ServiceDefaults.RefusalException>(() => host.AskAsync("sum_over_time(m[2d])", Now - 1_234_567));
        Assert.Contains("damaged", refused.Message, StringComparison.Ordinal);
    }

    private static IEnumerable<(long, double)> Days(int days, int step = 15) => Enumerable.Range(0, days * 86_400 / step).Select(i => (Now - days * 86_400_000L + i * step * 1000L, (double)(i % 1_000)));
}

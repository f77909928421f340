using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Rollups;
using Vigil.Metrics.Storage;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Rollups;

/// <summary>How long and how much is kept of each resolution, and what is answered about what is not.</summary>
public sealed class RetentionTests
{
    private const long Hour = 3_600_000;
    private const long Day = 24 * Hour;
    private static readonly long Start = RollupHost.Ms("2026-03-01T00:00:00");

    [Fact]
    public Task Retention_SamplesAreGone_HoursAnswerAndSayHowExactly_Sqlite() => GoneAsync(null);

    [FactNeeds("postgres")]
    public async Task Retention_SamplesAreGone_HoursAnswerAndSayHowExactly_Postgres() => await GoneAsync(await PostgresServer.NewDatabaseAsync());

    private static async Task GoneAsync(string? postgres)
    {
        await using var host = await RollupHost.StartAsync(DateTimeOffset.FromUnixTimeMilliseconds(Start), postgres: postgres, settings: [("Metrics:Retention:Raw", "1.00:00:00"), ("Metrics:Retention:Hour", "5.00:00:00"), ("Metrics:Retention:Day", "20.00:00:00")]);
        using var deleted = new CounterReading(host.Host.Services.GetRequiredService<MetricsInstruments>().PagesDeleted);
        var all = new List<(long Time, double Value)>();
        for (var time = Start; time < Start + 10 * Day; time += 6 * Hour)
        {
            var some = Enumerable.Range(1, 1_440).Select(i => (time + i * 15_000L, (double)(all.Count + i))).ToArray();
            all.AddRange(some);
            host.Clock.Advance(TimeSpan.FromHours(6));
            await host.AppendAsync("m", some);
            await host.CheckpointAsync();
        }
        var now = Start + 10 * Day;
        Assert.InRange(await host.NumberAsync("SELECT MIN(last_ms) FROM metric_pages"), now - Day, now - 16 * Hour);
        Assert.InRange(await host.NumberAsync("SELECT MIN(last_ms) FROM metric_rollups WHERE resolution = 2"), now - 5 * Day, now);
        Assert.True(deleted.Total > 20, $"{deleted.Total} counted");

        // Where the ends of the window are those of rollups it is as if the samples were there.
        var sum = await host.AskAsync("sum_over_time(m[10d])", now);
        Assert.Equal(all.Sum(s => s.Value), Value(sum.Result));
        Assert.Empty(sum.Result.Infos);
        Assert.Equal(4 * 5_760, await host.ValueAsync("count_over_time(m[4d])", now - Day));
        // Otherwise it is within a rollup's length, and says so.
        var count = await host.AskAsync("count_over_time(m[47h50m])", now - Day);
        Assert.InRange(Value(count.Result), 47 * 240, 49 * 240);
        Assert.Contains("only as rollups of up to 1h", Assert.Single(count.Result.Infos), StringComparison.Ordinal);

        // What wants samples gets the last one of each rollup: there an hour's, further back a day's.
        var moment = now - 2 * Day + 30 * 60_000;
        var instant = await host.AskAsync("m", moment);
        Assert.Equal(all.Single(s => s.Time == now - 2 * Day).Value, Value(instant.Result));
        Assert.Contains("only as rollups", Assert.Single(instant.Result.Infos), StringComparison.Ordinal);
        Assert.Equal(all.Single(s => s.Time == now - 8 * Day).Value, Value((await host.AskAsync("m", now - 8 * Day + 20 * Hour)).Result));
        var matrix = (MatrixValue)(await host.AskAsync("m", StepGrid.Range(now - 3 * Day, now, Hour))).Result.Value;
        Assert.Equal(73, Assert.Single(matrix.Series).Count);
        Assert.Equal(all.Where(s => (s.Time - now) % Hour == 0 && s.Time >= now - 3 * Day).Select(s => s.Value), matrix.Series[0].Values.ToArray());
        Assert.Equal(all.Where(s => s.Time % Hour == 0 && s.Time > now - 4 * Day && s.Time <= now - 2 * Day).Average(s => s.Value), await host.ValueAsync("quantile_over_time(0.5, m[2d])", now - 2 * Day));

        if (postgres is not null) return;
        // Damaged days are made up for by hours, as long as these are there; beyond, it is said.
        await host.ExecuteAsync("UPDATE metric_rollups SET data = zeroblob(100) WHERE resolution = 3");
        Assert.Equal(3 * 5_760, await host.ValueAsync("count_over_time(m[3d])", now - Day));
        foreach (var text in (string[])["sum_over_time(m[10d])", $"m @ {(now - 8 * Day + 20 * Hour) / 1000}"])
        {
            var refused = await Assert.ThrowsAsync<ServiceDefaults.RefusalException>(() => host.AskAsync(text, now));
            Assert.Contains("damaged", refused.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Retention_APageThatEndsAtTheLimit_StaysAndAMillisecondOlderGoes()
    {
        await using var host = await RollupHost.StartAsync(DateTimeOffset.FromUnixTimeMilliseconds(Start));
        await host.AppendAsync("m", [(Start, 1)]);
        var retention = host.Host.Services.GetRequiredService<RetentionStore>();
        foreach (var resolution in Enum.GetValues<Resolution>())
        {
            await InsertAsync(host, resolution, last: 1_000, bytes: 10);
            Assert.Equal(0, await retention.DeleteOlderAsync(RollupHost.Job, resolution, 1_000, CancellationToken.None));
            Assert.Equal(resolution == Resolution.Raw ? 0 : 1, await retention.DeleteOlderAsync(RollupHost.Job, resolution, 1_001, CancellationToken.None));
        }
        // Samples wait for their rollup, but no longer than a day.
        Assert.Equal(0, await retention.DeleteOlderAsync(RollupHost.Job, Resolution.Raw, 1_000 + Day, CancellationToken.None));
        Assert.Equal(1, await retention.DeleteOlderAsync(RollupHost.Job, Resolution.Raw, 1_001 + Day, CancellationToken.None));
        Assert.Equal(1_000 + Day, await host.NumberAsync("SELECT through_ms FROM metric_gone WHERE resolution = 0"));
    }

    [Fact]
    public async Task Retention_MoreBytesThanAllowed_TheOldestGoAndTheDiskHasTheSpaceAgain()
    {
        await using var host = await RollupHost.StartAsync(DateTimeOffset.FromUnixTimeMilliseconds(Start), settings: [("Metrics:Retention:RawBytes", "10000000"), ("Metrics:Retention:HourBytes", "2000000")]);
        await host.AppendAsync("m", [(Start, 1)]);
        var keeper = host.Host.Services.GetRequiredService<RetentionKeeper>();
        using var deleted = new CounterReading(host.Host.Services.GetRequiredService<MetricsInstruments>().PagesDeleted);
        for (var i = 0; i < 10; i++) await InsertAsync(host, Resolution.Raw, last: (i + 5) % 10, bytes: 1_000_000);
        await keeper.RunAsync(CancellationToken.None).DefaultTimeout();
        Assert.Equal((10, 0), (await host.NumberAsync("SELECT COUNT(*) FROM metric_pages"), deleted.Total));
        await InsertAsync(host, Resolution.Raw, last: 10, bytes: 1);
        await keeper.RunAsync(CancellationToken.None).DefaultTimeout();
        Assert.Equal((10, 1), (await host.NumberAsync("SELECT COUNT(*) FROM metric_pages"), await host.NumberAsync("SELECT MIN(last_ms) FROM metric_pages")));

        for (var i = 0; i < 300; i++) await InsertAsync(host, Resolution.Raw, last: 11 + i, bytes: 100_000);
        await InsertAsync(host, Resolution.Hour, last: 1, bytes: 3_000_000);
        await InsertAsync(host, Resolution.Hour, last: 2, bytes: 2_000_000);
        var full = await host.NumberAsync("PRAGMA page_count");
        await keeper.RunAsync(CancellationToken.None).DefaultTimeout();
        Assert.Equal(100, await host.NumberAsync("SELECT COUNT(*) FROM metric_pages"));
        Assert.Equal(2, await host.NumberAsync("SELECT MIN(last_ms) FROM metric_rollups"));
        Assert.Equal(210, await host.NumberAsync("SELECT through_ms FROM metric_gone WHERE resolution = 0"));
        Assert.Equal(1 + 10 + 200 + 1, deleted.Total);
        var left = await host.NumberAsync("PRAGMA page_count");
        Assert.True(left < full * 2 / 3, $"{left} of {full} pages of the file are left");
        // Samples that came meanwhile are not concerned.
        Assert.Equal(1, await host.ValueAsync("m", Start));
    }

    [Theory]
    [InlineData("Metrics:Retention=2.00:00:00", "2.00:00:00 2.00:00:00 400.00:00:00 3660.00:00:00")]
    [InlineData("Metrics:Retention:Raw=500.00:00:00", "500.00:00:00 500.00:00:00 500.00:00:00 3660.00:00:00")]
    [InlineData("Metrics:Retention:Minute=90.00:00:00", "31.00:00:00 90.00:00:00 400.00:00:00 3660.00:00:00")]
    public async Task Options_OldAndNewKeys_AreTaken(string setting, string expected)
    {
        await using var host = await MetricsHostWith(setting);
        var retention = host.Host.Services.GetRequiredService<Microsoft.Extensions.Options.IOptions<MetricsOptions>>().Value.Retention;
        Assert.Equal(expected, string.Join(' ', Enum.GetValues<Resolution>().Select(r => retention.Of(r))));
    }

    [Theory]
    [InlineData("Metrics:Retention=soon", "Metrics:Retention is 'soon'; allowed: a duration")]
    [InlineData("Metrics:Retention=1.00:00:00,Metrics:Retention:Raw=1.00:00:00", "Metrics:Retention is '1.00:00:00'; allowed: nothing, where Metrics:Retention:Raw is set too")]
    [InlineData("Metrics:Retention:Raw=00:09:59", "Metrics:Retention:Raw is '00:09:59'")]
    [InlineData("Metrics:Retention:Day=3661.00:00:00", "Metrics:Retention:Day is '3661.00:00:00'")]
    [InlineData("Metrics:Retention:Hour=30.00:00:00", "Metrics:Retention:Hour is '30.00:00:00'; allowed: at least 31.00:00:00")]
    [InlineData("Metrics:Retention:Day=399.00:00:00", "Metrics:Retention:Day is '399.00:00:00'; allowed: at least 400.00:00:00")]
    [InlineData("Metrics:Retention:RawBytes=999999", "Metrics:Retention:RawBytes is '999999'; allowed: 0, or at least 1000000")]
    public async Task Options_ThatMakeNoSense_AreRefusedByName(string settings, string expected)
    {
        var refused = await Assert.ThrowsAsync<Microsoft.Extensions.Options.OptionsValidationException>(() => MetricsHostWith(settings));
        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
    }

    private static Task<RollupHost> MetricsHostWith(string settings) => RollupHost.StartAsync(DateTimeOffset.FromUnixTimeMilliseconds(Start),
        settings: [.. settings.Split(',').Select(s => (s[..s.IndexOf('=')], s[(s.IndexOf('=') + 1)..]))]);

    private static Task InsertAsync(RollupHost host, Resolution resolution, long last, int bytes) => host.ExecuteAsync(resolution == Resolution.Raw
        ? $"INSERT INTO metric_pages (grain, bucket, first_ms, last_ms, data) VALUES (1, 0, {last}, {last}, zeroblob({bytes}))"
        : $"INSERT INTO metric_rollups (grain, bucket, resolution, first_ms, last_ms, data) VALUES (1, 0, {(int)resolution}, {last}, {last}, zeroblob({bytes}))");

    private static double Value(QueryResult result) => Assert.Single(((VectorValue)result.Value).Elements).Value;
}

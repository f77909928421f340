using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Vigil.Metrics.Tests.Api;
using Vigil.Metrics.Tests.Service;
using Vigil.ServiceDefaults;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Durability;

/// <summary>What every door says while the database cannot, and after.</summary>
public sealed class StorageTests
{
    private static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

    [Fact]
    public async Task DiskFull_EveryDoorRefusesForTheMoment_CountsIt_AndTakesTheSameAfterwardsWithoutARestart()
    {
        await using var host = await MetricsHost.StartAsync();
        var doors = Door.All(host.GrpcAddress, host.HttpAddress);
        var at = Now - 60_000;
        foreach (var door in doors) Assert.True((await door.SendAsync(at, 1)).Taken);
        // SQLite's own limit on the file: what goes beyond it fails as on a full disk.
        await ExecuteAsync(host, "PRAGMA max_page_count = 1");
        var refused = new long[doors.Count];
        for (var i = 0; i < doors.Count; i++)
        {
            // Some still finds room in pages that are not full.
            DoorAnswer answer;
            do answer = await doors[i].SendAsync(refused[i] = ++at, 2);
            while (answer.Taken && at < Now);
            Assert.True(answer is { Taken: false, Unavailable: true }, $"{doors[i].Name}: {answer}");
            Assert.Contains("disk is full", answer.Message, StringComparison.Ordinal);
            Assert.DoesNotContain(host.Directory, answer.Message, StringComparison.Ordinal);
        }
        using (var client = new PrometheusClient(host))
        {
            using var metrics = await client.SendAsync(HttpMethod.Get, "/metrics");
            Assert.Matches("vigil_metrics_journal_failures[^\n]* [1-9]", await metrics.Content.ReadAsStringAsync());
        }

        await ExecuteAsync(host, "PRAGMA max_page_count = 1073741823");
        for (var i = 0; i < doors.Count; i++)
        {
            var answer = await doors[i].SendAsync(refused[i], 2);
            Assert.True(answer.Taken, $"{doors[i].Name}: {answer}");
            doors[i].Dispose();
        }
        Assert.Equal(2, await host.ValueAsync("max(push)"));
        Assert.Equal(2, await host.ValueAsync("max(otlp_grpc)"));
    }

    [FactNeeds("postgres")]
    public async Task DatabaseGone_EveryDoorRefusesForTheMoment_AndTakesTheSameAfterwardsWithoutARestart()
    {
        var connection = new Npgsql.NpgsqlConnectionStringBuilder(await PostgresServer.NewDatabaseAsync());
        await using var proxy = new TcpProxy(new Uri($"http://{connection.Host}:{connection.Port}"));
        (connection.Host, connection.Port) = (proxy.Address.Host, proxy.Address.Port);
        await using var host = await MetricsHost.StartAsync(postgres: connection.ConnectionString);
        var doors = Door.All(host.GrpcAddress, host.HttpAddress);
        var at = Now - 60_000;
        foreach (var door in doors) Assert.True((await door.SendAsync(at, 1)).Taken);
        var there = proxy.Target;
        proxy.Target = new Uri("http://127.0.0.1:1");
        proxy.Cut();
        foreach (var door in doors)
        {
            var answer = await door.SendAsync(at + 1, 2);
            Assert.True(answer is { Taken: false, Unavailable: true }, $"{door.Name}: {answer}");
        }
        proxy.Target = there;
        foreach (var door in doors)
        {
            // Connections that died are noticed one by one.
            await Waiting.Until(async () => (await door.SendAsync(at + 1, 2)).Taken, $"{door.Name} takes it again");
            door.Dispose();
        }
        foreach (var door in doors) Assert.Equal(Door.Width, await host.ValueAsync($"count(count_over_time({(door.Name == "otlp_delta" ? "otlp_delta_total" : door.Name)}[1h]) == 2)"));
    }

    [Fact]
    public async Task CorruptRow_ItsServiceIsRefusedByNameAtEveryDoor_OthersAreNot_AndItWorksOnceTheRowIsMended()
    {
        await using var host = await MetricsHost.StartAsync();
        var doors = Door.All(host.GrpcAddress, host.HttpAddress);
        var at = Now - 60_000;
        foreach (var door in doors) Assert.True((await door.SendAsync(at, 1)).Taken);
        // As a restart would find it: the grains' memory goes with a row that cannot be written, and what they have is read again.
        await ExecuteAsync(host, "CREATE TABLE whole AS SELECT grain, no, data FROM metric_journal");
        await ExecuteAsync(host, "CREATE TRIGGER broken BEFORE INSERT ON metric_journal BEGIN SELECT RAISE(ABORT, 'broken for a moment'); END");
        foreach (var door in doors) Assert.False((await door.SendAsync(at + 1, 2)).Taken);
        await ExecuteAsync(host, "UPDATE metric_journal SET data = x'' WHERE grain LIKE 'otlp%' OR grain LIKE 'remote%' OR grain = 'push'");
        await ExecuteAsync(host, "DROP TRIGGER broken");
        foreach (var door in doors)
        {
            var answer = await door.SendAsync(at + 1, 2);
            Assert.True(answer is { Taken: false, Unavailable: true }, $"{door.Name}: {answer}");
            Assert.Contains($"\"{door.Name}\"", answer.Message, StringComparison.Ordinal);
            Assert.Contains("damaged", answer.Message, StringComparison.Ordinal);
        }
        using (var push = await host.OpenAsync("s", ("job", "other")))
        {
            await push.DeclareAsync(1, "other");
            await push.SendAsync(1, (1, Now, 1));
            await push.AckAsync();
        }

        await ExecuteAsync(host, "UPDATE metric_journal SET data = (SELECT data FROM whole WHERE whole.grain = metric_journal.grain AND whole.no = metric_journal.no) WHERE length(data) = 0");
        foreach (var door in doors)
        {
            var answer = await door.SendAsync(at + 1, 2);
            Assert.True(answer.Taken, $"{door.Name}: {answer}");
            door.Dispose();
        }
        foreach (var door in doors) Assert.Equal(Door.Width, await host.ValueAsync($"count(count_over_time({(door.Name == "otlp_delta" ? "otlp_delta_total" : door.Name)}[1h]) == 2)"));
    }

    [Fact]
    public async Task SeriesLimit_NewSeriesAreRefusedAtEveryDoor_AndOldOnesGoOn()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxSeriesPerShard", $"{Door.Width + 1}")]);
        var doors = Door.All(host.GrpcAddress, host.HttpAddress);
        var at = Now - 60_000;
        // target_info is the one beside.
        foreach (var door in doors) Assert.True((await door.SendAsync(at, 1)).Taken);
        foreach (var door in doors)
        {
            using var push = await host.OpenAsync($"fills-{door.Name}", ("job", door.Name));
            await push.DeclareAsync(PushClient.Series(1, "first"), PushClient.Series(2, "second"));
            Assert.Contains("MaxSeriesPerShard", (await push.RefusalAsync()).ToString(), StringComparison.Ordinal);
        }
        foreach (var door in doors)
        {
            Assert.True((await door.SendAsync(at + 1, 2)).Taken, door.Name);
            door.Dispose();
        }
        Assert.Equal(Door.Width, await host.ValueAsync("count(count_over_time(remote_write[1h]) == 2)"));
        using var client = new PrometheusClient(host);
        using var metrics = await client.SendAsync(HttpMethod.Get, "/metrics");
        Assert.Matches("vigil_metrics_samples_refused[^\n]*series_limit[^\n]* [1-9]", await metrics.Content.ReadAsStringAsync());
    }

    private static async Task ExecuteAsync(MetricsHost host, string sql) => await host.Services.GetRequiredService<IDatabase>().WriteAsync(async (transaction, ct) =>
    {
        await using var command = transaction.Connection!.CreateCommand();
        (command.Transaction, command.CommandText) = (transaction, sql);
        await command.ExecuteNonQueryAsync(ct);
    }).DefaultTimeout();
}

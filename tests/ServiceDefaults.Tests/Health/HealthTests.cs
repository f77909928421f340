using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Dapper;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Vigil.Testing;
using Xunit;

namespace Vigil.ServiceDefaults.Tests;

public sealed class HealthTests
{
    [Fact]
    public async Task M18_Ready_Blocked_Is503WithReasonsUntilAllAreReleased()
    {
        await using var service = await TestService.StartAsync();
        using var client = service.Client();
        var readiness = service.App.Services.GetRequiredService<IReadiness>();

        var first = readiness.Block("replaying the journal");
        var second = readiness.Block("loading policies");
        using var blocked = await client.GetAsync("/ready").DefaultTimeout();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, blocked.StatusCode);
        var body = await blocked.Content.ReadFromJsonAsync<JsonElement>();
        Assert.False(body.GetProperty("ready").GetBoolean());
        Assert.Equal("replaying the journal; loading policies", body.GetProperty("reasons")[0].GetString());
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/live").DefaultTimeout()).StatusCode);

        first.Dispose();
        first.Dispose(); // twice is once
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await client.GetAsync("/ready").DefaultTimeout()).StatusCode);
        second.Dispose();
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/ready").DefaultTimeout()).StatusCode);
    }

    [Fact]
    public async Task Ready_AcceptText_AnswersInLines()
    {
        await using var service = await TestService.StartAsync();
        using var client = service.Client();
        client.DefaultRequestHeaders.Accept.ParseAdd("text/plain");
        service.App.Services.GetRequiredService<IReadiness>().Block("loading");

        using var response = await client.GetAsync("/ready").DefaultTimeout();

        Assert.Equal("not ready\nloading\n", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task M18_Health_ShowsEveryCheck_OnesNotForReadinessDoNotBlockIt()
    {
        await using var service = await TestService.StartAsync(b => b.Services.AddHealthChecks().AddCheck("peer", () => HealthCheckResult.Unhealthy("metrics is gone")));
        using var client = service.Client();

        using var health = await client.GetAsync("/health").DefaultTimeout();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, health.StatusCode);
        var checks = (await health.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("checks");
        Assert.Equal("Healthy", checks.GetProperty("database").GetProperty("status").GetString());
        Assert.Equal("metrics is gone", checks.GetProperty("peer").GetProperty("description").GetString());
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/ready").DefaultTimeout()).StatusCode);
    }

    [Fact]
    public async Task M18_Ready_DatabaseCannotGrow_Is503WithTheReasonAndRecoversByItself()
    {
        var clock = new FakeClock();
        await using var service = await TestService.StartAsync(b => b.Services.AddSingleton<TimeProvider>(clock));
        using var client = service.Client();
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/ready").DefaultTimeout()).StatusCode);
        var database = service.App.Services.GetRequiredService<IDatabase>();

        // As a full disk is to SQLite: SQLITE_FULL, as soon as a page more is needed. What was freed may still be used, so it is used up.
        await PragmaAsync(database, "max_page_count = 1");
        await Assert.ThrowsAsync<StorageException>(async () =>
        {
            while (true) await database.WriteAsync(async (tx, _) => { await tx.Connection!.ExecuteAsync("CREATE TABLE IF NOT EXISTS filling (b BLOB); INSERT INTO filling VALUES (zeroblob(8192))", transaction: tx); });
        });
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/ready").DefaultTimeout()).StatusCode); // the write before still speaks
        clock.Advance(StorageHeartbeat.Interval);
        using var full = await client.GetAsync("/ready").DefaultTimeout();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, full.StatusCode);
        Assert.Equal("the database cannot grow: the disk is full", (await full.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("reasons")[0].GetString());

        await PragmaAsync(database, "max_page_count = 1000000");
        clock.Advance(StorageHeartbeat.FailureInterval);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/ready").DefaultTimeout()).StatusCode);
    }

    [Fact]
    public async Task Ready_DatabaseReadOnly_Is503WithTheReason()
    {
        var clock = new FakeClock();
        await using var service = await TestService.StartAsync(b => b.Services.AddSingleton<TimeProvider>(clock));
        using var client = service.Client();
        await PragmaAsync(service.App.Services.GetRequiredService<IDatabase>(), "query_only = 1");
        clock.Advance(StorageHeartbeat.Interval);

        using var response = await client.GetAsync("/ready").DefaultTimeout();

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Contains("the database cannot be written: check its owner and mode", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [FactNeeds("postgres")]
    public async Task Ready_PostgresReadOnly_Is503WithTheReason()
    {
        var clock = new FakeClock();
        var postgres = await PostgresServer.NewDatabaseAsync();
        await using var service = await TestService.StartAsync(b => b.Services.AddSingleton<TimeProvider>(clock), settings: new() { ["ConnectionStrings:postgres"] = postgres });
        using var client = service.Client();
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/ready").DefaultTimeout()).StatusCode);
        await using (var admin = new Npgsql.NpgsqlConnection(postgres))
        {
            // For connections from now on; those that are open are closed.
            await admin.ExecuteAsync("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$");
            await admin.ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
        }

        // The first answers may still be of connections that were closed.
        await Waiting.Until(async () =>
        {
            clock.Advance(StorageHeartbeat.Interval);
            using var response = await client.GetAsync("/ready");
            return response.StatusCode == HttpStatusCode.ServiceUnavailable
                && (await response.Content.ReadAsStringAsync()).Contains("the database takes no writes", StringComparison.Ordinal);
        }, "/ready says that the database takes no writes");
    }

    [Fact]
    public async Task Ready_AskedOften_WritesAtMostOnceAnIntervalAndCountsIt()
    {
        var clock = new FakeClock();
        await using var service = await TestService.StartAsync(b => b.Services.AddSingleton<TimeProvider>(clock));
        using var client = service.Client("read-token");
        for (var i = 0; i < 20; i++) Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/ready").DefaultTimeout()).StatusCode);
        clock.Advance(StorageHeartbeat.Interval);
        for (var i = 0; i < 20; i++) Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/ready").DefaultTimeout()).StatusCode);

        Assert.Contains("vigil_storage_heartbeats_total{result=\"written\"} 2\n", await client.GetStringAsync("/metrics").DefaultTimeout(), StringComparison.Ordinal);
        await using var connection = await service.App.Services.GetRequiredService<IDatabase>().OpenAsync();
        Assert.Equal(1, await connection.ExecuteScalarAsync<long>("SELECT count(*) FROM heartbeat"));
    }

    [Fact]
    public async Task Ready_DatabaseGone_Is503WithoutPaths()
    {
        var clock = new FakeClock();
        await using var service = await TestService.StartAsync(b => b.Services.AddSingleton<TimeProvider>(clock));
        using var client = service.Client();
        await ((IAsyncDisposable)service.App.Services.GetRequiredService<IDatabase>()).DisposeAsync();
        Directory.Delete(Path.Combine(service.Folder, "data"), recursive: true);
        clock.Advance(StorageHeartbeat.Interval);

        using var response = await client.GetAsync("/ready").DefaultTimeout();

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        var body = await response.Content.ReadAsStringAsync();
        Assert.DoesNotContain(service.Folder, body);
    }

    /// <summary>On the connection that writes.</summary>
    private static async Task PragmaAsync(IDatabase database, string pragma) =>
        await database.WriteAsync(async (tx, _) => { await tx.Connection!.ExecuteAsync($"PRAGMA {pragma}", transaction: tx); });
}

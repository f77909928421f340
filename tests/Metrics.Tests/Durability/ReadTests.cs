using System.Data.Common;
using System.Net;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Vigil.Metrics.Tests.Api;
using Vigil.Metrics.Tests.Service;
using Vigil.ServiceDefaults;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Durability;

/// <summary>What queries are told while what they need from the database cannot be had, and after.</summary>
public sealed class ReadTests
{
    private const int Samples = 1_000;
    private const string Old = "count_over_time(m{job=\"api\"}[1h])";

    [Fact]
    public Task DamagedPage_QueriesThatNeedItAreUnavailableByName_OthersAreAnswered_AndAllOnceItIsMended_Sqlite() => DamagedAsync(null);

    [FactNeeds("postgres")]
    public async Task DamagedPage_QueriesThatNeedItAreUnavailableByName_OthersAreAnswered_AndAllOnceItIsMended_Postgres() => await DamagedAsync(await PostgresServer.NewDatabaseAsync());

    private static async Task DamagedAsync(string? postgres)
    {
        await using var host = await StartAsync(postgres);
        var database = host.Services.GetRequiredService<IDatabase>();
        var whole = await PagesAsync(database);
        Assert.NotEmpty(whole);
        await StoreAsync(database, whole.Select(page => (page.Number, (byte[])[.. page.Data[..^1], (byte)(page.Data[^1] ^ 1)])));

        await AssertUnavailableAsync(host, "samples of service \"api\" cannot be had from the database, since what is stored is damaged", "damaged");
        // What lies in memory is not concerned.
        Assert.Equal(Samples, await host.ValueAsync("m{job=\"api\"}"));

        await StoreAsync(database, whole);
        await AssertAnsweredAsync(host);
    }

    [Fact]
    public async Task DatabaseError_QueriesThatReadOldSamplesAreUnavailable_AndAnsweredAfterwardsWithoutARestart_Sqlite()
    {
        await using var host = await StartAsync(null);
        await ExecuteAsync(host, "ALTER TABLE metric_pages RENAME TO metric_pages_away");
        await AssertUnavailableAsync(host, "samples of service \"api\" cannot be had from the database", "unavailable");
        Assert.Equal(Samples, await host.ValueAsync("m{job=\"api\"}"));
        await ExecuteAsync(host, "ALTER TABLE metric_pages_away RENAME TO metric_pages");
        await AssertAnsweredAsync(host);
    }

    [FactNeeds("postgres")]
    public async Task DatabaseGone_QueriesThatReadOldSamplesAreUnavailable_AndAnsweredAfterwardsWithoutARestart_Postgres()
    {
        var connection = new Npgsql.NpgsqlConnectionStringBuilder(await PostgresServer.NewDatabaseAsync());
        await using var proxy = new TcpProxy(new Uri($"http://{connection.Host}:{connection.Port}"));
        (connection.Host, connection.Port) = (proxy.Address.Host, proxy.Address.Port);
        await using var host = await StartAsync(connection.ConnectionString);
        var there = proxy.Target;
        proxy.Target = new Uri("http://127.0.0.1:1");
        proxy.Cut();
        await AssertUnavailableAsync(host, "samples of service \"api\" cannot be had from the database", "unavailable");
        Assert.Equal(Samples, await host.ValueAsync("m{job=\"api\"}"));
        proxy.Target = there;
        // Connections that died are noticed one by one.
        using var client = new PrometheusClient(host);
        await Waiting.Until(async () =>
        {
            using var response = await client.SendAsync(HttpMethod.Get, $"query?query={Uri.EscapeDataString(Old)}");
            return response.IsSuccessStatusCode;
        }, "old samples are read again");
        await AssertAnsweredAsync(host);
    }

    /// <summary>A host two of whose services have most of their samples in the database only.</summary>
    private static async Task<MetricsHost> StartAsync(string? postgres)
    {
        var host = await MetricsHost.StartAsync(postgres: postgres, settings: [("Metrics:MaxSamplesInMemoryPerSeries", "240")]);
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        using var push = await host.OpenAsync("s", ("job", "api"));
        await push.DeclareAsync(1, "m");
        await push.SendAsync(1, [.. Enumerable.Range(1, Samples).Select(i => (1u, now - (Samples - i) * 1_000L, (double)i))]);
        await push.AckAsync();
        using var other = await host.OpenAsync("t", ("job", "other"));
        await other.DeclareAsync(1, "m");
        await other.SendAsync(1, (1, now, 7));
        await other.AckAsync();
        await host.Grain("api").CheckpointAsync().DefaultTimeout();
        Assert.Equal(Samples, await host.ValueAsync(Old));
        return host;
    }

    private static async Task AssertUnavailableAsync(MetricsHost host, string message, string cause)
    {
        var grpc = await Assert.ThrowsAsync<RpcException>(() => host.AskAsync(Old));
        Assert.Equal(StatusCode.Unavailable, grpc.StatusCode);
        Assert.Contains(message, grpc.Status.Detail, StringComparison.Ordinal);
        using var client = new PrometheusClient(host);
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        foreach (var path in new[] { "query?", $"query_range?start={now - 10}&end={now}&step=10&" })
        {
            var (status, type, text) = await client.RefusedAsync($"{path}query={Uri.EscapeDataString(Old)}");
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "unavailable"), (status, type));
            Assert.Contains(message, text, StringComparison.Ordinal);
            Assert.DoesNotContain(host.Directory, text, StringComparison.Ordinal);
        }
        using var metrics = await client.SendAsync(HttpMethod.Get, "/metrics");
        Assert.Matches($"vigil_metrics_storage_failures_total[^\n]*cause=\"{cause}\"[^\n]* 3\n", await metrics.Content.ReadAsStringAsync());
        Assert.Equal(7, await host.ValueAsync("m{job=\"other\"}"));
    }

    private static async Task AssertAnsweredAsync(MetricsHost host)
    {
        using var client = new PrometheusClient(host);
        Assert.Equal(Samples, await host.ValueAsync(Old));
        Assert.Equal($"{Samples}", await client.ValueAsync(Old));
    }

    private static async Task<List<(long Number, byte[] Data)>> PagesAsync(IDatabase database)
    {
        await using var connection = await database.OpenAsync();
        await using var select = connection.CreateCommand();
        select.CommandText = "SELECT page, data FROM metric_pages";
        await using var rows = await select.ExecuteReaderAsync();
        var pages = new List<(long, byte[])>();
        while (await rows.ReadAsync()) pages.Add((rows.GetInt64(0), rows.GetFieldValue<byte[]>(1)));
        return pages;
    }

    private static Task StoreAsync(IDatabase database, IEnumerable<(long Number, byte[] Data)> pages) => database.WriteAsync(async (transaction, ct) =>
    {
        foreach (var (number, data) in pages)
        {
            await using var update = transaction.Connection!.CreateCommand();
            (update.Transaction, update.CommandText) = (transaction, "UPDATE metric_pages SET data = @data WHERE page = @page");
            Set(update, "@data", data);
            Set(update, "@page", number);
            Assert.Equal(1, await update.ExecuteNonQueryAsync(ct));
        }
    }).DefaultTimeout();

    private static void Set(DbCommand command, string name, object value)
    {
        var parameter = command.CreateParameter();
        (parameter.ParameterName, parameter.Value) = (name, value);
        command.Parameters.Add(parameter);
    }

    private static async Task ExecuteAsync(MetricsHost host, string sql) => await host.Services.GetRequiredService<IDatabase>().WriteAsync(async (transaction, ct) =>
    {
        await using var command = transaction.Connection!.CreateCommand();
        (command.Transaction, command.CommandText) = (transaction, sql);
        await command.ExecuteNonQueryAsync(ct);
    }).DefaultTimeout();
}

using System.Data.Common;
using System.Threading.Channels;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Vigil.Alerting.Notify;
using Vigil.Alerting.Storage;
using Vigil.Alerting.Tests.Notify;
using Vigil.ServiceDefaults;
using Vigil.Testing;

namespace Vigil.Alerting.Tests.Storage;

public sealed class DeliveryLogTests
{
    private const string Policies = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up == 0\n";

    [Fact]
    public Task Log_OnSqlite_RemembersAndForgets() => RemembersAndForgetsAsync(null);

    [FactNeeds("postgres", "initdb")]
    public async Task Log_OnPostgres_RemembersAndForgets()
    {
        await RemembersAndForgetsAsync(await PostgresServer.NewDatabaseAsync());
    }

    [Fact]
    public async Task Pruner_CancellationThatIsNotItsOwn_IsTriedAgainTheNextDay()
    {
        var clock = new FakeClock(Pages.Start);
        var database = new CancellingDatabase();
        using var pruner = new DeliveryLogPruner(new DeliveryLog(database), clock, NullLogger<DeliveryLogPruner>.Instance);
        await pruner.StartAsync(default).DefaultTimeout();

        await database.NextWrite();
        clock.Advance(TimeSpan.FromDays(1));
        await database.NextWrite();

        Assert.False(pruner.ExecuteTask!.IsCompleted);
        await pruner.StopAsync(default).DefaultTimeout();
    }

    /// <summary>Gives up each write.</summary>
    private sealed class CancellingDatabase : IDatabase
    {
        private readonly Channel<bool> writes = Channel.CreateUnbounded<bool>();

        public SqlDialect Dialect => SqlDialect.Sqlite;

        public string Location => "nowhere";

        public Task<bool> NextWrite() => writes.Reader.ReadAsync().DefaultTimeout();

        public ValueTask<DbConnection> OpenAsync(CancellationToken ct = default) => throw new NotSupportedException();

        public ValueTask WriteRowsAsync<TState>(TState state, Action<IRowWriter, TState> write, CancellationToken ct = default) => throw new NotSupportedException();

        public ValueTask<T> WriteAsync<T>(Func<DbTransaction, CancellationToken, ValueTask<T>> work, CancellationToken ct = default)
        {
            writes.Writer.TryWrite(true);
            throw new OperationCanceledException();
        }
    }

    private static async Task RemembersAndForgetsAsync(string? postgres)
    {
        using var home = new AlertingHome(Policies) { Postgres = postgres };
        await using var host = await AlertingHost.StartAsync(home, new FakeClock(Pages.Start), channels: []);
        var log = host.Services.GetRequiredService<DeliveryLog>();
        var (dead, told) = (Pages.Page("dead"), Pages.Page("told"));

        await log.RecordAsync(new Delivery(dead, "c", Pages.Start, 7, false, "answered 400", TimeSpan.Zero), default).DefaultTimeout();
        await log.RecordAsync(new Delivery(told, "c", Pages.Start.AddSeconds(1), 1, true, "", TimeSpan.FromMilliseconds(12)), default).DefaultTimeout();

        Assert.True(await log.IsSettledAsync(told.IdempotencyKey, "c", default));
        Assert.False(await log.IsSettledAsync(told.IdempotencyKey, "other", default));
        Assert.Equal(["told", "dead"], (await log.ListAsync(10, null, false, default)).Select(d => d.Page.Labels["instance"]));
        Assert.Equal("told", Assert.Single(await log.ListAsync(1, null, false, default)).Page.Labels["instance"]);
        Assert.Single(await log.ListAsync(10, told.Fingerprint, false, default));
        var letter = Assert.Single(await log.ListAsync(10, null, true, default));
        Assert.Equal((7, "answered 400", false), (letter.Attempts, letter.Detail, letter.Delivered));

        await log.RecordAsync(new Delivery(dead, "c", Pages.Start.AddSeconds(9), 1, true, "", TimeSpan.Zero), default);
        Assert.Empty(await log.ListAsync(10, null, true, default));
        Assert.Null(await log.FindDeadAsync(dead.IdempotencyKey, "c", default));

        await log.PruneAsync(Pages.Start + DeliveryLog.Retention + TimeSpan.FromSeconds(5), default);
        Assert.Equal("dead", Assert.Single(await log.ListAsync(10, null, false, default)).Page.Labels["instance"]);
    }
}

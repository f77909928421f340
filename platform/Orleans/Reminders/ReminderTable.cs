using System.Collections.Concurrent;
using System.Data.Common;
using Microsoft.Extensions.Options;
using Npgsql;
using Orleans.Configuration;
using Orleans.Runtime;
using Orleans.Storage;

namespace Orleans.Reminders;

/// <summary>A reminder as it is stored. Times are UTC.</summary>
internal sealed record ReminderRow(GrainId GrainId, string Name, DateTimeOffset FirstTick, TimeSpan Period, DateTimeOffset? LastTick);

/// <summary>Where reminders outlive the process.</summary>
internal interface IReminderTable
{
    Task<IReadOnlyList<ReminderRow>> ReadAllAsync(CancellationToken cancellationToken);

    Task UpsertAsync(ReminderRow row);

    /// <summary>Stores the last tick, unless the grain has set the reminder anew or ended it meanwhile.</summary>
    Task NoteTickAsync(ReminderRow row);

    Task DeleteAsync(GrainId grainId, string name);
}

internal sealed class MemoryReminderTable : IReminderTable
{
    private readonly ConcurrentDictionary<(GrainId, string), ReminderRow> rows = [];

    public Task<IReadOnlyList<ReminderRow>> ReadAllAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<ReminderRow>>([.. rows.Values]);

    public Task UpsertAsync(ReminderRow row)
    {
        rows[(row.GrainId, row.Name)] = row;
        return Task.CompletedTask;
    }

    public Task NoteTickAsync(ReminderRow row)
    {
        if (rows.TryGetValue((row.GrainId, row.Name), out var stored) && stored.FirstTick == row.FirstTick && stored.Period == row.Period)
            rows.TryUpdate((row.GrainId, row.Name), row, stored);
        return Task.CompletedTask;
    }

    public Task DeleteAsync(GrainId grainId, string name)
    {
        rows.TryRemove((grainId, name), out _);
        return Task.CompletedTask;
    }
}

/// <summary>Reminders in SQLite or PostgreSQL. Times are milliseconds since 1970.</summary>
internal sealed class AdoNetReminderTable : IReminderTable
{
    private const string Create = """
        CREATE TABLE IF NOT EXISTS orleans_reminder (
            service_id TEXT NOT NULL,
            grain_id TEXT NOT NULL,
            name TEXT NOT NULL,
            first_tick_ms BIGINT NOT NULL,
            period_ms BIGINT NOT NULL,
            last_tick_ms BIGINT NULL,
            PRIMARY KEY (service_id, grain_id, name))
        """;

    private const string ReadAll = "SELECT grain_id, name, first_tick_ms, period_ms, last_tick_ms FROM orleans_reminder WHERE service_id = @service";

    private const string Upsert = """
        INSERT INTO orleans_reminder (service_id, grain_id, name, first_tick_ms, period_ms, last_tick_ms) VALUES (@service, @grain, @name, @first, @period, @last)
        ON CONFLICT (service_id, grain_id, name) DO UPDATE SET first_tick_ms = excluded.first_tick_ms, period_ms = excluded.period_ms, last_tick_ms = excluded.last_tick_ms
        """;

    private const string NoteTick = "UPDATE orleans_reminder SET last_tick_ms = @last WHERE service_id = @service AND grain_id = @grain AND name = @name AND first_tick_ms = @first AND period_ms = @period";

    private const string Delete = "DELETE FROM orleans_reminder WHERE service_id = @service AND grain_id = @grain AND name = @name";

    private readonly string serviceId;
    private readonly SqliteDatabase? sqlite;
    private readonly NpgsqlDataSource? postgres;
    private readonly PostgresSchema? schema;

    public AdoNetReminderTable(IOptions<AdoNetReminderTableOptions> options, IOptions<ClusterOptions> cluster, SqliteDatabases databases)
    {
        serviceId = cluster.Value.ServiceId;
        var set = options.Value;
        (sqlite, postgres) = AdoNet.Choose<(SqliteDatabase?, NpgsqlDataSource?)>(nameof(AdoNetReminderTableOptions), set.Invariant, set.ConnectionString, set.DataSource,
            connection => (databases.Get(connection).WithTable(Create + " WITHOUT ROWID"), null),
            source => (null, source));
        if (postgres is not null) schema = new PostgresSchema(postgres, Create);
    }

    public async Task<IReadOnlyList<ReminderRow>> ReadAllAsync(CancellationToken cancellationToken)
    {
        if (sqlite is not null)
        {
            return sqlite.Read(ReadAll, command =>
            {
                AdoNet.Add(command, "@service", serviceId);
                using var rows = command.ExecuteReader();
                var all = new List<ReminderRow>();
                while (rows.Read()) all.Add(Row(rows));
                return all;
            });
        }
        await schema!.EnsureAsync(cancellationToken).ConfigureAwait(false);
        await using var command = postgres!.CreateCommand(ReadAll);
        AdoNet.Add(command, "@service", serviceId);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        var read = new List<ReminderRow>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false)) read.Add(Row(reader));
        return read;
    }

    public Task UpsertAsync(ReminderRow row) => RunAsync(Upsert, command => Bind(command, row));

    public Task NoteTickAsync(ReminderRow row) => RunAsync(NoteTick, command => Bind(command, row));

    public Task DeleteAsync(GrainId grainId, string name) => RunAsync(Delete, command => Bind(command, grainId, name));

    private async Task RunAsync(string sql, Action<DbCommand> bind)
    {
        if (sqlite is not null)
        {
            await sqlite.WriteAsync(sql, command =>
            {
                bind(command);
                return command.ExecuteNonQuery();
            }).ConfigureAwait(false);
            return;
        }
        await schema!.EnsureAsync(CancellationToken.None).ConfigureAwait(false);
        await using var command = postgres!.CreateCommand(sql);
        bind(command);
        await command.ExecuteNonQueryAsync().ConfigureAwait(false);
    }

    private void Bind(DbCommand command, GrainId grainId, string name)
    {
        AdoNet.Add(command, "@service", serviceId);
        AdoNet.Add(command, "@grain", grainId.ToString());
        AdoNet.Add(command, "@name", name);
    }

    private void Bind(DbCommand command, ReminderRow row)
    {
        Bind(command, row.GrainId, row.Name);
        AdoNet.Add(command, "@first", row.FirstTick.ToUnixTimeMilliseconds());
        AdoNet.Add(command, "@period", (long)row.Period.TotalMilliseconds);
        AdoNet.Add(command, "@last", row.LastTick?.ToUnixTimeMilliseconds(), System.Data.DbType.Int64);
    }

    private static ReminderRow Row(DbDataReader row) => new(
        GrainId.Parse(row.GetString(0)),
        row.GetString(1),
        DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(2)),
        TimeSpan.FromMilliseconds(row.GetInt64(3)),
        row.IsDBNull(4) ? null : DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(4)));
}

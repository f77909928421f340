using System.Data;
using System.Data.Common;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;
using Orleans.Configuration;
using Orleans.Runtime;

namespace Orleans.Storage;

/// <summary>Chooses the database by its invariant, the name that ADO.NET knows its provider by.</summary>
internal static class AdoNet
{
    public static IGrainStorage CreateStorage(IServiceProvider services, string name)
    {
        var options = services.GetRequiredService<IOptionsMonitor<AdoNetGrainStorageOptions>>().Get(name);
        var serviceId = services.GetRequiredService<IOptions<ClusterOptions>>().Value.ServiceId;
        var store = Choose<IStateStore>($"AdoNetGrainStorageOptions of \"{name}\"", options.Invariant, options.ConnectionString, options.DataSource,
            connection => new SqliteStateStore(services.GetRequiredService<SqliteDatabases>().Get(connection)),
            source => new PostgresStateStore(source));
        return new VersionedGrainStorage(store, serviceId, options.DeleteStateOnClear);
    }

    public static T Choose<T>(string where, string invariant, string? connectionString, DbDataSource? dataSource, Func<string, T> sqlite, Func<NpgsqlDataSource, T> postgres)
    {
        if (string.IsNullOrWhiteSpace(connectionString) == (dataSource is null))
            throw new OrleansConfigurationException($"{where}: set either ConnectionString or DataSource");
        switch (invariant)
        {
            case "Npgsql":
                return postgres(dataSource switch
                {
                    null => NpgsqlDataSource.Create(Prepared(connectionString!)),
                    NpgsqlDataSource given => given,
                    _ => throw new OrleansConfigurationException($"{where}: the DataSource is a {dataSource.GetType()}, not an NpgsqlDataSource"),
                });
            case "System.Data.SQLite" or "Microsoft.Data.Sqlite" when connectionString is not null:
                return sqlite(connectionString);
            case "System.Data.SQLite" or "Microsoft.Data.Sqlite":
                throw new OrleansConfigurationException($"{where}: SQLite is reached by ConnectionString");
            default:
                throw new OrleansConfigurationException($"{where}: Invariant is \"{invariant}\", but must be \"Npgsql\" or \"System.Data.SQLite\"");
        }
    }

    // The few statements there are, prepared on each connection; a setting of one's own is left alone.
    private static NpgsqlConnectionStringBuilder Prepared(string connectionString)
    {
        var builder = new NpgsqlConnectionStringBuilder(connectionString);
        if (builder.MaxAutoPrepare == 0) builder.MaxAutoPrepare = 20;
        return builder;
    }

    /// <summary>A parameter. PostgreSQL wants to know the type of a null, too.</summary>
    public static void Add(DbCommand command, string name, object? value, DbType? type = null)
    {
        var parameter = command.CreateParameter();
        (parameter.ParameterName, parameter.Value) = (name, value ?? DBNull.Value);
        if (type is { } known) parameter.DbType = known;
        command.Parameters.Add(parameter);
    }
}

/// <summary>States in PostgreSQL.</summary>
internal sealed class PostgresStateStore(NpgsqlDataSource source) : IStateStore
{
    private readonly PostgresSchema schema = new(source, StateSql.Create);

    public async ValueTask<StoredState?> ReadAsync(StateKey key, CancellationToken cancellationToken)
    {
        await using var command = await CommandAsync(StateSql.Read, key, cancellationToken).ConfigureAwait(false);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        if (!await reader.ReadAsync(cancellationToken).ConfigureAwait(false)) return null;
        return new StoredState(reader.IsDBNull(1) ? null : reader.GetString(1), reader.GetInt64(0));
    }

    public async ValueTask<long?> WriteAsync(StateKey key, string? payload, long? expected, CancellationToken cancellationToken)
    {
        await using var command = await CommandAsync(expected is null ? StateSql.Insert : StateSql.Update, key, cancellationToken).ConfigureAwait(false);
        AdoNet.Add(command, "payload", payload, DbType.String);
        if (expected is { } version) command.Parameters.AddWithValue("version", version);
        return await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false) == 1 ? (expected ?? 0) + 1 : null;
    }

    public async ValueTask<bool> DeleteAsync(StateKey key, long expected, CancellationToken cancellationToken)
    {
        await using var command = await CommandAsync(StateSql.Delete, key, cancellationToken).ConfigureAwait(false);
        command.Parameters.AddWithValue("version", expected);
        return await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false) == 1;
    }

    private async ValueTask<NpgsqlCommand> CommandAsync(string sql, StateKey key, CancellationToken cancellationToken)
    {
        await schema.EnsureAsync(cancellationToken).ConfigureAwait(false);
        var command = source.CreateCommand(sql);
        command.Parameters.AddWithValue("service", key.ServiceId);
        command.Parameters.AddWithValue("type", key.GrainType);
        command.Parameters.AddWithValue("key", key.GrainKey);
        command.Parameters.AddWithValue("name", key.StateName);
        return command;
    }
}

/// <summary>Makes tables that are missing, before they are first used.</summary>
internal sealed class PostgresSchema(NpgsqlDataSource source, string sql)
{
    private Task? making;

    public ValueTask EnsureAsync(CancellationToken cancellationToken)
    {
        // Two that come first both make it, which the lock below has them do in turn; one that failed is tried again.
        if (making is null or { IsCompleted: true, IsCompletedSuccessfully: false }) making = MakeAsync();
        return making.IsCompletedSuccessfully ? ValueTask.CompletedTask : new(making.WaitAsync(cancellationToken));
    }

    private async Task MakeAsync()
    {
        // CREATE ... IF NOT EXISTS of two connections at once can fail on PostgreSQL.
        await using var command = source.CreateCommand($"BEGIN; SELECT pg_advisory_xact_lock(7208351); {sql}; COMMIT");
        await command.ExecuteNonQueryAsync().ConfigureAwait(false);
    }
}

/// <summary>States in SQLite.</summary>
internal sealed class SqliteStateStore(SqliteDatabase database) : IStateStore
{
    private readonly SqliteDatabase database = database.WithTable(StateSql.Create + " WITHOUT ROWID");

    public ValueTask<StoredState?> ReadAsync(StateKey key, CancellationToken cancellationToken) => new(database.Read(StateSql.Read, command =>
    {
        Bind(command, key);
        using var reader = command.ExecuteReader();
        return reader.Read() ? new StoredState(reader.IsDBNull(1) ? null : reader.GetString(1), reader.GetInt64(0)) : (StoredState?)null;
    }));

    public ValueTask<long?> WriteAsync(StateKey key, string? payload, long? expected, CancellationToken cancellationToken) =>
        new(database.WriteAsync(expected is null ? StateSql.Insert : StateSql.Update, command =>
        {
            Bind(command, key);
            AdoNet.Add(command, "@payload", payload);
            if (expected is not null) AdoNet.Add(command, "@version", expected);
            return command.ExecuteNonQuery() == 1 ? (expected ?? 0) + 1 : (long?)null;
        }));

    public ValueTask<bool> DeleteAsync(StateKey key, long expected, CancellationToken cancellationToken) =>
        new(database.WriteAsync(StateSql.Delete, command =>
        {
            Bind(command, key);
            AdoNet.Add(command, "@version", expected);
            return command.ExecuteNonQuery() == 1;
        }));

    private static void Bind(SqliteCommand command, StateKey key)
    {
        AdoNet.Add(command, "@service", key.ServiceId);
        AdoNet.Add(command, "@type", key.GrainType);
        AdoNet.Add(command, "@key", key.GrainKey);
        AdoNet.Add(command, "@name", key.StateName);
    }
}

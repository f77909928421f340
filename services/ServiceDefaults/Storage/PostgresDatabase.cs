using System.Data.Common;
using System.Net.Sockets;
using Npgsql;

namespace Vigil.ServiceDefaults;

/// <summary>A schema of its own in a PostgreSQL database, so that several services share one database without seeing each other.</summary>
internal sealed class PostgresDatabase : IDatabase, IAsyncDisposable
{
    private const string ReadOnly = "25006";
    private const string DiskFull = "53100";

    private readonly NpgsqlDataSource readers;
    private readonly NpgsqlDataSource writers;

    public PostgresDatabase(string connectionString, string schema, string applicationName)
    {
        NpgsqlConnectionStringBuilder parsed;
        try
        {
            parsed = new NpgsqlConnectionStringBuilder(connectionString);
        }
        catch (ArgumentException e)
        {
            throw new StorageException($"ConnectionStrings:postgres cannot be read: {e.Message} Expected e.g. Host=localhost;Username=vigil;Password=...;Database=vigil.", e);
        }
        parsed.SearchPath = schema;
        parsed.ApplicationName ??= applicationName;
        Schema = schema;
        ConnectionString = parsed.ConnectionString;
        Location = $"{parsed.Host}:{parsed.Port}/{parsed.Database} schema {schema}";
        writers = NpgsqlDataSource.Create(parsed);
        var reading = new NpgsqlDataSourceBuilder(ConnectionString);
        reading.UsePhysicalConnectionInitializer(
            connection => Run(connection, "SET default_transaction_read_only = on"),
            async connection =>
            {
                await using var command = new NpgsqlCommand("SET default_transaction_read_only = on", connection);
                await command.ExecuteNonQueryAsync().ConfigureAwait(false);
            });
        // Returning a connection to the pool would otherwise reset the setting.
        reading.ConnectionStringBuilder.NoResetOnClose = true;
        readers = reading.Build();
    }

    public SqlDialect Dialect => SqlDialect.Postgres;

    public string Location { get; }

    public string Schema { get; }

    /// <summary>With the schema in its search path; for Orleans.</summary>
    public string ConnectionString { get; }

    public async ValueTask<DbConnection> OpenAsync(CancellationToken ct = default)
    {
        try
        {
            return await readers.OpenConnectionAsync(ct).ConfigureAwait(false);
        }
        catch (Exception e) when (IsOurs(e))
        {
            throw Explain(e);
        }
    }

    public async ValueTask<T> WriteAsync<T>(Func<DbTransaction, CancellationToken, ValueTask<T>> work, CancellationToken ct = default)
    {
        try
        {
            await using var connection = await writers.OpenConnectionAsync(ct).ConfigureAwait(false);
            await using var transaction = await connection.BeginTransactionAsync(ct).ConfigureAwait(false);
            var result = await work(transaction, ct).ConfigureAwait(false);
            await transaction.CommitAsync(ct).ConfigureAwait(false);
            return result;
        }
        catch (Exception e) when (IsOurs(e))
        {
            throw Explain(e);
        }
    }

    public async ValueTask WriteRowsAsync<TState>(TState state, Action<IRowWriter, TState> write, CancellationToken ct = default)
    {
        try
        {
            await using var connection = await writers.OpenConnectionAsync(ct).ConfigureAwait(false);
            await using var transaction = await connection.BeginTransactionAsync(ct).ConfigureAwait(false);
            // One round trip for all rows.
            await using var batch = new NpgsqlBatch(connection, transaction);
            write(new PostgresRows(batch), state);
            if (batch.BatchCommands.Count > 0) await batch.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
            await transaction.CommitAsync(ct).ConfigureAwait(false);
        }
        catch (Exception e) when (IsOurs(e))
        {
            throw Explain(e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await readers.DisposeAsync().ConfigureAwait(false);
        await writers.DisposeAsync().ConfigureAwait(false);
    }

    private static void Run(NpgsqlConnection connection, string sql)
    {
        using var command = new NpgsqlCommand(sql, connection);
        command.ExecuteNonQuery();
    }

    // Classes of SQLSTATE: 08 connection, 28 authorisation, 3D no such database, 53 resources (disk full, too many connections), 57P shutting down, 58 system, XX damaged.
    private static bool IsOurs(Exception e) => e switch
    {
        PostgresException p => p.SqlState[..2] is "08" or "28" or "3D" or "53" or "58" or "XX" || p.SqlState is ReadOnly || p.SqlState.StartsWith("57P", StringComparison.Ordinal),
        NpgsqlException n => n.InnerException is SocketException or IOException or TimeoutException || n.IsTransient,
        _ => false,
    };

    private StorageException Explain(Exception e) =>
        new($"PostgreSQL at {Location} cannot be used: {e.Message}. It is configured by ConnectionStrings:postgres.", e)
        {
            Brief = e switch
            {
                PostgresException { SqlState: DiskFull } => "the database cannot grow: the disk is full",
                PostgresException { SqlState: ReadOnly } => "the database takes no writes: it is a standby, or set to read only",
                _ => "the database does not answer",
            },
        };
}

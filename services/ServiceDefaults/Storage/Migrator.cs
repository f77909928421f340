using System.Data.Common;
using Dapper;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Vigil.ServiceDefaults;

/// <summary>Brings the schema up to date before any hosted service starts.</summary>
internal sealed partial class Migrator(IDatabase database, IEnumerable<MigrationSet> sets, TimeProvider clock, ILogger<Migrator> log) : IHostedLifecycleService
{
    // Any number that no other program uses on the same database: processes that start together take turns.
    private const long AdvisoryLock = 0x766967696c6d6967;

    public async Task StartingAsync(CancellationToken cancellationToken) => await MigrateAsync(cancellationToken).ConfigureAwait(false);

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task MigrateAsync(CancellationToken ct)
    {
        foreach (var set in sets)
        {
            // One transaction: both databases have transactional DDL, so a schema is whole or untouched.
            await database.WriteAsync((transaction, token) => ApplyAsync(transaction, set, token), ct).ConfigureAwait(false);
        }
    }

    private async ValueTask ApplyAsync(DbTransaction transaction, MigrationSet set, CancellationToken ct)
    {
        var connection = transaction.Connection!;
        if (database is PostgresDatabase postgres)
        {
            await connection.ExecuteAsync("SELECT pg_advisory_xact_lock(@AdvisoryLock)", new { AdvisoryLock }, transaction).ConfigureAwait(false);
            await connection.ExecuteAsync($"CREATE SCHEMA IF NOT EXISTS {postgres.Schema}", transaction: transaction).ConfigureAwait(false);
        }
        await connection.ExecuteAsync(
            "CREATE TABLE IF NOT EXISTS schema_version (component TEXT NOT NULL, version INTEGER NOT NULL, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TEXT NOT NULL, PRIMARY KEY (component, version))",
            transaction: transaction).ConfigureAwait(false);
        var applied = (await connection.QueryAsync<Applied>(
            "SELECT version AS Version, name AS Name, checksum AS Checksum FROM schema_version WHERE component = @Component ORDER BY version",
            new { set.Component }, transaction).ConfigureAwait(false)).ToArray();
        Check(set, applied);
        foreach (var migration in set.Migrations.Skip(applied.Length))
        {
            try
            {
                await connection.ExecuteAsync(new CommandDefinition(migration.SqlFor(database.Dialect), transaction: transaction, cancellationToken: ct)).ConfigureAwait(false);
            }
            catch (DbException e)
            {
                throw new StorageException($"migration {migration.Version} '{migration.Name}' of {set.Component} failed on {database.Location}, nothing of it is kept: {e.Message}", e);
            }
            await connection.ExecuteAsync(
                "INSERT INTO schema_version (component, version, name, checksum, applied_at) VALUES (@Component, @Version, @Name, @Checksum, @At)",
                new { set.Component, migration.Version, migration.Name, Checksum = migration.ChecksumFor(database.Dialect), At = clock.GetUtcNow().ToString("O") },
                transaction).ConfigureAwait(false);
            LogApplied(set.Component, migration.Version, migration.Name, database.Location);
        }
    }

    private void Check(MigrationSet set, Applied[] applied)
    {
        if (applied.Length > set.Migrations.Count)
        {
            throw new StorageException($"{database.Location} was written by a newer program: its {set.Component} schema has version {applied[^1].Version} ('{applied[^1].Name}'), this program knows {set.Migrations.Count}. " +
                "Run the newer program, or restore a backup from before it.");
        }
        for (var i = 0; i < applied.Length; i++)
        {
            var known = set.Migrations[i];
            if (applied[i].Version != known.Version || applied[i].Checksum != known.ChecksumFor(database.Dialect))
            {
                throw new StorageException($"migration {known.Version} '{known.Name}' of {set.Component} was changed after it had been applied to {database.Location} (as '{applied[i].Name}'). " +
                    "An applied migration must stay as it is: put its text back and add a new one.");
            }
        }
    }

    // With setters: Dapper converts what it sets, and the two databases give different integer types.
    private sealed class Applied
    {
        public int Version { get; set; }

        public string Name { get; set; } = "";

        public string Checksum { get; set; } = "";
    }

    [LoggerMessage(1, LogLevel.Information, "Applied migration {Component} {Version} '{Name}' to {Location}", EventName = "MigrationApplied")]
    private partial void LogApplied(string component, int version, string name, string location);
}

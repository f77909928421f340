using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Vigil.ServiceDefaults;

/// <summary>Where the silo keeps state and reminders.</summary>
internal sealed class GrainDatabase : IAsyncDisposable
{
    private readonly SqliteDatabase? own;

    public GrainDatabase(IDatabase database, ServiceIdentity identity, IOptions<StorageOptions> options, IOptions<GrainOptions> grains)
    {
        if (database is PostgresDatabase postgres)
        {
            Database = database;
            Invariant = "Npgsql";
            ConnectionString = postgres.ConnectionString;
            return;
        }
        if (grains.Value.Clustering == GrainClustering.Postgres)
            throw new StorageException("Grains:Clustering is 'Postgres', but ConnectionStrings:postgres is not set: silos of a cluster find each other, and share their state, in one PostgreSQL database");
        Database = own = new SqliteDatabase(identity.Name + ".grains", options.Value);
        // The name that Orleans knows SQLite by, although the provider behind it is Microsoft.Data.Sqlite.
        Invariant = "System.Data.SQLite";
        ConnectionString = new SqliteConnectionStringBuilder { DataSource = own.Location, DefaultTimeout = Math.Max(1, (int)options.Value.BusyTimeout.TotalSeconds) }.ConnectionString;
    }

    public IDatabase Database { get; }

    public string Invariant { get; }

    public string ConnectionString { get; }

    public async ValueTask DisposeAsync()
    {
        if (own is null) return;
        using (var pooled = new SqliteConnection(ConnectionString)) SqliteConnection.ClearPool(pooled);
        await own.DisposeAsync().ConfigureAwait(false);
    }
}

/// <summary>Makes the file, owner-only and in WAL mode, and the tables that Orleans expects, before the silo starts.</summary>
internal sealed class GrainSchema(GrainDatabase grains, TimeProvider clock, ILogger<Migrator> log) : IHostedLifecycleService
{
    public Task StartingAsync(CancellationToken cancellationToken) =>
        new Migrator(grains.Database, [new MigrationSet("orleans", OrleansSchema.Migrations)], clock, log).MigrateAsync(cancellationToken);

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

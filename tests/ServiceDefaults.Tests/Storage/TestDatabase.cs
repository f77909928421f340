using Microsoft.Extensions.Logging.Abstractions;
using Vigil.Testing;
using Xunit;

namespace Vigil.ServiceDefaults.Tests;

/// <summary>An empty database of either kind.</summary>
internal sealed class TestDatabase : IAsyncDisposable
{
    private DirectoryInfo? folder;

    public required IDatabase Database { get; init; }

    public string Folder => folder!.FullName;

    /// <summary>PostgreSQL is left out where it is not installed, unless everything is required.</summary>
    public static TheoryData<string> Kinds => Needs.Missing("postgres") is null ? ["sqlite", "postgres"] : ["sqlite"];

    public static async Task<TestDatabase> CreateAsync(string kind)
    {
        if (kind == "postgres")
            return new TestDatabase { Database = new PostgresDatabase(await PostgresServer.NewDatabaseAsync(), "vigil_probe", "tests") };
        var folder = Directory.CreateTempSubdirectory("vigil-db-");
        return new TestDatabase { folder = folder, Database = new SqliteDatabase("probe", new StorageOptions { Directory = folder.FullName }) };
    }

    public Task MigrateAsync(params Migration[] migrations) => MigrateAsync(Database, migrations);

    public static async Task MigrateAsync(IDatabase database, params Migration[] migrations) =>
        await new Migrator(database, [new MigrationSet("test", migrations)], TimeProvider.System, NullLogger<Migrator>.Instance).MigrateAsync(default);

    public async ValueTask DisposeAsync()
    {
        await ((IAsyncDisposable)Database).DisposeAsync();
        folder?.Delete(recursive: true);
    }
}

using Orleans.Hosting;

namespace Vigil.Orleans.Tests.Bundled;

/// <summary>An empty database of a kind, for as long as a test.</summary>
public sealed class Database : IDisposable
{
    private readonly string? folder;

    private Database(string invariant, string connectionString, string? folder)
    {
        Invariant = invariant;
        ConnectionString = connectionString;
        this.folder = folder;
    }

    public string Invariant { get; }

    public string ConnectionString { get; }

    public static async Task<Database> MakeAsync(string invariant)
    {
        if (invariant == "Npgsql") return new Database(invariant, await PostgresServer.NewDatabaseAsync(), null);
        var folder = Directory.CreateTempSubdirectory("vigil-orleans-").FullName;
        return new Database(invariant, $"Data Source={Path.Combine(folder, "grains.db")}", folder);
    }

    /// <summary>A silo on this database. Several may run at once, as after a split: each thinks it is alone.</summary>
    public Task<TestSilo> StartSiloAsync(TimeProvider? clock = null) => TestSilo.StartAsync(silo => silo
        .AddAdoNetGrainStorage("state", options => (options.Invariant, options.ConnectionString) = (Invariant, ConnectionString))
        .UseAdoNetReminderService(options => (options.Invariant, options.ConnectionString) = (Invariant, ConnectionString)), clock);

    public void Dispose()
    {
        if (folder is not null) Directory.Delete(folder, recursive: true);
    }
}

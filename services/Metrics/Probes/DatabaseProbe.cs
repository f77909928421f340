using System.Data.Common;
using Microsoft.Data.Sqlite;
using Npgsql;
using Vigil.Metrics.Scrape;

namespace Vigil.Metrics.Probes;

/// <summary>Connects to a database and has it answer a query.</summary>
internal static class DatabaseProbe
{
    public static async Task PostgresAsync(ScrapeTarget target, ProbeSettings settings, CancellationToken ct)
    {
        var text = new NpgsqlConnectionStringBuilder
        {
            Host = ProbeRunner.HostOf(target.Address),
            Port = int.Parse(target.Address.AsSpan(target.Address.LastIndexOf(':') + 1), System.Globalization.CultureInfo.InvariantCulture),
            Database = settings.Database,
            Username = settings.User ?? "postgres",
            Password = await SecretAsync(settings, ct).ConfigureAwait(false),
            // A pooled connection would only show that it once worked.
            Pooling = false,
            Timeout = (int)Math.Clamp(Math.Ceiling(target.Timeout.TotalSeconds), 1, 1024),
            ApplicationName = "vigil-probe",
        };
        await using var connection = new NpgsqlConnection(text.ConnectionString);
        await AskAsync(connection, "SELECT 1", ct).ConfigureAwait(false);
    }

    public static async Task SqliteAsync(ScrapeTarget target, CancellationToken ct)
    {
        var text = new SqliteConnectionStringBuilder { DataSource = target.Address, Mode = SqliteOpenMode.ReadOnly, Pooling = false, DefaultTimeout = 1 };
        await using var connection = new SqliteConnection(text.ConnectionString);
        // SQLite works where it is called, and reads a header only when it must.
        await Task.Run(() => AskAsync(connection, "SELECT count(*) FROM sqlite_master", ct), ct).WaitAsync(ct).ConfigureAwait(false);
    }

    /// <summary>The password, from its file where it is in one.</summary>
    public static async Task<string?> SecretAsync(ProbeSettings settings, CancellationToken ct) =>
        settings.PasswordFile is { } file ? (await File.ReadAllTextAsync(file, ct).ConfigureAwait(false)).Trim() : settings.Password;

    private static async Task AskAsync(DbConnection connection, string query, CancellationToken ct)
    {
        await connection.OpenAsync(ct).ConfigureAwait(false);
        await using var command = connection.CreateCommand();
        command.CommandText = query;
        await command.ExecuteScalarAsync(ct).ConfigureAwait(false);
    }
}

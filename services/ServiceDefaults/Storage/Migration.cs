using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.DependencyInjection;

namespace Vigil.ServiceDefaults;

/// <summary>
/// One step of a schema. Once released it must not change: its text is remembered by checksum and an edited one is refused by
/// name. Add a new one instead.
/// </summary>
/// <param name="Version">From 1, one more with each.</param>
/// <param name="Name">What it does, for messages.</param>
/// <param name="Sqlite">SQL for SQLite; several statements allowed.</param>
/// <param name="Postgres">SQL for PostgreSQL; several statements allowed.</param>
public sealed record Migration(int Version, string Name, string Sqlite, string Postgres)
{
    internal string SqlFor(SqlDialect dialect) => dialect == SqlDialect.Postgres ? Postgres : Sqlite;

    internal string ChecksumFor(SqlDialect dialect) =>
        // Line endings depend on how the source was checked out; they are no part of what a migration does.
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(SqlFor(dialect).ReplaceLineEndings("\n"))));
}

/// <summary>The migrations of one component, e.g. <c>metrics</c> or <c>audit</c>: each component counts its own versions.</summary>
internal sealed record MigrationSet(string Component, IReadOnlyList<Migration> Migrations);

/// <summary>Registration of migrations.</summary>
public static class MigrationExtensions
{
    /// <summary>
    /// Adds migrations that are run at start, in one transaction per component, under a lock, before any hosted service starts.
    /// </summary>
    /// <param name="services">Where to register.</param>
    /// <param name="component">Name under which the versions are counted, e.g. <c>metrics</c>.</param>
    /// <param name="migrations">In order, versions 1, 2, 3 ... without gaps.</param>
    /// <exception cref="ArgumentException">The versions do not count up from 1.</exception>
    public static IServiceCollection AddMigrations(this IServiceCollection services, string component, IReadOnlyList<Migration> migrations)
    {
        for (var i = 0; i < migrations.Count; i++)
        {
            if (migrations[i].Version != i + 1)
                throw new ArgumentException($"migration '{migrations[i].Name}' of {component} has version {migrations[i].Version}, expected {i + 1}", nameof(migrations));
        }
        return services.AddSingleton(new MigrationSet(component, migrations));
    }
}

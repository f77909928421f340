using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Rollups;

/// <summary>The tables of the rollups.</summary>
internal static class RollupMigrations
{
    /// <summary>The component that the tables belong to.</summary>
    public const string Component = "metrics-rollups";

    /// <summary>In order of their versions.</summary>
    public static readonly IReadOnlyList<Migration> All = [new(1, "rollups", Tables(SqlDialect.Sqlite), Tables(SqlDialect.Postgres))];

    // metric_rollups: pages as RollupPage has them. metric_rolled: of each bucket the newest page of samples (metric_pages) that is in the rollups, of all resolutions. metric_gone: of
    // each grain and resolution the moment up to which pages may have been deleted.
    private static string Tables(SqlDialect dialect) => $"""
        CREATE TABLE metric_rollups (
            page {dialect.BigSerialKey},
            grain {dialect.BigInt} NOT NULL,
            bucket {dialect.BigInt} NOT NULL,
            resolution {dialect.BigInt} NOT NULL,
            first_ms {dialect.BigInt} NOT NULL,
            last_ms {dialect.BigInt} NOT NULL,
            data {dialect.Blob} NOT NULL
        );
        CREATE INDEX metric_rollups_by_bucket ON metric_rollups (grain, bucket, resolution, last_ms);
        CREATE INDEX metric_rollups_by_age ON metric_rollups (grain, resolution, last_ms);
        CREATE TABLE metric_rolled (
            grain {dialect.BigInt} NOT NULL,
            bucket {dialect.BigInt} NOT NULL,
            page {dialect.BigInt} NOT NULL,
            PRIMARY KEY (grain, bucket)
        );
        CREATE TABLE metric_gone (
            grain {dialect.BigInt} NOT NULL,
            resolution {dialect.BigInt} NOT NULL,
            through_ms {dialect.BigInt} NOT NULL,
            PRIMARY KEY (grain, resolution)
        );
        """;
}

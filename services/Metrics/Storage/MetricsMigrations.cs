using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Storage;

/// <summary>The tables of this service.</summary>
internal static class MetricsMigrations
{
    /// <summary>In order.</summary>
    public static readonly IReadOnlyList<Migration> All =
    [
        new(1, "series, samples and the journal", Tables("BLOB"), Tables("BYTEA")),
        new(2, "samples in pages", Pages(SqlDialect.Sqlite), Pages(SqlDialect.Postgres)),
    ];

    // metric_grains: every grain that ever held a series, and how far its saved state has come (journal rows up to
    // checkpoint_no are in it). metric_heads holds the open end of each series, metric_chunks what is sealed.
    private static string Tables(string blob) => $"""
        CREATE TABLE metric_grains (
            grain TEXT NOT NULL PRIMARY KEY,
            service TEXT NOT NULL,
            checkpoint_no BIGINT NOT NULL,
            next_series BIGINT NOT NULL
        );
        CREATE TABLE metric_journal (
            grain TEXT NOT NULL,
            no BIGINT NOT NULL,
            kind BIGINT NOT NULL,
            stream TEXT NOT NULL,
            sequence BIGINT NOT NULL,
            data {blob} NOT NULL,
            PRIMARY KEY (grain, no)
        );
        CREATE TABLE metric_streams (
            grain TEXT NOT NULL,
            stream TEXT NOT NULL,
            sequence BIGINT NOT NULL,
            seen_ms BIGINT NOT NULL,
            PRIMARY KEY (grain, stream)
        );
        CREATE TABLE metric_series (
            grain TEXT NOT NULL,
            series BIGINT NOT NULL,
            declaration {blob} NOT NULL,
            PRIMARY KEY (grain, series)
        );
        CREATE TABLE metric_heads (
            grain TEXT NOT NULL,
            series BIGINT NOT NULL,
            sealed_ms BIGINT NOT NULL,
            count BIGINT NOT NULL,
            first_ms BIGINT NOT NULL,
            last_ms BIGINT NOT NULL,
            data {blob} NOT NULL,
            PRIMARY KEY (grain, series)
        );
        CREATE TABLE metric_chunks (
            grain TEXT NOT NULL,
            series BIGINT NOT NULL,
            last_ms BIGINT NOT NULL,
            first_ms BIGINT NOT NULL,
            count BIGINT NOT NULL,
            data {blob} NOT NULL,
            PRIMARY KEY (grain, series, last_ms)
        );
        CREATE INDEX metric_chunks_by_age ON metric_chunks (grain, last_ms);
        """;

    // A row for each series and block cost more than what is in it: from here on rows hold what many series have, see SamplePageWriter. The tables metric_series,
    // metric_heads and metric_chunks are read once more, by LegacyTables, when their grain is used for the first time. metric_declarations holds the series of a
    // bucket, metric_open their open ends, metric_pages what is sealed.
    private static string Pages(SqlDialect dialect) => $"""
        ALTER TABLE metric_grains ADD COLUMN number {dialect.BigInt};
        UPDATE metric_grains SET number = (SELECT count(*) FROM metric_grains AS other WHERE other.grain <= metric_grains.grain);
        CREATE UNIQUE INDEX metric_grains_by_number ON metric_grains (number);
        CREATE TABLE metric_declarations (
            grain {dialect.BigInt} NOT NULL,
            bucket {dialect.BigInt} NOT NULL,
            data {dialect.Blob} NOT NULL,
            PRIMARY KEY (grain, bucket)
        );
        CREATE TABLE metric_open (
            grain {dialect.BigInt} NOT NULL,
            bucket {dialect.BigInt} NOT NULL,
            data {dialect.Blob} NOT NULL,
            PRIMARY KEY (grain, bucket)
        );
        CREATE TABLE metric_pages (
            page {dialect.BigSerialKey},
            grain {dialect.BigInt} NOT NULL,
            bucket {dialect.BigInt} NOT NULL,
            first_ms {dialect.BigInt} NOT NULL,
            last_ms {dialect.BigInt} NOT NULL,
            data {dialect.Blob} NOT NULL
        );
        CREATE INDEX metric_pages_by_bucket ON metric_pages (grain, bucket, last_ms);
        CREATE INDEX metric_pages_by_age ON metric_pages (grain, last_ms);
        """;
}

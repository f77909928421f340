using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Storage;

/// <summary>The tables of this service.</summary>
internal static class MetricsMigrations
{
    /// <summary>In order.</summary>
    public static readonly IReadOnlyList<Migration> All = [new(1, "series, samples and the journal", Tables("BLOB"), Tables("BYTEA"))];

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
}

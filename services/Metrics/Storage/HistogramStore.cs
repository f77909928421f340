using System.Data.Common;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Storage;

/// <summary>Native histograms of one series that go to the database together.</summary>
internal readonly record struct SavedHistograms(int Series, HistogramPoint[] Points);

/// <summary>
/// The native histograms of the service grains in the database: a row holds those of one series that came between two checkpoints, and is never changed. Rows may
/// overlap where a histogram was late.
/// </summary>
internal sealed class HistogramStore(IDatabase database)
{
    /// <summary>The component that the table belongs to.</summary>
    public const string Component = "metrics-histograms";

    /// <summary>The table, in order of its versions.</summary>
    public static readonly IReadOnlyList<Migration> Migrations = [new(1, "native histograms", Table("BLOB"), Table("BYTEA"))];

    /// <summary>Writes some series of a checkpoint.</summary>
    public ValueTask SaveAsync(string grain, IReadOnlyList<SavedHistograms> series, CancellationToken ct) => database.WriteRowsAsync((grain, series), static (rows, step) =>
    {
        foreach (var (id, points) in step.series)
        {
            // The same row again where a checkpoint was cut short after it.
            rows.Begin("""
                INSERT INTO metric_histograms (grain, series, last_ms, first_ms, data) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (grain, series, last_ms) DO UPDATE SET first_ms = excluded.first_ms, data = excluded.data
                """).Bind(step.grain).Bind(id).Bind(points[^1].Time).Bind(points[0].Time).Bind(HistogramRows.Write(id, points)).Run();
        }
    }, ct);

    /// <summary>Puts the saved histograms that fit into memory into the series of a state.</summary>
    /// <param name="connection">Where to read.</param>
    /// <param name="grain">The grain's key.</param>
    /// <param name="state">Has the series already.</param>
    /// <param name="memoryFrom">Rows that end before this moment stay in the database, milliseconds since 1970.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="InvalidDataException">A row is damaged.</exception>
    public static async Task LoadAsync(DbConnection connection, string grain, ServiceSeries state, long memoryFrom, CancellationToken ct)
    {
        var older = new Dictionary<int, long>();
        await using (var select = new Statement(connection, "SELECT series, MAX(last_ms) FROM metric_histograms WHERE grain = @grain AND last_ms < @from GROUP BY series"))
        await using (var rows = await select.Set("@grain", grain).Set("@from", memoryFrom).ReadAsync(ct).ConfigureAwait(false))
        {
            while (await rows.ReadAsync(ct).ConfigureAwait(false)) older[(int)rows.GetInt64(0)] = rows.GetInt64(1);
        }
        var recent = older.Keys.ToDictionary(id => id, _ => new List<HistogramPoint>());
        await using (var select = new Statement(connection, "SELECT series, data FROM metric_histograms WHERE grain = @grain AND last_ms >= @from"))
        await using (var rows = await select.Set("@grain", grain).Set("@from", memoryFrom).ReadAsync(ct).ConfigureAwait(false))
        {
            while (await rows.ReadAsync(ct).ConfigureAwait(false))
            {
                var id = (int)rows.GetInt64(0);
                if (!recent.TryGetValue(id, out var points)) recent.Add(id, points = []);
                points.AddRange(DamagedRow.Named("metric_histograms", grain, id, () => HistogramRows.Read(rows.GetFieldValue<byte[]>(1))));
            }
        }
        foreach (var (id, points) in recent)
        {
            if (!state.Table.TryFind(id, out var entry)) continue;
            (entry.Histograms = new HistogramBuffer()).Restore(points, older.GetValueOrDefault(id, long.MinValue));
            state.Restored(entry);
        }
    }

    /// <summary>Reads those of one series in [from, through], in any order; one may be there twice.</summary>
    /// <exception cref="InvalidDataException">A row is damaged.</exception>
    public async Task<List<HistogramPoint>> ReadAsync(string grain, int series, long from, long through, CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct).ConfigureAwait(false);
        await using var select = new Statement(connection, "SELECT data FROM metric_histograms WHERE grain = @grain AND series = @series AND last_ms >= @from AND first_ms <= @through");
        await using var rows = await select.Set("@grain", grain).Set("@series", (long)series).Set("@from", from).Set("@through", through).ReadAsync(ct).ConfigureAwait(false);
        var points = new List<HistogramPoint>();
        while (await rows.ReadAsync(ct).ConfigureAwait(false)) points.AddRange(DamagedRow.Named("metric_histograms", grain, series, () => HistogramRows.Read(rows.GetFieldValue<byte[]>(0))).Where(p => p.Time >= from && p.Time <= through));
        return points;
    }

    /// <summary>Deletes up to <paramref name="most"/> rows that end before the cut-off; returns how many it found.</summary>
    public ValueTask<int> DeleteAsync(string grain, long before, int most, CancellationToken ct) => database.WriteAsync(async (transaction, token) =>
    {
        await using var delete = new Statement(transaction, """
            DELETE FROM metric_histograms WHERE grain = @grain AND (series, last_ms) IN
                (SELECT series, last_ms FROM metric_histograms WHERE grain = @grain AND last_ms < @before ORDER BY last_ms LIMIT @most)
            """);
        return await delete.Set("@grain", grain).Set("@before", before).Set("@most", (long)most).ExecuteAsync(token).ConfigureAwait(false);
    }, ct);

    private static string Table(string blob) => $"""
        CREATE TABLE metric_histograms (
            grain TEXT NOT NULL,
            series BIGINT NOT NULL,
            last_ms BIGINT NOT NULL,
            first_ms BIGINT NOT NULL,
            data {blob} NOT NULL,
            PRIMARY KEY (grain, series, last_ms)
        );
        CREATE INDEX metric_histograms_by_age ON metric_histograms (grain, last_ms);
        """;
}

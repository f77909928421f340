using System.Data.Common;
using Vigil.Metrics.Rollups;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Storage;

/// <summary>
/// Deletes pages of samples and of rollups, and notes in the same transaction up to when they may be missing: from then on coarser rollups answer for that time.
/// </summary>
internal sealed class RetentionStore(IDatabase database)
{
    /// <summary>Pages deleted in one transaction, which what comes in waits for.</summary>
    public const int PagesPerStep = 100;

    // Samples are kept until they are rolled up, but not for ever.
    private const long RollUpGraceMs = 86_400_000;

    /// <summary>Deletes pages of one grain that end before a moment.</summary>
    /// <param name="grain">The grain's key.</param>
    /// <param name="resolution">Of what.</param>
    /// <param name="before">Milliseconds since 1970.</param>
    /// <param name="ct">Gives up.</param>
    /// <returns>Pages deleted; there may be more where it is <see cref="PagesPerStep"/>.</returns>
    public ValueTask<int> DeleteOlderAsync(string grain, Resolution resolution, long before, CancellationToken ct) => database.WriteAsync(async (transaction, token) =>
    {
        var condition = resolution == Resolution.Raw
            ? "AND (last_ms < @late OR page <= COALESCE((SELECT rolled.page FROM metric_rolled AS rolled WHERE rolled.grain = pages.grain AND rolled.bucket = pages.bucket), 0))"
            : "AND resolution = @resolution";
        await using var delete = new Statement(transaction, $"""
            DELETE FROM {TableOf(resolution)} WHERE page IN
                (SELECT page FROM {TableOf(resolution)} AS pages WHERE grain = (SELECT number FROM metric_grains WHERE grain = @grain) AND last_ms < @before {condition} LIMIT @most)
            """);
        delete.Set("@grain", grain).Set("@before", before).Set("@most", (long)PagesPerStep);
        if (resolution == Resolution.Raw) delete.Set("@late", before - RollUpGraceMs);
        else delete.Set("@resolution", (long)resolution);
        var deleted = await delete.ExecuteAsync(token).ConfigureAwait(false);
        if (deleted > 0) await NoteAsync(transaction, "SELECT number FROM metric_grains WHERE grain = @grain", grain, resolution, before - 1, token).ConfigureAwait(false);
        return deleted;
    }, ct);

    /// <summary>Bytes that the pages of a resolution take, of all grains.</summary>
    public async Task<long> BytesAsync(Resolution resolution, CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct).ConfigureAwait(false);
        await using var sum = new Statement(connection, $"SELECT CAST(COALESCE(SUM(LENGTH(data)), 0) AS BIGINT) FROM {TableOf(resolution)} {ConditionOf(resolution)}");
        return (long)(await sum.ScalarAsync(ct).ConfigureAwait(false))!;
    }

    /// <summary>Deletes the oldest pages of all grains, some at a time, until so many bytes are free.</summary>
    /// <returns>Pages deleted, and their bytes: there may be more to delete where these are too few.</returns>
    public ValueTask<(int Pages, long Bytes)> DeleteOldestAsync(Resolution resolution, long bytes, CancellationToken ct) => database.WriteAsync(async (transaction, token) =>
    {
        var (oldest, freed) = (new List<(long Page, long Grain, long Last)>(), 0L);
        await using (var select = new Statement(transaction, $"SELECT page, grain, last_ms, LENGTH(data) FROM {TableOf(resolution)} {ConditionOf(resolution)} ORDER BY last_ms LIMIT @most"))
        await using (var rows = await select.Set("@most", (long)PagesPerStep).ReadAsync(token).ConfigureAwait(false))
        {
            while (freed < bytes && await rows.ReadAsync(token).ConfigureAwait(false))
            {
                oldest.Add((rows.GetInt64(0), rows.GetInt64(1), rows.GetInt64(2)));
                freed += Convert.ToInt64(rows.GetValue(3), System.Globalization.CultureInfo.InvariantCulture);
            }
        }
        await using var delete = new Statement(transaction, $"DELETE FROM {TableOf(resolution)} WHERE page = @page");
        foreach (var (page, _, _) in oldest) await delete.Set("@page", page).ExecuteAsync(token).ConfigureAwait(false);
        foreach (var grain in oldest.GroupBy(o => o.Grain)) await NoteAsync(transaction, "@grain", grain.Key, resolution, grain.Max(o => o.Last), token).ConfigureAwait(false);
        return (oldest.Count, freed);
    }, ct);

    private static async Task NoteAsync(DbTransaction transaction, string number, object grain, Resolution resolution, long through, CancellationToken ct)
    {
        await using var note = new Statement(transaction, $"""
            INSERT INTO metric_gone (grain, resolution, through_ms) VALUES (({number}), @resolution, @through)
            ON CONFLICT (grain, resolution) DO UPDATE SET through_ms = CASE WHEN excluded.through_ms > metric_gone.through_ms THEN excluded.through_ms ELSE metric_gone.through_ms END
            """);
        await note.Set("@grain", grain).Set("@resolution", (long)resolution).Set("@through", through).ExecuteAsync(ct).ConfigureAwait(false);
    }

    private static string TableOf(Resolution resolution) => resolution == Resolution.Raw ? "metric_pages" : "metric_rollups";

    private static string ConditionOf(Resolution resolution) => resolution == Resolution.Raw ? "" : $"WHERE resolution = {(int)resolution}";
}

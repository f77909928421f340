using System.Data.Common;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Storage;

/// <summary>
/// Converts what schema version 1 held, a row for each series and block, to pages: once for each grain, when it is first used, bucket by bucket. A kill leaves each
/// bucket on one side or the other.
/// </summary>
internal static class LegacyTables
{
    // Blocks of four days at 15 s are in one page.
    private const int BlocksPerPage = 100 * SeriesEntry.BucketSize;

    /// <summary>Returns when nothing of the grain is in the old tables.</summary>
    /// <exception cref="InvalidDataException">An old row is damaged; nothing of its bucket is changed.</exception>
    public static async Task ConvertAsync(IDatabase database, string grain, CancellationToken ct)
    {
        while (await FirstSeriesAsync(database, grain, ct).ConfigureAwait(false) is { } series)
        {
            var bucket = SeriesEntry.BucketOf(series);
            var converted = await ReadAsync(database, grain, bucket, ct).ConfigureAwait(false);
            await database.WriteRowsAsync((grain, bucket, converted), static (rows, step) =>
            {
                foreach (var saved in step.converted) MetricsStore.Write(rows, step.grain, saved);
                var (first, end) = (step.bucket * SeriesEntry.BucketSize, (step.bucket + 1) * SeriesEntry.BucketSize);
                rows.Begin("DELETE FROM metric_series WHERE grain = $1 AND series >= $2 AND series < $3").Bind(step.grain).Bind(first).Bind(end).Run();
                rows.Begin("DELETE FROM metric_heads WHERE grain = $1 AND series >= $2 AND series < $3").Bind(step.grain).Bind(first).Bind(end).Run();
                rows.Begin("DELETE FROM metric_chunks WHERE grain = $1 AND series >= $2 AND series < $3").Bind(step.grain).Bind(first).Bind(end).Run();
            }, ct).ConfigureAwait(false);
        }
    }

    private static async Task<int?> FirstSeriesAsync(IDatabase database, string grain, CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct).ConfigureAwait(false);
        await using var select = new Statement(connection, "SELECT MIN(series) FROM metric_series WHERE grain = @grain");
        return await select.Set("@grain", grain).ScalarAsync(ct).ConfigureAwait(false) is long series ? (int)series : null;
    }

    private static async Task<List<SavedBucket>> ReadAsync(IDatabase database, string grain, int bucket, CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct).ConfigureAwait(false);
        var declared = new List<DeclaredSeries>();
        await foreach (var row in RowsAsync("SELECT declaration FROM metric_series").ConfigureAwait(false)) declared.AddRange(JournalCodec.ReadSeries(row.GetFieldValue<byte[]>(0)));
        var known = declared.Select(d => d.Id).ToHashSet();

        var buckets = new List<SavedBucket>();
        var open = new SamplePageWriter();
        await foreach (var row in RowsAsync("SELECT series, count, first_ms, last_ms, data, sealed_ms FROM metric_heads").ConfigureAwait(false))
        {
            if (row.GetInt64(1) > 0 && known.Contains((int)row.GetInt64(0))) Add(open, row, row.GetInt64(5));
        }
        var last = new SavedBucket(bucket, DeclarationPage.Write(declared), default, 0, 0, open.Finish());
        var pages = new SamplePageWriter();
        await foreach (var row in RowsAsync("SELECT series, count, first_ms, last_ms, data FROM metric_chunks").ConfigureAwait(false))
        {
            // What belongs to no series was not found before either.
            if (!known.Contains((int)row.GetInt64(0))) continue;
            Add(pages, row, long.MinValue);
            if (pages.Count < BlocksPerPage) continue;
            buckets.Add(last with { Sealed = pages.Finish().ToArray(), First = pages.First, Last = pages.Last });
            pages.Clear();
        }
        buckets.Add(pages.Count == 0 ? last : last with { Sealed = pages.Finish(), First = pages.First, Last = pages.Last });
        return buckets;

        async IAsyncEnumerable<DbDataReader> RowsAsync(string sql)
        {
            await using var select = new Statement(connection, $"{sql} WHERE grain = @grain AND series >= @first AND series < @end ORDER BY series{(sql.Contains("metric_chunks", StringComparison.Ordinal) ? ", last_ms" : "")}");
            select.Set("@grain", grain).Set("@first", (long)bucket * SeriesEntry.BucketSize).Set("@end", (long)(bucket + 1) * SeriesEntry.BucketSize);
            await using var rows = await select.ReadAsync(ct).ConfigureAwait(false);
            while (await rows.ReadAsync(ct).ConfigureAwait(false)) yield return rows;
        }
    }

    private static void Add(SamplePageWriter page, DbDataReader row, long sealedThrough)
    {
        var block = new GorillaBlock(row.GetFieldValue<byte[]>(4), (int)row.GetInt64(1), row.GetInt64(2), row.GetInt64(3));
        var (times, values) = (new long[block.Count], new double[block.Count]);
        block.Decode(times, values);
        page.Add((int)row.GetInt64(0), SampleBlock.Encode(times, values), sealedThrough);
    }
}

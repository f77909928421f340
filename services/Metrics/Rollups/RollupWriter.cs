using System.Data.Common;
using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Rollups;

/// <summary>
/// Rolls up what is sealed: reads pages of samples that are in no rollup yet and adds them to the rollups of their bucket, of all resolutions, in one transaction with the number of
/// the last page it took. So each sample is counted once, wherever a kill comes, and also samples stored by versions without rollups are.
/// </summary>
/// <remarks>What is sealed never changes; late samples are taken only into what is not. The newest rollup of a series may therefore hold a part of its period, but is final as far as it goes.</remarks>
internal sealed class RollupWriter(IDatabase database, MetricsInstruments instruments, ILogger<RollupWriter> log)
{
    /// <summary>Pages of samples taken in one transaction.</summary>
    public const int PagesPerStep = 32;

    /// <summary>Rollups of a series in a page before the next one is begun.</summary>
    public const int RollupsPerPage = 120;

    /// <summary>As for <see cref="RollupsPerPage"/>, of days: their page is written anew each time.</summary>
    public const int DaysPerPage = 62;

    /// <summary>Fewer samples in a minute are read as quickly as its rollup is.</summary>
    public const int MinSamplesPerMinute = 6;

    /// <summary>The buckets with pages of samples that are in no rollup, each with the time at which the oldest of them ends.</summary>
    public async Task<IReadOnlyList<(int Bucket, long Last)>> WaitingAsync(string grain, CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct).ConfigureAwait(false);
        await using var select = new Statement(connection, """
            SELECT bucket, MIN(last_ms) FROM metric_pages AS pages
            WHERE grain = (SELECT number FROM metric_grains WHERE grain = @grain)
                AND page > COALESCE((SELECT rolled.page FROM metric_rolled AS rolled WHERE rolled.grain = pages.grain AND rolled.bucket = pages.bucket), 0)
            GROUP BY bucket
            """);
        await using var rows = await select.Set("@grain", grain).ReadAsync(ct).ConfigureAwait(false);
        var waiting = new List<(int, long)>();
        while (await rows.ReadAsync(ct).ConfigureAwait(false)) waiting.Add(((int)rows.GetInt64(0), rows.GetInt64(1)));
        return waiting;
    }

    /// <summary>Adds the next pages of samples of a bucket to its rollups.</summary>
    /// <param name="grain">The grain's key.</param>
    /// <param name="bucket">The bucket.</param>
    /// <param name="allMinutes">Minutes are rolled up also where they hold few samples, since they are kept longer than these.</param>
    /// <param name="ct">Gives up.</param>
    /// <returns>Pages taken: as many as <see cref="PagesPerStep"/> where there may be more.</returns>
    /// <exception cref="InvalidDataException">A page of samples is damaged: nothing is rolled up from there on, and the samples themselves are asked.</exception>
    public async Task<int> RollUpAsync(string grain, int bucket, bool allMinutes, CancellationToken ct)
    {
        // Off the grain's turn, which so goes on taking samples.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        List<SavedRollups> saved = [];
        long number, through;
        int pages;
        await using (var connection = await database.OpenAsync(ct).ConfigureAwait(false))
        {
            (number, through) = await PositionAsync(connection, grain, bucket, ct).ConfigureAwait(false);
            (var fresh, pages, through) = await ReadAsync(connection, number, bucket, through, ct).ConfigureAwait(false);
            if (pages == 0) return 0;
            foreach (var resolution in Resolutions.RolledUp)
            {
                if (await AddAsync(connection, number, bucket, resolution, fresh, allMinutes, ct).ConfigureAwait(false) is { } page) saved.Add(page);
            }
        }
        await database.WriteRowsAsync((number, bucket, through, saved), static (rows, step) =>
        {
            foreach (var page in step.saved) Write(rows, step.number, step.bucket, page);
            rows.Begin("INSERT INTO metric_rolled (grain, bucket, page) VALUES ($1, $2, $3) ON CONFLICT (grain, bucket) DO UPDATE SET page = excluded.page")
                .Bind(step.number).Bind(step.bucket).Bind(step.through).Run();
        }, ct).ConfigureAwait(false);
        return pages;
    }

    private static void Write(IRowWriter rows, long grain, int bucket, SavedRollups page)
    {
        if (page.Replaced is { } replaced)
        {
            // Not written over: its retention may have ended since it was read.
            rows.Begin("DELETE FROM metric_rollups WHERE page = $1").Bind(replaced).Run();
        }
        rows.Begin("INSERT INTO metric_rollups (grain, bucket, resolution, first_ms, last_ms, data) VALUES ($1, $2, $3, $4, $5, $6)")
            .Bind(grain).Bind(bucket).Bind((long)page.Resolution).Bind(page.First).Bind(page.Last).Bind(page.Data).Run();
    }

    private static async Task<(long Number, long Through)> PositionAsync(DbConnection connection, string grain, int bucket, CancellationToken ct)
    {
        await using var select = new Statement(connection, """
            SELECT number, COALESCE((SELECT page FROM metric_rolled WHERE grain = number AND bucket = @bucket), 0) FROM metric_grains WHERE grain = @grain
            """);
        await using var rows = await select.Set("@grain", grain).Set("@bucket", (long)bucket).ReadAsync(ct).ConfigureAwait(false);
        return await rows.ReadAsync(ct).ConfigureAwait(false) ? (rows.GetInt64(0), rows.GetInt64(1)) : (0, 0);
    }

    private static async Task<(SortedDictionary<int, RollupColumn> Minutes, int Pages, long Through)> ReadAsync(DbConnection connection, long grain, int bucket, long after, CancellationToken ct)
    {
        var minutes = new SortedDictionary<int, RollupColumn>();
        var (times, values) = (new long[SampleBlock.MaxCount], new double[SampleBlock.MaxCount]);
        var (pages, through) = (0, after);
        await using var select = new Statement(connection, "SELECT page, data FROM metric_pages WHERE grain = @grain AND bucket = @bucket AND page > @after ORDER BY page LIMIT @most");
        await using var rows = await select.Set("@grain", grain).Set("@bucket", (long)bucket).Set("@after", after).Set("@most", (long)PagesPerStep).ReadAsync(ct).ConfigureAwait(false);
        while (await rows.ReadAsync(ct).ConfigureAwait(false))
        {
            through = rows.GetInt64(0);
            pages++;
            try
            {
                Add(rows.GetFieldValue<byte[]>(1));
            }
            catch (InvalidDataException e)
            {
                throw new InvalidDataException($"row {through} of metric_pages: {e.Message}", e);
            }
        }
        return (minutes, pages, through);

        void Add(byte[] data)
        {
            var page = new SamplePage(data);
            while (page.Next())
            {
                if (!minutes.TryGetValue(page.Series, out var column)) minutes.Add(page.Series, column = new RollupColumn(Resolution.Minute.PeriodMs()));
                page.Decode(times, values);
                for (var i = 0; i < page.Count; i++) column.Add(times[i], values[i]);
            }
        }
    }

    /// <summary>The page of a resolution with what is new; null where there is nothing to write.</summary>
    private async Task<SavedRollups?> AddAsync(
        DbConnection connection, long grain, int bucket, Resolution resolution, SortedDictionary<int, RollupColumn> fresh, bool allMinutes, CancellationToken ct)
    {
        var added = resolution == Resolution.Minute && !allMinutes ? [.. fresh.Where(f => IsDense(f.Value.ToList()))] : fresh.ToArray();
        if (added.Length == 0) return null;
        var columns = new SortedDictionary<int, RollupColumn>();
        var replaced = await ReadOpenPageAsync(connection, grain, bucket, resolution, columns, ct).ConfigureAwait(false);
        foreach (var (series, minutes) in added)
        {
            if (!columns.TryGetValue(series, out var column)) columns.Add(series, column = new RollupColumn(resolution.PeriodMs()));
            foreach (var minute in minutes.ToList()) column.Add(minute);
        }
        var (page, first, last) = (new SamplePageWriter(), long.MaxValue, long.MinValue);
        foreach (var (series, column) in columns)
        {
            var rollups = column.ToList();
            RollupPage.Add(page, series, rollups);
            (first, last) = (Math.Min(first, rollups[0].FirstTime), Math.Max(last, rollups[^1].Through));
        }
        return new SavedRollups(resolution, replaced, first, last, page.Finish());
    }

    /// <summary>Reads the newest page, if there is room in it; returns its number.</summary>
    private async Task<long?> ReadOpenPageAsync(DbConnection connection, long grain, int bucket, Resolution resolution, SortedDictionary<int, RollupColumn> columns, CancellationToken ct)
    {
        await using var select = new Statement(connection, "SELECT page, data FROM metric_rollups WHERE grain = @grain AND bucket = @bucket AND resolution = @resolution ORDER BY page DESC LIMIT 1");
        await using var rows = await select.Set("@grain", grain).Set("@bucket", (long)bucket).Set("@resolution", (long)resolution).ReadAsync(ct).ConfigureAwait(false);
        if (!await rows.ReadAsync(ct).ConfigureAwait(false)) return null;
        var page = rows.GetInt64(0);
        try
        {
            RollupPage.Read(rows.GetFieldValue<byte[]>(1), static _ => true, (series, rollups) =>
            {
                var column = new RollupColumn(resolution.PeriodMs());
                foreach (var rollup in rollups) column.Add(rollup);
                columns.Add(series, column);
            });
        }
        catch (InvalidDataException e)
        {
            // It stays as it is, for those who look for what happened; its time is answered from what is finer.
            MetricsLog.RollupPageDamaged(log, page, grain, e);
            instruments.RollupPagesDamaged.Add(1);
            columns.Clear();
            return null;
        }
        if (columns.Count > 0 && columns.Values.Max(c => c.Count) < (resolution == Resolution.Day ? DaysPerPage : RollupsPerPage)) return page;
        columns.Clear();
        return null;
    }

    private static bool IsDense(IReadOnlyList<Rollup> minutes) => minutes.Sum(m => (long)m.Count) >= (long)MinSamplesPerMinute * minutes.Count;

    /// <param name="Replaced">The page whose rollups are in it; null where there is none.</param>
    private sealed record SavedRollups(Resolution Resolution, long? Replaced, long First, long Last, ReadOnlyMemory<byte> Data);
}

using System.Data.Common;
using Vigil.Metrics.Rollups;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Storage;

/// <summary>What a checkpoint writes of one bucket of series, in one transaction.</summary>
/// <param name="Bucket">The bucket.</param>
/// <param name="Declarations">A <see cref="DeclarationPage"/> of all its series; empty where that in the database is right.</param>
/// <param name="Sealed">A page of the blocks sealed since the last checkpoint; empty where there are none.</param>
/// <param name="First">Time of the oldest sample in <paramref name="Sealed"/>.</param>
/// <param name="Last">Time of the newest one.</param>
/// <param name="Open">A page of the open ends of all its series.</param>
internal readonly record struct SavedBucket(int Bucket, ReadOnlyMemory<byte> Declarations, ReadOnlyMemory<byte> Sealed, long First, long Last, ReadOnlyMemory<byte> Open);

/// <summary>A grain that exists.</summary>
internal sealed record KnownGrain(string Grain, string Service);

/// <summary>The state of the service grains in the database.</summary>
/// <remarks>
/// A checkpoint is written in several small transactions, so that the journal, which every acknowledgement waits for, gets its
/// turn in between. That is safe at any point of interruption because replaying a row whose samples are in the saved series
/// already changes nothing (see <see cref="ServiceSeries"/>): one transaction at the end moves the stream positions and says which
/// rows are not needed any more.
/// </remarks>
internal sealed class MetricsStore(IDatabase database, RollupStore rollups, RetentionStore retention)
{
    private const int RowsPerTrim = 100;

    /// <summary>16 MB: the next journal takes them.</summary>
    private const int MinFreePages = 4_096;

    /// <summary>The native histograms.</summary>
    public HistogramStore Histograms { get; } = new(database);

    /// <summary>The rollups.</summary>
    public RollupStore Rollups => rollups;

    /// <summary>What deletes.</summary>
    public RetentionStore Retention => retention;

    /// <summary>All grains that ever held a series.</summary>
    public async Task<IReadOnlyList<KnownGrain>> ReadGrainsAsync(CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct).ConfigureAwait(false);
        await using var select = new Statement(connection, "SELECT grain, service FROM metric_grains ORDER BY grain");
        await using var rows = await select.ReadAsync(ct).ConfigureAwait(false);
        var grains = new List<KnownGrain>();
        while (await rows.ReadAsync(ct).ConfigureAwait(false)) grains.Add(new KnownGrain(rows.GetString(0), rows.GetString(1)));
        return grains;
    }

    /// <summary>Makes a grain known; nothing happens where it is.</summary>
    public ValueTask AddGrainAsync(KnownGrain grain, CancellationToken ct) => database.WriteAsync(async (transaction, token) =>
    {
        await using var insert = new Statement(transaction, """
            INSERT INTO metric_grains (grain, service, checkpoint_no, next_series, number)
            VALUES (@grain, @service, 0, 1, (SELECT COALESCE(MAX(number), 0) + 1 FROM metric_grains)) ON CONFLICT (grain) DO NOTHING
            """);
        await insert.Set("@grain", grain.Grain).Set("@service", grain.Service).ExecuteAsync(token).ConfigureAwait(false);
    }, ct);

    /// <summary>Reads a grain's checkpoint and replays its journal.</summary>
    /// <param name="grain">The grain's key.</param>
    /// <param name="memoryFrom">Blocks that end before this moment stay in the database, milliseconds since 1970.</param>
    /// <param name="now">Milliseconds since 1970.</param>
    /// <param name="ct">Gives up.</param>
    /// <returns>The state as it was when the newest row became durable, and the bytes of journal replayed.</returns>
    public async Task<(ServiceSeries State, long JournalBytes)> LoadAsync(string grain, long memoryFrom, long now, CancellationToken ct)
    {
        await LegacyTables.ConvertAsync(database, grain, ct).ConfigureAwait(false);
        await using var connection = await database.OpenAsync(ct).ConfigureAwait(false);
        var state = new ServiceSeries();
        await LoadSeriesAsync(connection, grain, state, memoryFrom, ct).ConfigureAwait(false);
        await HistogramStore.LoadAsync(connection, grain, state, memoryFrom, ct).ConfigureAwait(false);
        await LoadPositionsAsync(connection, grain, state, ct).ConfigureAwait(false);
        var bytes = await ReplayAsync(connection, grain, state, now, ct).ConfigureAwait(false);
        return (state, bytes);
    }

    /// <summary>Writes one bucket of a checkpoint.</summary>
    public async ValueTask SaveBucketAsync(string grain, SavedBucket saved, CancellationToken ct)
    {
        // Off the grain's turn, which so goes on taking samples: SQLite works on the thread that calls it.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        await database.WriteRowsAsync((Grain: grain, Saved: saved), static (rows, step) => Write(rows, step.Grain, step.Saved), ct).ConfigureAwait(false);
    }

    /// <summary>The statements that write a bucket.</summary>
    public static void Write(IRowWriter rows, string grain, in SavedBucket saved)
    {
        if (!saved.Declarations.IsEmpty)
        {
            rows.Begin("INSERT INTO metric_declarations (grain, bucket, data) SELECT number, $1, $2 FROM metric_grains WHERE grain = $3 ON CONFLICT (grain, bucket) DO UPDATE SET data = excluded.data")
                .Bind(saved.Bucket).Bind(saved.Declarations).Bind(grain).Run();
        }
        if (!saved.Sealed.IsEmpty)
        {
            rows.Begin("INSERT INTO metric_pages (grain, bucket, first_ms, last_ms, data) SELECT number, $1, $2, $3, $4 FROM metric_grains WHERE grain = $5")
                .Bind(saved.Bucket).Bind(saved.First).Bind(saved.Last).Bind(saved.Sealed).Bind(grain).Run();
        }
        rows.Begin("INSERT INTO metric_open (grain, bucket, data) SELECT number, $1, $2 FROM metric_grains WHERE grain = $3 ON CONFLICT (grain, bucket) DO UPDATE SET data = excluded.data")
            .Bind(saved.Bucket).Bind(saved.Open).Bind(grain).Run();
    }

    /// <summary>Ends a checkpoint: from now on the journal up to <paramref name="through"/> is not needed.</summary>
    /// <param name="grain">The grain's key.</param>
    /// <param name="through">The newest row whose effect was in memory when the checkpoint began.</param>
    /// <param name="nextSeries">Numbers below are given out.</param>
    /// <param name="streams">Positions as they were when the checkpoint began; others are forgotten.</param>
    /// <param name="ct">Gives up.</param>
    public async Task FinishCheckpointAsync(string grain, long through, int nextSeries, KeyValuePair<string, StreamPosition>[] streams, CancellationToken ct)
    {
        await database.WriteRowsAsync((grain, through, nextSeries, streams), static (rows, end) =>
        {
            rows.Begin("UPDATE metric_grains SET checkpoint_no = $1, next_series = $2 WHERE grain = $3").Bind(end.through).Bind(end.nextSeries).Bind(end.grain).Run();
            rows.Begin("DELETE FROM metric_streams WHERE grain = $1").Bind(end.grain).Run();
            foreach (var (stream, position) in end.streams)
            {
                rows.Begin("INSERT INTO metric_streams (grain, stream, sequence, seen_ms) VALUES ($1, $2, $3, $4)")
                    .Bind(end.grain).Bind(stream).Bind(unchecked((long)position.Sequence)).Bind(position.SeenAt).Run();
            }
        }, ct).ConfigureAwait(false);
        // From here on these rows are ignored; deleting them is only a matter of space, and done in steps as the rest.
        int deleted;
        do deleted = await database.WriteAsync((transaction, token) => TrimAsync(transaction, grain, through, token), ct).ConfigureAwait(false);
        while (deleted == RowsPerTrim);
    }

    private static async ValueTask<int> TrimAsync(DbTransaction transaction, string grain, long through, CancellationToken token)
    {
        await using var trim = new Statement(transaction, "DELETE FROM metric_journal WHERE grain = @grain AND no IN (SELECT no FROM metric_journal WHERE grain = @grain AND no <= @no ORDER BY no LIMIT @most)");
        return await trim.Set("@grain", grain).Set("@no", through).Set("@most", (long)RowsPerTrim).ExecuteAsync(token).ConfigureAwait(false);
    }

    /// <summary>Reads samples in [from, through] of several series.</summary>
    /// <param name="grain">The grain's key.</param>
    /// <param name="from">Milliseconds since 1970.</param>
    /// <param name="through">Milliseconds since 1970.</param>
    /// <param name="wanted">By series' number, where to; nothing newer is in there yet.</param>
    /// <param name="maxSamples">After so many it stops.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="InvalidDataException">A page is damaged.</exception>
    public async Task ReadSamplesAsync(string grain, long from, long through, IReadOnlyDictionary<int, SampleBuffer> wanted, int maxSamples, CancellationToken ct)
    {
        // Off the grain's turn, which so goes on taking samples: SQLite works on the thread that calls it, and unpacking takes longer still.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        await using var connection = await database.OpenAsync(ct).ConfigureAwait(false);
        await using var samples = await StoredSamples.OfAsync(connection, grain, ct).ConfigureAwait(false);
        foreach (var bucket in wanted.Keys.Select(SeriesEntry.BucketOf).Distinct().Order())
        {
            maxSamples -= await samples.ReadAsync(bucket, new TimeRange(from, through), wanted, maxSamples, 0, ct).ConfigureAwait(false);
            if (maxSamples < 0) return;
        }
    }

    /// <summary>Gives disk space back where more than half of it is free, as after a burst whose journal was long. PostgreSQL does that by itself.</summary>
    public Task ShrinkAsync(CancellationToken ct) => ShrinkAsync(2, MinFreePages, ct);

    /// <summary>Gives disk space back that is not needed again soon, since what lay there is too old or too much.</summary>
    public Task GiveBackAsync(CancellationToken ct) => ShrinkAsync(20, MinFreePages / 4, ct);

    private async Task ShrinkAsync(int share, int leave, CancellationToken ct)
    {
        while (database.Dialect == SqlDialect.Sqlite && await FreePagesAsync(ct).ConfigureAwait(false) is var (free, all) && free > leave && free > all / share)
        {
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            await database.WriteRowsAsync(0, static (rows, _) => rows.Begin("PRAGMA incremental_vacuum(500)").Run(), ct).ConfigureAwait(false);
            // A file made before that was possible stays as it is.
            if ((await FreePagesAsync(ct).ConfigureAwait(false)).Free >= free) return;
        }
    }

    private async Task<(long Free, long All)> FreePagesAsync(CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct).ConfigureAwait(false);
        await using var free = new Statement(connection, "PRAGMA freelist_count");
        await using var all = new Statement(connection, "PRAGMA page_count");
        return ((long)(await free.ScalarAsync(ct).ConfigureAwait(false))!, (long)(await all.ScalarAsync(ct).ConfigureAwait(false))!);
    }

    private static async Task LoadSeriesAsync(DbConnection connection, string grain, ServiceSeries state, long memoryFrom, CancellationToken ct)
    {
        await ForEachPageAsync("metric_declarations", "SELECT bucket, data FROM metric_declarations WHERE grain = (SELECT number FROM metric_grains WHERE grain = @grain) ORDER BY bucket", data =>
        {
            foreach (var series in DeclarationPage.Read(data))
            {
                var entry = state.Table.Add(series.Labels, series.Kind, series.Unit, series.Help, series.Id);
                entry.DeclarationSaved = true;
            }
        }).ConfigureAwait(false);
        var (block, scratch) = (new byte[BlockBits.MaxBytes + SampleBlock.MaxHeaderBytes], new double[SampleBlock.MaxCount]);
        await LoadPagesAsync(connection, grain, state.Table, memoryFrom, ct).ConfigureAwait(false);
        await ForEachPageAsync("metric_open", "SELECT bucket, data FROM metric_open WHERE grain = (SELECT number FROM metric_grains WHERE grain = @grain)", data =>
        {
            var page = new SamplePage(data);
            while (page.Next())
            {
                if (!state.Table.TryFind(page.Series, out var entry)) continue;
                entry.Samples.Restore(entry.Cells, block.AsSpan(0, page.CopyBlock(block, scratch)), page.SealedThrough);
                state.Restored(entry);
            }
        }).ConfigureAwait(false);

        async Task ForEachPageAsync(string table, string sql, Action<byte[]> read)
        {
            await using var select = new Statement(connection, sql);
            await using var rows = await select.Set("@grain", grain).ReadAsync(ct).ConfigureAwait(false);
            while (await rows.ReadAsync(ct).ConfigureAwait(false))
            {
                DamagedRow.Named(table, grain, rows.GetInt64(0), () => read(rows.GetFieldValue<byte[]>(1)));
            }
        }
    }

    private static async Task LoadPagesAsync(DbConnection connection, string grain, SeriesTable table, long memoryFrom, CancellationToken ct)
    {
        await using (var older = new Statement(connection, "SELECT MAX(last_ms) FROM metric_pages WHERE grain = (SELECT number FROM metric_grains WHERE grain = @grain) AND last_ms < @from"))
        {
            if (await older.Set("@grain", grain).Set("@from", memoryFrom).ScalarAsync(ct).ConfigureAwait(false) is long last)
            {
                foreach (var bucket in table.Buckets) bucket.Pages.EvictedThrough = last;
            }
        }
        // In the order in which they were sealed, which is each series' order of time.
        await using var select = new Statement(connection, """
            SELECT page, bucket, data FROM metric_pages WHERE grain = (SELECT number FROM metric_grains WHERE grain = @grain) AND last_ms >= @from ORDER BY page
            """);
        await using var rows = await select.Set("@grain", grain).Set("@from", memoryFrom).ReadAsync(ct).ConfigureAwait(false);
        while (await rows.ReadAsync(ct).ConfigureAwait(false))
        {
            if (table.BucketOf((int)rows.GetInt64(1)) is not { } bucket) continue;
            var data = rows.GetFieldValue<byte[]>(2);
            DamagedRow.Named("metric_pages", grain, rows.GetInt64(0), () => bucket.Pages.Add(data));
        }
    }

    private static async Task LoadPositionsAsync(DbConnection connection, string grain, ServiceSeries state, CancellationToken ct)
    {
        await using (var select = new Statement(connection, "SELECT checkpoint_no, next_series FROM metric_grains WHERE grain = @grain"))
        await using (var rows = await select.Set("@grain", grain).ReadAsync(ct).ConfigureAwait(false))
        {
            if (await rows.ReadAsync(ct).ConfigureAwait(false))
            {
                state.StartAfter(rows.GetInt64(0));
                state.Table.ReserveIds((int)rows.GetInt64(1));
            }
        }
        await using var streams = new Statement(connection, "SELECT stream, sequence, seen_ms FROM metric_streams WHERE grain = @grain");
        await using var streamRows = await streams.Set("@grain", grain).ReadAsync(ct).ConfigureAwait(false);
        while (await streamRows.ReadAsync(ct).ConfigureAwait(false))
            state.Streams[streamRows.GetString(0)] = new StreamPosition(unchecked((ulong)streamRows.GetInt64(1)), streamRows.GetInt64(2));
    }

    private static async Task<long> ReplayAsync(DbConnection connection, string grain, ServiceSeries state, long now, CancellationToken ct)
    {
        await using var select = new Statement(connection, "SELECT no, kind, stream, sequence, data FROM metric_journal WHERE grain = @grain AND no > @no ORDER BY no");
        await using var rows = await select.Set("@grain", grain).Set("@no", state.AppliedRow).ReadAsync(ct).ConfigureAwait(false);
        long bytes = 0;
        // Who was told what has been settled: only the effect counts here.
        var tally = new AppendTally();
        while (await rows.ReadAsync(ct).ConfigureAwait(false))
        {
            var no = rows.GetInt64(0);
            var data = rows.GetFieldValue<byte[]>(4);
            var kind = (JournalKind)rows.GetInt64(1);
            DamagedRow.Named("metric_journal", grain, no, () =>
            {
                if (kind == JournalKind.Declarations) state.ApplyDeclarations(no, data, null);
                else if (kind is JournalKind.Histograms or JournalKind.HistogramDeltas) state.ApplyHistograms(no, data, kind == JournalKind.HistogramDeltas, now, tally, null);
                else state.ApplySamples(no, data, kind == JournalKind.Deltas, rows.GetString(2), unchecked((ulong)rows.GetInt64(3)), now, tally, null);
            });
            bytes += data.Length;
        }
        return bytes;
    }
}

using System.Data.Common;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Storage;

/// <summary>A series as it is written at a checkpoint.</summary>
/// <param name="Id">Its number in the grain.</param>
/// <param name="Declaration">Its declaration, where that is not in the database yet.</param>
/// <param name="Sealed">Blocks sealed since the last checkpoint.</param>
/// <param name="Head">The open end; without samples where it is empty.</param>
/// <param name="SealedThrough">Up to when samples are in blocks.</param>
internal readonly record struct SavedSeries(int Id, byte[]? Declaration, ReadOnlyMemory<SampleBlock> Sealed, SampleBlock Head, long SealedThrough);

/// <summary>A grain that exists.</summary>
internal sealed record KnownGrain(string Grain, string Service);

/// <summary>The state of the service grains in the database.</summary>
/// <remarks>
/// A checkpoint is written in several small transactions, so that the journal, which every acknowledgement waits for, gets its
/// turn in between. That is safe at any point of interruption because replaying a row whose samples are in the saved series
/// already changes nothing (see <see cref="ServiceSeries"/>): one transaction at the end moves the stream positions and says which
/// rows are not needed any more.
/// </remarks>
internal sealed class MetricsStore(IDatabase database)
{
    private const int RowsPerTrim = 100;

    /// <summary>The native histograms.</summary>
    public HistogramStore Histograms { get; } = new(database);

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
        await using var insert = new Statement(transaction, "INSERT INTO metric_grains (grain, service, checkpoint_no, next_series) VALUES (@grain, @service, 0, 1) ON CONFLICT (grain) DO NOTHING");
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
        await using var connection = await database.OpenAsync(ct).ConfigureAwait(false);
        var state = new ServiceSeries();
        await LoadSeriesAsync(connection, grain, state, memoryFrom, ct).ConfigureAwait(false);
        await HistogramStore.LoadAsync(connection, grain, state, memoryFrom, ct).ConfigureAwait(false);
        await LoadPositionsAsync(connection, grain, state, ct).ConfigureAwait(false);
        var bytes = await ReplayAsync(connection, grain, state, now, ct).ConfigureAwait(false);
        return (state, bytes);
    }

    /// <summary>Writes some series of a checkpoint.</summary>
    public async ValueTask SaveSeriesAsync(string grain, ArraySegment<SavedSeries> series, CancellationToken ct)
    {
        // Off the grain's turn, which so goes on taking samples: SQLite works on the thread that calls it.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        await database.WriteRowsAsync((Grain: grain, Series: series), Save, ct).ConfigureAwait(false);
    }

    private static void Save(IRowWriter rows, (string Grain, ArraySegment<SavedSeries> Series) step)
    {
        foreach (ref readonly var saved in step.Series.AsSpan())
        {
            if (saved.Declaration is not null)
            {
                rows.Begin("INSERT INTO metric_series (grain, series, declaration) VALUES ($1, $2, $3) ON CONFLICT (grain, series) DO NOTHING")
                    .Bind(step.Grain).Bind(saved.Id).Bind(saved.Declaration).Run();
            }
            foreach (ref readonly var block in saved.Sealed.Span)
            {
                Bind(rows.Begin("""
                    INSERT INTO metric_chunks (grain, series, last_ms, first_ms, count, data) VALUES ($1, $2, $3, $4, $5, $6)
                    ON CONFLICT (grain, series, last_ms) DO UPDATE SET first_ms = excluded.first_ms, count = excluded.count, data = excluded.data
                    """).Bind(step.Grain).Bind(saved.Id), block).Run();
            }
            Bind(rows.Begin("""
                INSERT INTO metric_heads (grain, series, sealed_ms, last_ms, first_ms, count, data) VALUES ($1, $2, $3, $4, $5, $6, $7)
                ON CONFLICT (grain, series) DO UPDATE SET sealed_ms = excluded.sealed_ms, last_ms = excluded.last_ms, first_ms = excluded.first_ms, count = excluded.count, data = excluded.data
                """).Bind(step.Grain).Bind(saved.Id).Bind(saved.SealedThrough), saved.Head).Run();
        }
    }

    /// <summary>Ends a checkpoint: from now on the journal up to <paramref name="through"/> is not needed.</summary>
    /// <param name="grain">The grain's key.</param>
    /// <param name="through">The newest row whose effect was in memory when the checkpoint began.</param>
    /// <param name="nextSeries">Numbers below are given out.</param>
    /// <param name="streams">Positions as they were when the checkpoint began; others are forgotten.</param>
    /// <param name="ct">Gives up.</param>
    public async Task FinishCheckpointAsync(string grain, long through, int nextSeries, KeyValuePair<string, StreamPosition>[] streams, CancellationToken ct)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
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

    /// <summary>Reads blocks of one series that overlap [from, through], oldest first.</summary>
    public async Task<IReadOnlyList<SampleBlock>> ReadBlocksAsync(string grain, int series, long from, long through, CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct).ConfigureAwait(false);
        await using var select = new Statement(connection, "SELECT first_ms, last_ms, count, data FROM metric_chunks WHERE grain = @grain AND series = @series AND last_ms >= @from AND first_ms <= @through ORDER BY last_ms");
        await using var rows = await select.Set("@grain", grain).Set("@series", (long)series).Set("@from", from).Set("@through", through).ReadAsync(ct).ConfigureAwait(false);
        var blocks = new List<SampleBlock>();
        while (await rows.ReadAsync(ct).ConfigureAwait(false)) blocks.Add(new SampleBlock(rows.GetFieldValue<byte[]>(3), (int)rows.GetInt64(2), rows.GetInt64(0), rows.GetInt64(1)));
        return blocks;
    }

    /// <summary>Deletes up to <paramref name="most"/> blocks that end before the cut-off; returns how many it found.</summary>
    public ValueTask<int> DeleteBlocksAsync(string grain, long before, int most, CancellationToken ct) => database.WriteAsync(async (transaction, token) =>
    {
        await using var delete = new Statement(transaction, """
            DELETE FROM metric_chunks WHERE grain = @grain AND (series, last_ms) IN
                (SELECT series, last_ms FROM metric_chunks WHERE grain = @grain AND last_ms < @before ORDER BY last_ms LIMIT @most)
            """);
        return await delete.Set("@grain", grain).Set("@before", before).Set("@most", (long)most).ExecuteAsync(token).ConfigureAwait(false);
    }, ct);

    /// <summary>Forgets series that have no samples any more.</summary>
    public ValueTask DeleteSeriesAsync(string grain, IReadOnlyList<int> series, CancellationToken ct) => database.WriteAsync(async (transaction, token) =>
    {
        await using var heads = new Statement(transaction, "DELETE FROM metric_heads WHERE grain = @grain AND series = @series");
        await using var declarations = new Statement(transaction, "DELETE FROM metric_series WHERE grain = @grain AND series = @series");
        foreach (var id in series)
        {
            await heads.Set("@grain", grain).Set("@series", (long)id).ExecuteAsync(token).ConfigureAwait(false);
            await declarations.Set("@grain", grain).Set("@series", (long)id).ExecuteAsync(token).ConfigureAwait(false);
        }
    }, ct);

    private static IRowWriter Bind(IRowWriter row, in SampleBlock block) => row.Bind(block.Last).Bind(block.First).Bind(block.Count).Bind(block.Data);

    private static async Task LoadSeriesAsync(DbConnection connection, string grain, ServiceSeries state, long memoryFrom, CancellationToken ct)
    {
        await using (var select = new Statement(connection, "SELECT declaration FROM metric_series WHERE grain = @grain ORDER BY series"))
        await using (var rows = await select.Set("@grain", grain).ReadAsync(ct).ConfigureAwait(false))
        {
            while (await rows.ReadAsync(ct).ConfigureAwait(false))
            {
                foreach (var series in JournalCodec.ReadSeries(rows.GetFieldValue<byte[]>(0)))
                    state.Table.Add(series.Labels, series.Kind, series.Unit, series.Help, series.Id).DeclarationSaved = true;
            }
        }
        var blocks = await LoadBlocksAsync(connection, grain, memoryFrom, ct).ConfigureAwait(false);
        await using var heads = new Statement(connection, "SELECT series, sealed_ms, first_ms, last_ms, count, data FROM metric_heads WHERE grain = @grain");
        await using var headRows = await heads.Set("@grain", grain).ReadAsync(ct).ConfigureAwait(false);
        while (await headRows.ReadAsync(ct).ConfigureAwait(false))
        {
            if (state.Table.Find((int)headRows.GetInt64(0)) is not { } entry) continue;
            var sealedThrough = headRows.GetInt64(1);
            var count = (int)headRows.GetInt64(4);
            var head = count == 0 ? default : new SampleBlock(headRows.GetFieldValue<byte[]>(5), count, headRows.GetInt64(2), headRows.GetInt64(3));
            var saved = blocks.GetValueOrDefault(entry.Id) ?? [];
            // Nothing older in memory: whatever is older, if anything, is in the database.
            entry.Samples.Restore(saved, head, sealedThrough, saved.Count > 0 ? saved[0].First - 1 : sealedThrough);
            state.Restored(entry);
        }
    }

    private static async Task<Dictionary<int, List<SampleBlock>>> LoadBlocksAsync(DbConnection connection, string grain, long memoryFrom, CancellationToken ct)
    {
        await using var select = new Statement(connection, "SELECT series, first_ms, last_ms, count, data FROM metric_chunks WHERE grain = @grain AND last_ms >= @from ORDER BY series, last_ms");
        await using var rows = await select.Set("@grain", grain).Set("@from", memoryFrom).ReadAsync(ct).ConfigureAwait(false);
        var blocks = new Dictionary<int, List<SampleBlock>>();
        while (await rows.ReadAsync(ct).ConfigureAwait(false))
        {
            var id = (int)rows.GetInt64(0);
            if (!blocks.TryGetValue(id, out var list)) blocks.Add(id, list = []);
            list.Add(new SampleBlock(rows.GetFieldValue<byte[]>(4), (int)rows.GetInt64(3), rows.GetInt64(1), rows.GetInt64(2)));
        }
        return blocks;
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
            if (kind == JournalKind.Declarations) state.ApplyDeclarations(no, data, null);
            else if (kind is JournalKind.Histograms or JournalKind.HistogramDeltas) state.ApplyHistograms(no, data, kind == JournalKind.HistogramDeltas, now, tally, null);
            else state.ApplySamples(no, data, kind == JournalKind.Deltas, rows.GetString(2), unchecked((ulong)rows.GetInt64(3)), now, tally, null);
            bytes += data.Length;
        }
        return bytes;
    }
}

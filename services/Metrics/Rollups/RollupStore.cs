using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Rollups;

/// <summary>What the database has of a series in a window.</summary>
/// <param name="Rollups">What stands for samples.</param>
/// <param name="Samples">Those that nothing stands for, and perhaps others; only as far as they are not in memory.</param>
internal sealed record RolledSeries(RollupSeries Rollups, SampleBuffer Samples)
{
    /// <summary>Moment from which on samples in memory may be missing from what is here.</summary>
    public long MemoryFrom { get; init; }
}

/// <summary>The rollups of the service grains in the database, and with them the samples that they do not stand for.</summary>
internal sealed class RollupStore(IDatabase database, RollupReader reader)
{
    /// <summary>Reads windows of several series in rollups as coarse as may be, and in samples where none may be.</summary>
    /// <param name="grain">The grain's key.</param>
    /// <param name="evicted">By the number of each wanted series, the moment up to which its samples may have left memory.</param>
    /// <param name="request">The window.</param>
    /// <param name="maxSamples">After so many it stops.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="InvalidDataException">A page is damaged that nothing else stands in for.</exception>
    public Task<Dictionary<int, RolledSeries>> ReadAsync(string grain, IReadOnlyDictionary<int, long> evicted, RollupRequest request, int maxSamples, CancellationToken ct) =>
        InSnapshotAsync(grain, async samples =>
        {
            var all = new Dictionary<int, RolledSeries>();
            foreach (var some in evicted.GroupBy(e => SeriesEntry.BucketOf(e.Key)).OrderBy(b => b.Key))
            {
                var found = await reader.ReadAsync(samples.Connection, samples.Number, some.Key, [.. some.Select(e => e.Key)], request, ct).ConfigureAwait(false);
                var window = new TimeRange(request.From, request.Through);
                var outOfMemory = some.Max(e => e.Value);
                var buffers = some.ToDictionary(e => e.Key, _ => new SampleBuffer());
                // What is rolled up and not taken; then what came after.
                var open = found.Series.Values.SelectMany(s => s.Open).Select(o => o.Rollup.Time).Where(window.Overlaps).Select(window.Within);
                foreach (var range in TimeRange.Union([.. open, .. found.Holes], RollupReader.GapMs).Where(r => r.First <= outOfMemory))
                    maxSamples -= await samples.ReadAsync(some.Key, range, buffers, maxSamples, 0, ct).ConfigureAwait(false);
                var newer = found.Series.Values.Min(s => Math.Max(s.Through, request.From - 1)) + 1;
                if (newer <= Math.Min(outOfMemory, request.Through))
                    maxSamples -= await samples.ReadAsync(some.Key, new TimeRange(newer, request.Through), buffers, maxSamples, found.RolledPage, ct).ConfigureAwait(false);
                foreach (var (id, series) in found.Series)
                {
                    var oldest = series.Open.Select(o => o.Rollup.FirstTime).Concat(found.Holes.Select(h => h.First)).Append(Math.Max(series.Through, request.From - 1) + 1).Min();
                    all.Add(id, new RolledSeries(series, buffers[id]) { MemoryFrom = Math.Max(oldest, request.From) });
                }
                if (maxSamples < 0) break;
            }
            return all;
        }, ct);

    /// <summary>Reads rollups in place of samples that are deleted, the finest that there are.</summary>
    /// <param name="grain">The grain's key.</param>
    /// <param name="ids">The series that are wanted.</param>
    /// <param name="from">First moment of the window, milliseconds since 1970.</param>
    /// <param name="through">Last moment of the window.</param>
    /// <param name="ct">Gives up.</param>
    /// <returns>The moment up to which samples may be deleted, and by series' number the rollups of before.</returns>
    public Task<(long GoneThrough, Dictionary<int, RollupSeries> Series)> ReadGoneAsync(string grain, IReadOnlyCollection<int> ids, long from, long through, CancellationToken ct) =>
        InSnapshotAsync(grain, async samples =>
        {
            var series = new Dictionary<int, RollupSeries>();
            var gone = (await RollupReader.GoneAsync(samples.Connection, samples.Number, ct).ConfigureAwait(false))[(int)Resolution.Raw];
            if (gone < from) return (gone, series);
            var request = new RollupRequest(from, Math.Min(gone, through), null);
            foreach (var bucket in ids.GroupBy(SeriesEntry.BucketOf))
            {
                var found = await reader.ReadAsync(samples.Connection, samples.Number, bucket.Key, [.. bucket], request, ct).ConfigureAwait(false);
                foreach (var (id, one) in found.Series) series.Add(id, one);
            }
            return (gone, series);
        }, ct);

    private async Task<T> InSnapshotAsync<T>(string grain, Func<StoredSamples, Task<T>> read, CancellationToken ct)
    {
        // Off the grain's turn: SQLite works on the thread that calls it.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        await using var connection = await database.OpenAsync(ct).ConfigureAwait(false);
        // What is rolled up while this reads would be counted twice, or not at all.
        await ExecuteAsync(database.Dialect.BeginSnapshot).ConfigureAwait(false);
        try
        {
            await using var samples = await StoredSamples.OfAsync(connection, grain, ct).ConfigureAwait(false);
            return await read(samples).ConfigureAwait(false);
        }
        finally
        {
            await ExecuteAsync("ROLLBACK").ConfigureAwait(false);
        }

        async Task ExecuteAsync(string sql)
        {
            await using var statement = new Statement(connection, sql);
            await statement.ExecuteAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }
}

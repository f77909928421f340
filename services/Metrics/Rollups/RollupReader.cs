using System.Data.Common;
using Vigil.Metrics.Storage;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Rollups;

/// <summary>What the rollups of a bucket have of a window, and what of it has to be read as samples.</summary>
/// <param name="Series">By number; those without anything are there too.</param>
/// <param name="RolledPage">Pages of samples up to this number are in the rollups.</param>
/// <param name="Holes">Parts of time whose rollups are damaged or deleted: there samples count that lie in none of a series' rollups.</param>
/// <param name="Rollups">How many rollups were looked at.</param>
internal sealed record RollupsFound(IReadOnlyDictionary<int, RollupSeries> Series, long RolledPage, IReadOnlyList<TimeRange> Holes, int Rollups);

/// <summary>
/// Reads rollups from the coarsest down: what a boundary cuts is replaced by what is finer, if that has as many samples as it should, and in the end by the samples. A damaged page is told and
/// counted; what is finer stands in for it.
/// </summary>
internal sealed class RollupReader(MetricsInstruments instruments, ILogger<RollupReader> log)
{
    /// <summary>What is less apart is in one page, as a rule, and read at once.</summary>
    public const long GapMs = 600_000;

    /// <summary>Reads a bucket of series.</summary>
    /// <param name="connection">In a snapshot, see <see cref="SqlDialect.BeginSnapshot"/>.</param>
    /// <param name="grain">The grain's number.</param>
    /// <param name="bucket">The bucket.</param>
    /// <param name="ids">Its series that are wanted.</param>
    /// <param name="request">What is wanted of them.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="InvalidDataException">A page is damaged, and the samples that would stand in for it are deleted.</exception>
    public async Task<RollupsFound> ReadAsync(DbConnection connection, long grain, int bucket, IReadOnlyCollection<int> ids, RollupRequest request, CancellationToken ct)
    {
        var gone = await GoneAsync(connection, grain, ct).ConfigureAwait(false);
        var all = ids.ToDictionary(id => id, _ => new RollupSeries());
        var read = 0;
        List<Hole> roots = [new(new TimeRange(request.From, request.Through), null)];
        foreach (var resolution in request.Useful())
        {
            // Minutes only replace what says how many samples there were.
            var counting = resolution == Resolution.Minute ? [] : roots.ConvertAll(r => r.Time);
            var wanted = TimeRange.Union([.. counting, .. all.Values.SelectMany(s => s.Open).Select(o => o.Rollup.Time)], GapMs);
            var found = ids.ToDictionary(id => id, _ => new List<Rollup>());
            var damaged = await ReadPagesAsync(connection, grain, bucket, resolution, wanted, found, ct).ConfigureAwait(false);
            foreach (var (id, series) in all)
            {
                read += found[id].Count;
                found[id].Sort(static (a, b) => a.FirstTime.CompareTo(b.FirstTime));
                series.Refine(found[id], resolution, counting, request);
            }
            if (resolution == Resolution.Minute) continue;
            if (gone[(int)resolution] > long.MinValue) damaged.Add(new Hole(new TimeRange(long.MinValue, gone[(int)resolution]), null));
            roots = [.. roots.SelectMany(r => damaged.Where(d => r.Time.Overlaps(d.Time)).Select(d => new Hole(r.Time.Within(d.Time), d.Damage ?? r.Damage)))];
        }
        var samplesGone = gone[(int)Resolution.Raw];
        if (roots.Find(r => r.Damage is not null && r.Time.First <= samplesGone).Damage is { } damage)
            throw new InvalidDataException($"{damage.Message}, and its samples are deleted", damage);
        foreach (var series in all.Values) series.Settle(samplesGone);
        return new RollupsFound(all, await RolledPageAsync(connection, grain, bucket, ct).ConfigureAwait(false), TimeRange.Union(roots.Select(r => r.Time), 0), read);
    }

    /// <summary>Up to which moment each resolution may have been deleted; <see cref="long.MinValue"/> where nothing was.</summary>
    public static async Task<long[]> GoneAsync(DbConnection connection, long grain, CancellationToken ct)
    {
        var gone = new[] { long.MinValue, long.MinValue, long.MinValue, long.MinValue };
        await using var select = new Statement(connection, "SELECT resolution, through_ms FROM metric_gone WHERE grain = @grain");
        await using var rows = await select.Set("@grain", grain).ReadAsync(ct).ConfigureAwait(false);
        while (await rows.ReadAsync(ct).ConfigureAwait(false)) gone[(int)rows.GetInt64(0)] = rows.GetInt64(1);
        return gone;
    }

    private async Task<List<Hole>> ReadPagesAsync(
        DbConnection connection, long grain, int bucket, Resolution resolution, List<TimeRange> wanted, Dictionary<int, List<Rollup>> found, CancellationToken ct)
    {
        var (damaged, seen) = (new List<Hole>(), new HashSet<long>());
        await using var select = new Statement(connection, """
            SELECT page, first_ms, last_ms, data FROM metric_rollups
            WHERE grain = @grain AND bucket = @bucket AND resolution = @resolution AND last_ms >= @from AND first_ms <= @through ORDER BY page
            """);
        select.Set("@grain", grain).Set("@bucket", (long)bucket).Set("@resolution", (long)resolution);
        foreach (var range in wanted)
        {
            await using var rows = await select.Set("@from", range.First).Set("@through", range.Last).ReadAsync(ct).ConfigureAwait(false);
            while (await rows.ReadAsync(ct).ConfigureAwait(false))
            {
                var page = rows.GetInt64(0);
                if (!seen.Add(page)) continue;
                try
                {
                    var some = new List<(int Series, Rollup[] Rollups)>();
                    RollupPage.Read(rows.GetFieldValue<byte[]>(3), found.ContainsKey, (series, rollups) => some.Add((series, rollups)));
                    foreach (var (series, rollups) in some) found[series].AddRange(rollups.Where(r => wanted.Exists(r.Time.Overlaps)));
                }
                catch (InvalidDataException e)
                {
                    MetricsLog.RollupPageDamaged(log, page, grain, e);
                    instruments.RollupPagesDamaged.Add(1);
                    damaged.Add(new Hole(new TimeRange(rows.GetInt64(1), rows.GetInt64(2)), new InvalidDataException($"row {page} of metric_rollups: {e.Message}", e)));
                }
            }
        }
        return damaged;
    }

    private static async Task<long> RolledPageAsync(DbConnection connection, long grain, int bucket, CancellationToken ct)
    {
        await using var select = new Statement(connection, "SELECT page FROM metric_rolled WHERE grain = @grain AND bucket = @bucket");
        return await select.Set("@grain", grain).Set("@bucket", (long)bucket).ScalarAsync(ct).ConfigureAwait(false) as long? ?? 0;
    }

    /// <summary>A part of time that a resolution does not have.</summary>
    /// <param name="Damage">Why, where it is not deleted.</param>
    private readonly record struct Hole(TimeRange Time, InvalidDataException? Damage);
}

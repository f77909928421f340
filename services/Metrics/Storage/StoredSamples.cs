using System.Data.Common;
using Vigil.Metrics.Rollups;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Storage;

/// <summary>Reads samples out of the pages of one bucket.</summary>
/// <param name="connection">Where to read.</param>
/// <param name="grain">The grain's key, for messages.</param>
/// <param name="number">The grain's number.</param>
internal sealed class StoredSamples(DbConnection connection, string grain, long number) : IAsyncDisposable
{
    // Held as they are stored until all are unpacked together.
    private const int BatchBytes = 16 * 1024 * 1024;

    private readonly Statement select = new(connection, """
        SELECT page, data FROM metric_pages WHERE grain = @grain AND bucket = @bucket AND last_ms >= @from AND first_ms <= @through AND page > @after ORDER BY page
        """);

    /// <summary>Opens the pages of a grain; none are there where the grain is not known.</summary>
    public static async Task<StoredSamples> OfAsync(DbConnection connection, string grain, CancellationToken ct)
    {
        await using var number = new Statement(connection, "SELECT number FROM metric_grains WHERE grain = @grain");
        return new StoredSamples(connection, grain, await number.Set("@grain", grain).ScalarAsync(ct).ConfigureAwait(false) as long? ?? 0);
    }

    /// <summary>The grain's number.</summary>
    public long Number => number;

    /// <summary>Where they are read.</summary>
    public DbConnection Connection => connection;

    /// <summary>Adds the samples in a range of time that are newer than those that are there.</summary>
    /// <param name="bucket">The bucket.</param>
    /// <param name="range">Both ends included.</param>
    /// <param name="wanted">By series' number, where to.</param>
    /// <param name="maxSamples">After so many it stops.</param>
    /// <param name="after">Only pages with a higher number.</param>
    /// <param name="ct">Gives up.</param>
    /// <returns>Samples added.</returns>
    /// <exception cref="InvalidDataException">A page is damaged.</exception>
    public async Task<int> ReadAsync(int bucket, TimeRange range, IReadOnlyDictionary<int, SampleBuffer> wanted, int maxSamples, long after, CancellationToken ct)
    {
        var added = 0;
        select.Set("@grain", number).Set("@bucket", (long)bucket).Set("@from", range.First).Set("@through", range.Last).Set("@after", after);
        await using var rows = await select.ReadAsync(ct).ConfigureAwait(false);
        var batch = new PageBatch(grain, range, wanted);
        while (added <= maxSamples && await rows.ReadAsync(ct).ConfigureAwait(false))
        {
            added += batch.Add(rows.GetInt64(0), rows.GetFieldValue<byte[]>(1));
            if (batch.Bytes < BatchBytes) continue;
            batch.Unpack(ct);
            batch = new PageBatch(grain, range, wanted);
        }
        batch.Unpack(ct);
        return added;
    }

    public ValueTask DisposeAsync() => select.DisposeAsync();
}

using System.Data.Common;
using Microsoft.Extensions.DependencyInjection;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;
using Vigil.Metrics.Tests.Series;
using Vigil.Metrics.Tests.Service;
using Vigil.ServiceDefaults;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Storage;

/// <summary>What schema version 1 held is there after the upgrade, sample for sample, and goes on.</summary>
public sealed class LegacyTablesTests
{
    private const long Start = 1_700_000_000_000;

    [Fact]
    public Task Load_OfAGrainInTheOldTables_FindsEverySample_Sqlite() => UpgradeAsync(null);

    [FactNeeds("postgres")]
    public async Task Load_OfAGrainInTheOldTables_FindsEverySample_Postgres() => await UpgradeAsync(await PostgresServer.NewDatabaseAsync());

    private static async Task UpgradeAsync(string? postgres)
    {
        await using var host = await MetricsHost.StartAsync(postgres: postgres);
        var store = host.Services.GetRequiredService<MetricsStore>();
        var database = host.Services.GetRequiredService<IDatabase>();
        await store.AddGrainAsync(new KnownGrain("g", "api"), CancellationToken.None);
        await store.AddGrainAsync(new KnownGrain("h", "api"), CancellationToken.None);
        // In two buckets, and one in another grain.
        (string Grain, int Series)[] all = [("g", 1), ("g", 2), ("g", SeriesEntry.BucketSize + 5), ("h", 1)];
        foreach (var (grain, series) in all) await WriteOldAsync(database, grain, series);

        var (state, _) = await store.LoadAsync("g", Start + 240_000, Start, CancellationToken.None).DefaultTimeout();
        Assert.Equal(3, state.Table.Count);
        foreach (var entry in state.Table.All)
        {
            Assert.Equal((SeriesKind.Counter, "s", "help"), (entry.Kind, entry.Unit, entry.Help));
            Assert.Equal((Start + 239_000, Start + 239_000, 40), (entry.Samples.SealedThrough, entry.EvictedThrough, entry.Samples.Count(entry.Cells)));
            var samples = new SampleBuffer();
            await store.ReadSamplesAsync("g", 0, entry.EvictedThrough, new Dictionary<int, SampleBuffer> { [entry.Id] = samples }, int.MaxValue, CancellationToken.None).DefaultTimeout();
            entry.Read(samples.Times[^1] + 1, long.MaxValue, samples);
            Assert.Equal(Enumerable.Range(0, 280).Select(i => Start + i * 1_000L), samples.Times.ToArray());
            Assert.Equal(Enumerable.Range(0, 280).Select(i => Value(entry.Id, i)), samples.Values.ToArray());
            Assert.Equal(AppendOutcome.Duplicate, entry.Append(Start + 279_000, Value(entry.Id, 279)));
            Assert.Equal(AppendOutcome.TooOld, entry.Append(Start + 239_000, 0));
        }
        Assert.Equal(2L, await CountAsync(database, "metric_chunks"));
        var (whole, _) = await store.LoadAsync("g", 0, Start, CancellationToken.None).DefaultTimeout();
        Assert.Equal((3, 3 * 280L), (whole.Table.Count, whole.Table.Samples));
        foreach (var entry in whole.Table.All)
        {
            var samples = new SampleBuffer();
            entry.Read(0, long.MaxValue, samples);
            Assert.Equal(Enumerable.Range(0, 280).Select(i => Value(entry.Id, i)), samples.Values.ToArray());
        }
        Assert.Equal(1, (await store.LoadAsync("h", 0, Start, CancellationToken.None).DefaultTimeout()).State.Table.Count);
        foreach (var table in new[] { "metric_series", "metric_heads", "metric_chunks" }) Assert.Equal(0L, await CountAsync(database, table));
    }

    [Fact]
    public async Task Query_OfAServiceWhosePageIsDamaged_IsRefusedClearly_AndOthersAnswer()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MemoryWindow", "00:01:00")]);
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        foreach (var job in new[] { "good", "bad" })
        {
            using var client = await host.OpenAsync(job, ("job", job));
            await client.DeclareAsync(1, "m");
            await client.SendAsync(1, [.. Enumerable.Range(0, 400).Select(i => (1u, now - (399 - i) * 1000L, (double)i))]);
            await client.AckAsync();
            await host.Grain(job).CheckpointAsync().DefaultTimeout();
        }
        var database = host.Services.GetRequiredService<IDatabase>();
        await ExecuteAsync(database, "UPDATE metric_pages SET data = substr(data, 1, 20) || x'00' || substr(data, 22) WHERE grain = (SELECT number FROM metric_grains WHERE grain = 'bad')");
        var refused = await Assert.ThrowsAnyAsync<Exception>(() => host.ValueAsync("count_over_time(m{job=\"bad\"}[10m])", now));
        Assert.Contains("damaged", refused.Message);
        Assert.Equal(400, await host.ValueAsync("count_over_time(m{job=\"good\"}[10m])", now));
        // What is in memory is not affected, and new samples are taken.
        Assert.Equal(399, await host.ValueAsync("m{job=\"bad\"}", now));

        await ExecuteAsync(database, "UPDATE metric_open SET data = x'01' WHERE grain = (SELECT number FROM metric_grains WHERE grain = 'bad')");
        var store = host.Services.GetRequiredService<MetricsStore>();
        Assert.Contains("of bad", (await Assert.ThrowsAsync<InvalidDataException>(() => store.LoadAsync("bad", 0, now, CancellationToken.None))).Message);
        Assert.Single((await store.LoadAsync("good", 0, now, CancellationToken.None)).State.Table.All);
    }

    private static double Value(int series, int i) => series == 1 ? i * 10 : series == 2 ? 0.5 : Math.Sqrt(i);

    private static async Task WriteOldAsync(IDatabase database, string grain, int series)
    {
        var labels = LabelSet.Of("__name__", "m", "job", "api", "i", $"{series}");
        await database.WriteRowsAsync(0, (rows, _) =>
        {
            rows.Begin("INSERT INTO metric_series (grain, series, declaration) VALUES ($1, $2, $3)").Bind(grain).Bind(series)
                .Bind(JournalCodec.WriteSeries([new DeclaredSeries(series, labels, SeriesKind.Counter, "s", "help")])).Run();
            for (var block = 0; block < 2; block++)
            {
                rows.Begin("INSERT INTO metric_chunks (grain, series, last_ms, first_ms, count, data) VALUES ($1, $2, $3, $4, $5, $6)").Bind(grain).Bind(series)
                    .Bind(Start + (block * 120 + 119) * 1_000).Bind(Start + block * 120_000).Bind(120).Bind(Old(series, block * 120, 120)).Run();
            }
            rows.Begin("INSERT INTO metric_heads (grain, series, sealed_ms, last_ms, first_ms, count, data) VALUES ($1, $2, $3, $4, $5, $6, $7)").Bind(grain).Bind(series)
                .Bind(Start + 239_000).Bind(Start + 279_000).Bind(Start + 240_000).Bind(40).Bind(Old(series, 240, 40)).Run();
        });
    }

    // One of the forms that version 1 could write: each XOR with a window of its own.
    private static byte[] Old(int series, int from, int count)
    {
        var data = new byte[4096];
        var bits = new BitSink(data, 0);
        bits.Put((ulong)(Start + from * 1_000), 64);
        var previous = BitConverter.DoubleToUInt64Bits(Value(series, from));
        bits.Put(previous, 64);
        for (var i = 1; i < count; i++)
        {
            // The second time is a step of 1,000 in 14 bits; the others are regular.
            if (i == 1) bits.Put((0b10UL << 14) | 1_000, 16);
            else bits.Put(0, 1);
            var value = BitConverter.DoubleToUInt64Bits(Value(series, from + i));
            if (value == previous)
            {
                bits.Put(0, 1);
            }
            else
            {
                bits.Put(0b11UL << 11, 13);
                bits.Put(value ^ previous, 64);
            }
            previous = value;
        }
        return data[..((bits.Position + 7) / 8)];
    }

    private static async Task<long> CountAsync(IDatabase database, string table)
    {
        await using var connection = await database.OpenAsync();
        await using var count = connection.CreateCommand();
        count.CommandText = $"SELECT COUNT(*) FROM {table}";
        return (long)(await count.ExecuteScalarAsync())!;
    }

    private static async Task ExecuteAsync(IDatabase database, string sql) => await database.WriteAsync(async (transaction, ct) =>
    {
        await using DbCommand command = transaction.Connection!.CreateCommand();
        (command.Transaction, command.CommandText) = (transaction, sql);
        await command.ExecuteNonQueryAsync(ct);
    }).DefaultTimeout();
}

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

/// <summary>
/// What a grain that is killed finds when it starts again, at each step of the way of a row and of a checkpoint. Loading reads
/// nothing but the database, so loading at a step is what a restart at that step sees.
/// </summary>
public sealed class CheckpointTests
{
    private const long Start = 1_700_000_000_000;
    private static readonly LabelSet Labels = LabelSet.Of("__name__", "m", "job", "api");

    [Fact]
    public Task Load_AtEachStepOfACheckpoint_FindsEverySampleOnce_Sqlite() => EachStepAsync(null);

    [FactNeeds("postgres")]
    public async Task Load_AtEachStepOfACheckpoint_FindsEverySampleOnce_Postgres() => await EachStepAsync(await PostgresServer.NewDatabaseAsync());

    private static async Task EachStepAsync(string? postgres)
    {
        await using var host = await MetricsHost.StartAsync(postgres: postgres);
        var store = host.Services.GetRequiredService<MetricsStore>();
        var journal = host.Services.GetRequiredService<Journal>();
        await store.AddGrainAsync(new KnownGrain("g", "api"), CancellationToken.None);
        var live = new ServiceSeries();
        var line = new JournalLine();
        long row = 0;

        await AppendAsync(JournalKind.Declarations, 0, JournalCodec.WriteSeries([new DeclaredSeries(1, Labels, SeriesKind.Gauge, "s", "help")]));
        await AssertSameAsync("after the declaration");
        // Enough for several sealed blocks, with late samples among them.
        for (var frame = 1; frame <= 50; frame++)
        {
            var samples = Enumerable.Range(0, 10).Select(i => (1, Start + (frame * 10 + i - (i == 9 ? 15 : 0)) * 1000L, (double)(frame * 10 + i))).ToArray();
            await AppendAsync(JournalKind.Samples, (ulong)frame, JournalCodecTests.Write(samples));
        }
        await AssertSameAsync("after the samples");

        var entry = live.Table.Find(1)!.Value;
        var through = live.AppliedRow;
        var streams = live.Streams.ToArray();
        var step = new CheckpointStep();
        var saved = step.Fill(live.Table, entry.Bucket, declare: false);
        Assert.Equal(1, step.Count);
        await store.SaveBucketAsync("g", saved, CancellationToken.None);
        await AssertSameAsync("after the series were written and before the journal was trimmed");
        // Whether a write that ended in an error was made is not known: it is made once more.
        step.Failed();
        await store.SaveBucketAsync("g", step.Fill(live.Table, entry.Bucket, declare: false), CancellationToken.None);
        Assert.Equal(1, step.Count);
        step.Succeeded(long.MinValue, int.MaxValue);
        await AssertSameAsync("after they were written twice");

        // Samples go on coming between the steps: their rows must outlive the trim.
        await AppendAsync(JournalKind.Samples, 51, JournalCodecTests.Write([(1, Start + 900_000, 1)]));
        await AppendAsync(JournalKind.Deltas, 52, JournalCodecTests.Write([(1, Start + 901_000, 5)]));
        await AssertSameAsync("with rows after the series were written");
        await store.FinishCheckpointAsync("g", through, live.Table.NextId, streams, CancellationToken.None);
        await AssertSameAsync("after the journal was trimmed");

        // The same checkpoint once more, as after a kill between its steps.
        entry.Samples.RestoreUnsaved();
        await store.SaveBucketAsync("g", step.Fill(live.Table, entry.Bucket, declare: false), CancellationToken.None);
        await AssertSameAsync("with a later head beside the rows that are in it");
        Assert.Equal(52ul, live.Streams["s"].Sequence);

        async Task AppendAsync(JournalKind kind, ulong sequence, byte[] data)
        {
            await journal.AppendAsync(line, Row(++row, kind, kind == JournalKind.Declarations ? "" : "s", sequence, data)).DefaultTimeout();
            if (kind == JournalKind.Declarations) live.ApplyDeclarations(row, data, null);
            else live.ApplySamples(row, data, kind == JournalKind.Deltas, "s", sequence, Start, new AppendTally(), null);
        }

        async Task AssertSameAsync(string moment)
        {
            var (found, _) = await store.LoadAsync("g", long.MinValue, Start, CancellationToken.None).DefaultTimeout();
            Assert.True(live.AppliedRow == found.AppliedRow, moment);
            Assert.True(live.Table.NextId == found.Table.NextId, moment);
            Assert.Equal(live.Streams.ToDictionary(s => s.Key, s => s.Value.Sequence), found.Streams.ToDictionary(s => s.Key, s => s.Value.Sequence));
            var restored = found.Table.Find(Labels)!.Value;
            Assert.True(restored is { Id: 1, Kind: SeriesKind.Gauge, Unit: "s", Help: "help" }, moment);
            Assert.True(Read(live.Table.Find(1)!.Value).SequenceEqual(Read(restored)), moment);
            Assert.True(live.Table.Find(1)!.Value.Samples.SealedThrough == restored.Samples.SealedThrough, moment);
        }
    }

    [Fact]
    public async Task Journal_RowOfAStaleActivation_FailsAndChangesNothing()
    {
        await using var host = await MetricsHost.StartAsync();
        var journal = host.Services.GetRequiredService<Journal>();
        var line = new JournalLine();
        var data = JournalCodecTests.Write([(1, Start, 1)]);
        await journal.AppendAsync(line, Row(1, JournalKind.Samples, "s", 1, data)).DefaultTimeout();
        await Assert.ThrowsAsync<JournalException>(() => journal.AppendAsync(new JournalLine(), Row(1, JournalKind.Samples, "t", 9, data)).DefaultTimeout());
        await journal.AppendAsync(line, Row(2, JournalKind.Samples, "s", 2, data)).DefaultTimeout();
        var (state, _) = await host.Services.GetRequiredService<MetricsStore>().LoadAsync("g", 0, Start, CancellationToken.None).DefaultTimeout();
        Assert.Equal(["s"], state.Streams.Keys);
    }

    [Fact]
    public async Task Append_RowFailsAndTheNextCouldBeStored_NeitherIsAndResendingStoresBoth()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:JournalBatchRows", "1")]);
        var database = host.Services.GetRequiredService<IDatabase>();
        var id = (await host.Grain("api").DeclareAsync(new DeclareBatch { Series = [new SeriesSpec { Labels = Labels, Kind = SeriesKind.Gauge, Unit = "", Help = "" }] }).DefaultTimeout()).Ids[0];
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        Assert.Equal(1, (await AppendAsync(1)).Accepted);
        await ExecuteAsync("CREATE TRIGGER full BEFORE INSERT ON metric_journal WHEN NEW.sequence = 2 BEGIN SELECT RAISE(ABORT, 'the disk is full'); END");

        // Both rows wait for SQLite's one writer before the first of them fails.
        var release = new TaskCompletionSource();
        var held = database.WriteAsync(async (_, _) => await release.Task).AsTask();
        var (second, third) = (AppendAsync(2), AppendAsync(3));
        await host.Grain("api").GetStatusAsync().DefaultTimeout();
        release.SetResult();
        await held.DefaultTimeout();
        await Assert.ThrowsAsync<ServiceUnavailableException>(() => second);
        await Assert.ThrowsAsync<ServiceUnavailableException>(() => third);

        await ExecuteAsync("DROP TRIGGER full");
        Assert.Equal((1, 0), await AgainAsync(2));
        Assert.Equal((1, 0), await AgainAsync(3));
        Assert.Equal(3, await host.ValueAsync("count_over_time(m[1m])", now + 10));

        Task<AppendReply> AppendAsync(int sequence) => host.Grain("api").AppendAsync(new AppendBatch
        {
            StreamId = "s",
            Sequence = (ulong)sequence,
            Previous = (ulong)sequence - 1,
            Count = 1,
            Series = [id],
            Times = [now + sequence],
            Values = [sequence],
            ReceivedUnixUs = 1,
        }).DefaultTimeout();

        async Task<(int, int)> AgainAsync(int sequence)
        {
            var reply = await AppendAsync(sequence);
            return (reply.Accepted, reply.Duplicates);
        }

        async Task ExecuteAsync(string sql) => await database.WriteAsync(async (transaction, ct) =>
        {
            await using var command = transaction.Connection!.CreateCommand();
            (command.Transaction, command.CommandText) = (transaction, sql);
            await command.ExecuteNonQueryAsync(ct);
        }).DefaultTimeout();
    }

    [Fact]
    public async Task Checkpoint_LetsOldSamplesLeaveMemory_AndQueriesStillFindThem()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MemoryWindow", "00:01:00")]);
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync(1, "m");
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        var samples = Enumerable.Range(0, 1000).Select(i => (1u, now - (999 - i) * 1000L, (double)i)).ToArray();
        await client.SendAsync(1, samples);
        await client.AckAsync();
        await host.Grain("api").CheckpointAsync().DefaultTimeout();
        var status = await host.Grain("api").GetStatusAsync();
        Assert.InRange(status.SamplesInMemory, 60, 300);
        Assert.Equal(0, status.JournalBytes);
        Assert.Equal(1000, await host.ValueAsync("count_over_time(m[20m])", now));
        Assert.Equal(500, await host.ValueAsync("m", now - 499_000));
    }

    [Fact]
    public async Task Checkpoint_MoreSamplesOfASeriesThanMayBeInMemory_LetsTheOldestLeave_AndQueriesStillFindThem()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxSamplesInMemoryPerSeries", "240")]);
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync(1, "m");
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        await client.SendAsync(1, [.. Enumerable.Range(0, 240).Select(i => (1u, now - (240 - i) * 1000L, 1.0))]);
        await client.AckAsync();
        await host.Grain("api").CheckpointAsync().DefaultTimeout();
        Assert.Equal(240, (await host.Grain("api").GetStatusAsync().DefaultTimeout()).SamplesInMemory);

        await client.SendAsync(2, (1, now, 1));
        await client.AckAsync();
        await host.Grain("api").CheckpointAsync().DefaultTimeout();
        // They leave by the block.
        Assert.InRange((await host.Grain("api").GetStatusAsync().DefaultTimeout()).SamplesInMemory, 1, 239);
        Assert.Equal(241, await host.ValueAsync("count_over_time(m[10m])", now));
    }

    [Fact]
    public async Task Checkpoint_ByTheClock_DeletesWhatIsOlderThanTheRetention()
    {
        var clock = new FakeClock();
        await using var host = await MetricsHost.StartAsync(clock: clock, settings: [("Metrics:MemoryWindow", "00:10:00"), ("Metrics:Retention", "1.00:00:00")]);
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync(1, "m");
        var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        await client.SendAsync(1, [.. Enumerable.Range(0, 400).Select(i => (1u, now - (400 - i) * 1000L, 1.0))]);
        await client.AckAsync();
        var grain = host.Grain("api");
        await grain.CheckpointAsync().DefaultTimeout();
        var store = host.Services.GetRequiredService<MetricsStore>();
        Assert.NotEqual(0, await StoredAsync(store));
        clock.Advance(TimeSpan.FromDays(1) + TimeSpan.FromHours(1));
        // The first writes the head out and lets the blocks go; the series itself goes with the hour after.
        await grain.CheckpointAsync().DefaultTimeout();
        clock.Advance(TimeSpan.FromHours(2));
        await grain.CheckpointAsync().DefaultTimeout();
        Assert.Equal(0, await StoredAsync(store));
        Assert.Equal(0, (await grain.GetStatusAsync().DefaultTimeout()).Series);
        // Nor is it found after a restart.
        Assert.Empty((await store.LoadAsync("api", 0, now, CancellationToken.None)).State.Table.All);
    }

    [Fact]
    public async Task Shrink_AfterALongJournal_GivesTheDiskBack_AndWhatIsStoredStays()
    {
        await using var host = await MetricsHost.StartAsync();
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync(1, "m");
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        var database = host.Services.GetRequiredService<IDatabase>();
        var store = host.Services.GetRequiredService<MetricsStore>();
        await database.WriteRowsAsync(new byte[1024 * 1024], static (rows, data) =>
        {
            for (var no = 1; no <= 40; no++)
                rows.Begin("INSERT INTO metric_journal (grain, no, kind, stream, sequence, data) VALUES ($1, $2, $3, $4, $5, $6)").Bind("other").Bind(no).Bind(2).Bind("").Bind(0).Bind(data).Run();
        });
        await client.SendAsync(1, [.. Enumerable.Range(0, 300).Select(i => (1u, now - (299 - i) * 1000L, (double)i))]);
        await client.AckAsync();
        await store.ShrinkAsync(CancellationToken.None);
        Assert.InRange(await PagesAsync(), 10_000, 12_000);
        await database.WriteRowsAsync(0, static (rows, _) => rows.Begin("DELETE FROM metric_journal WHERE grain = 'other'").Run());
        await store.ShrinkAsync(CancellationToken.None);
        // Some are kept for the next journal.
        Assert.InRange(await PagesAsync(), 1, 6_000);
        await host.Grain("api").CheckpointAsync().DefaultTimeout();
        Assert.Equal(300, await host.ValueAsync("count_over_time(m[10m])", now));

        async Task<long> PagesAsync()
        {
            await using var connection = await database.OpenAsync();
            await using var count = connection.CreateCommand();
            count.CommandText = "PRAGMA page_count";
            return (long)(await count.ExecuteScalarAsync())!;
        }
    }

    private static async Task<int> StoredAsync(MetricsStore store)
    {
        var samples = new SampleBuffer();
        await store.ReadSamplesAsync("api", 0, long.MaxValue, new Dictionary<int, SampleBuffer> { [1] = samples }, int.MaxValue, CancellationToken.None).DefaultTimeout();
        return samples.Count;
    }

    private static JournalRow Row(long no, JournalKind kind, string stream, ulong sequence, byte[] data) =>
        new("g") { No = no, Kind = kind, Stream = stream, Sequence = sequence, Data = data };

    [Fact]
    public async Task Client_SeriesThatTheRetentionDropped_IsStoredAgainWithoutReconnecting()
    {
        var clock = new FakeClock();
        await using var host = await MetricsHost.StartAsync(clock: clock, settings: [("Metrics:MemoryWindow", "00:10:00"), ("Metrics:Retention", "1.00:00:00")]);
        using var client = new Client.VigilClient(new Client.VigilClientOptions { MetricsAddress = host.GrpcAddress, Token = MetricsHost.Token });
        await using var pusher = client.OpenPusher(new Client.MetricsPusherOptions { Labels = new Dictionary<string, string> { ["job"] = "api" } });
        var series = pusher.Declare("m");
        pusher.Record(series, 1, clock.GetUtcNow());
        await pusher.FlushDurableAsync().DefaultTimeout();
        var grain = host.Grain("api");
        await grain.CheckpointAsync().DefaultTimeout();
        clock.Advance(TimeSpan.FromHours(25));
        await grain.CheckpointAsync().DefaultTimeout();
        clock.Advance(TimeSpan.FromHours(2));
        await grain.CheckpointAsync().DefaultTimeout();
        Assert.Equal(0, (await grain.GetStatusAsync().DefaultTimeout()).Series);

        pusher.Record(series, 2, clock.GetUtcNow());
        await pusher.FlushDurableAsync().DefaultTimeout();

        Assert.Equal(new Client.PusherStatistics(Recorded: 2, Accepted: 2, Refused: 0, Duplicate: 0, Unacknowledged: 0, Reconnects: 0, Resent: 1), pusher.Statistics);
        Assert.Equal(2, await host.ValueAsync("m", clock.GetUtcNow().ToUnixTimeMilliseconds()));
    }

    private static List<(long, double)> Read(SeriesEntry samples)
    {
        var all = new SampleBuffer();
        samples.Read(long.MinValue, long.MaxValue, all);
        var list = new List<(long, double)>();
        for (var i = 0; i < all.Count; i++) list.Add((all.Times[i], all.Values[i]));
        return list;
    }
}

using Grpc.Core;
using Grpc.Reflection.V1;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Vigil.Metrics.Api;
using Vigil.Metrics.Series;
using Vigil.Metrics.V1;
using Vigil.ServiceDefaults;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Service;

public sealed class PushTests
{
    private static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

    [Fact]
    public async Task Push_DatabaseThatCannotBeWritten_AcknowledgesNothingAndSaysWhy_AndTakesTheResentFrameAfterwards()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Storage:BusyTimeout", "00:00:00.05")]);
        using (var client = await host.OpenAsync("s1", ("job", "api")))
        {
            await client.DeclareAsync(1, "m");
            await client.SendAsync(1, (1, Now, 1));
            await client.AckAsync();
            await using var other = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={Path.Combine(host.Directory, "metrics.db")};Pooling=False");
            await other.OpenAsync();
            await using var holding = other.BeginTransaction(deferred: false);
            await client.SendAsync(2, (1, Now, 2));
            var failure = await client.FailureAsync();
            Assert.Equal(StatusCode.Unavailable, failure.StatusCode);
            Assert.Contains("the database is locked by another program", failure.Status.Detail);
            Assert.DoesNotContain(host.Directory, failure.Status.Detail);
        }
        using var again = await host.OpenAsync("s1", ("job", "api"));
        await again.DeclareAsync(1, "m");
        await again.SendAsync(2, (1, Now, 2));
        Assert.Equal(1u, (await again.AckAsync()).Accepted);
        Assert.Equal(2, await host.ValueAsync("m"));
    }

    [Theory]
    [InlineData("metric_grains")]
    [InlineData("metric_series")]
    public async Task Push_DatabaseThatCannotBeRead_IsUnavailableAndTheSameCallDoesAfterwards(string table)
    {
        await using var host = await MetricsHost.StartAsync();
        await ExecuteAsync(host, $"ALTER TABLE {table} RENAME TO gone");
        using (var client = await host.OpenAsync("s1", ("job", "api")))
        {
            await client.DeclareAsync(1, "m");
            var failure = await client.FailureAsync();
            Assert.Equal(StatusCode.Unavailable, failure.StatusCode);
            Assert.Contains("the log says why", failure.Status.Detail);
        }
        await ExecuteAsync(host, $"ALTER TABLE gone RENAME TO {table}");
        using var again = await host.OpenAsync("s1", ("job", "api"));
        await again.DeclareAsync(1, "m");
        await again.SendAsync(1, (1, Now, 1));
        Assert.Equal(1u, (await again.AckAsync()).Accepted);
    }

    private static async Task ExecuteAsync(MetricsHost host, string sql) => await host.Services.GetRequiredService<IDatabase>().WriteAsync(async (transaction, ct) =>
    {
        await using var command = transaction.Connection!.CreateCommand();
        (command.Transaction, command.CommandText) = (transaction, sql);
        await command.ExecuteNonQueryAsync(ct);
    }).DefaultTimeout();

    [Fact]
    public Task Push_Samples_AreAcknowledgedAndFound_Sqlite() => PushAndFindAsync(null);

    [FactNeeds("postgres")]
    public async Task Push_Samples_AreAcknowledgedAndFound_Postgres() => await PushAndFindAsync(await PostgresServer.NewDatabaseAsync());

    private static async Task PushAndFindAsync(string? postgres)
    {
        await using var host = await MetricsHost.StartAsync(postgres: postgres);
        using var client = await host.OpenAsync("s1", ("job", "api"), ("instance", "i1"));
        await client.DeclareAsync(1, "up");
        await client.DeclareAsync(2, "http_requests_total", ("code", "500"));
        var now = Now;
        await client.SendAsync(1, (1, now, 1), (2, now - 1000, 7), (2, now, 9));
        var ack = await client.AckAsync();
        Assert.Equal((1ul, 3u, 0u, 0u), (ack.Sequence, ack.Accepted, ack.Refused, ack.Duplicate));
        await client.CloseAsync();
        // M17's first KPI, as printed.
        Assert.Equal(100, await host.ValueAsync("up*100"));
        Assert.Equal(9, await host.ValueAsync("http_requests_total{job=\"api\",code=~\"5..\"}"));
        var status = await host.Grain("api").GetStatusAsync().DefaultTimeout();
        Assert.Equal((2, 3L, (long?)now), (status.Series, status.SamplesInMemory, status.LastSampleUnixMs));
    }

    [Fact]
    public Task Push_ResentAfterAReconnectAndARestart_CountsOnce_Sqlite() => ResendAsync(null);

    [FactNeeds("postgres")]
    public async Task Push_ResentAfterAReconnectAndARestart_CountsOnce_Postgres() => await ResendAsync(await PostgresServer.NewDatabaseAsync());

    private static async Task ResendAsync(string? postgres)
    {
        var folder = Directory.CreateTempSubdirectory("vigil-metrics-").FullName;
        var now = Now;
        await using (var host = await MetricsHost.StartAsync(folder, postgres))
        {
            using (var first = await host.OpenAsync("s1", ("job", "api")))
            {
                await first.DeclareAsync(1, "m");
                for (ulong i = 1; i <= 3; i++)
                {
                    await first.SendAsync(i, (1, now + (long)i, i));
                    await first.AckAsync();
                }
            }
            using var again = await host.OpenAsync("s1", ("job", "api"));
            await again.DeclareAsync(9, "m");
            await again.SendAsync(3, (9, now + 3, 3));
            var ack = await again.AckAsync();
            Assert.Equal((3ul, 0u, 1u), (ack.Sequence, ack.Accepted, ack.Duplicate));
            await again.SendAsync(4, (9, now + 4, 4));
            Assert.Equal(1u, (await again.AckAsync()).Accepted);
        }
        await using (var host = await MetricsHost.StartAsync(folder, postgres))
        {
            // Found before anything is written to it.
            Assert.Equal(4, await host.ValueAsync("count_over_time(m[1m])", now + 10));
            using var client = await host.OpenAsync("s1", ("job", "api"));
            await client.DeclareAsync(1, "m");
            // The frame is known by its number, whatever is in it now.
            await client.SendAsync(4, (1, now + 400, 5));
            Assert.Equal(1u, (await client.AckAsync()).Duplicate);
            await client.SendAsync(5, (1, now + 5, 5));
            Assert.Equal(1u, (await client.AckAsync()).Accepted);
            Assert.Equal(5, await host.ValueAsync("count_over_time(m[1m])", now + 500));
        }
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Push_BadSamples_AreRefusedByNameAndTheStreamGoesOn()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxSamplesPerFrame", "4")]);
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync(PushClient.Series(1, "m"), PushClient.Series(2, ""), PushClient.Series(3, "m", ("", "x")));
        Assert.Equal((2u, RefusalReason.BadName), Of(await client.RefusalAsync()));
        Assert.Equal((3u, RefusalReason.BadLabel), Of(await client.RefusalAsync()));
        await client.DeclareAsync(PushClient.Series(4, "m", ("job", " ")), PushClient.Series(5, "m", ("job", "a\0b")));
        Assert.Equal((4u, RefusalReason.BadLabel), Of(await client.RefusalAsync()));
        Assert.Equal((5u, RefusalReason.BadLabel), Of(await client.RefusalAsync()));
        await client.DeclareAsync(1, "other");
        Assert.Equal((1u, RefusalReason.ConflictingDeclaration), Of(await client.RefusalAsync()));

        var now = Now;
        await client.SendAsync(1, (1, now, 1), (7, now, 1), (7, now, 2), (1, now + 3_600_000, 1));
        var undeclared = await client.RefusalAsync();
        Assert.Equal((7u, RefusalReason.UndeclaredSeries), Of(undeclared));
        Assert.Equal((1ul, 2u), (undeclared.Sequence, undeclared.Samples));
        var ahead = await client.RefusalAsync();
        Assert.Equal((1u, RefusalReason.TooFarAhead), Of(ahead));
        Assert.Equal("m{job=\"api\"}", ahead.Series);
        Assert.Contains("Metrics:MaxAhead", ahead.Detail);
        var ack = await client.AckAsync();
        Assert.Equal((1u, 3u), (ack.Accepted, ack.Refused));

        await client.SendAsync(2, (1, now, 2), (1, now, 1), (1, now - 40L * 86_400_000, 1));
        Assert.Equal([RefusalReason.ConflictingDuplicate, RefusalReason.TooOld], new[] { (await client.RefusalAsync()).Reason, (await client.RefusalAsync()).Reason }.Order().Reverse());
        ack = await client.AckAsync();
        Assert.Equal((0u, 2u, 1u), (ack.Accepted, ack.Refused, ack.Duplicate));

        await client.SendAsync(3, (1, now + 1, 1), (1, now + 2, 1), (1, now + 3, 1), (1, now + 4, 1), (1, now + 5, 1));
        Assert.Equal(RefusalReason.FrameTooLarge, (await client.RefusalAsync()).Reason);
        Assert.Equal(5u, (await client.AckAsync()).Refused);
        await client.SendAsync(4, (1, now + 1, 1), (1, now + 2, 1), (1, now + 3, 1), (1, now + 4, 1));
        Assert.Equal(4u, (await client.AckAsync()).Accepted);

        static (uint, RefusalReason) Of(V1.Refusal refusal) => (refusal.SeriesId, refusal.Reason);
    }

    [Fact]
    public async Task Push_SampleAsFarAheadAsAllowed_IsTaken_AndAMillisecondFurtherIsNot()
    {
        var clock = new FakeClock();
        await using var host = await MetricsHost.StartAsync(clock: clock, settings: [("Metrics:MaxAhead", "00:05:00")]);
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync(1, "m");
        var furthest = clock.GetUtcNow().AddMinutes(5).ToUnixTimeMilliseconds();
        await client.SendAsync(1, (1, furthest, 1), (1, furthest + 1, 2));
        var refusal = await client.RefusalAsync();
        Assert.Equal((RefusalReason.TooFarAhead, 1u), (refusal.Reason, refusal.Samples));
        Assert.Contains("Metrics:MaxAhead", refusal.Detail);
        Assert.Equal(1u, (await client.AckAsync()).Accepted);
        Assert.Equal(1, await host.ValueAsync("m", furthest + 1));
    }

    [Theory]
    [InlineData(RefusalList.MaxListed, 0)]
    [InlineData(RefusalList.MaxListed + 1, 1)]
    [InlineData(10_000, 10_000 - RefusalList.MaxListed)]
    public async Task Push_ManyRefusalsOfOneMessage_ListsTheFirstAndCountsTheRest(int bad, int unlisted)
    {
        await using var host = await MetricsHost.StartAsync();
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync([.. Enumerable.Range(1, bad).Select(i => PushClient.Series((uint)i, ""))]);
        await CheckAsync(RefusalReason.BadName, samples: 0);

        await client.SendAsync(1, [.. Enumerable.Range(1, bad).Select(i => ((uint)i, Now, 1.0))]);
        await CheckAsync(RefusalReason.UndeclaredSeries, samples: 1);
        Assert.Equal((uint)bad, (await client.AckAsync()).Refused);

        async Task CheckAsync(RefusalReason reason, int samples)
        {
            for (var i = 1; i <= Math.Min(bad, RefusalList.MaxListed); i++)
            {
                var refusal = await client.RefusalAsync();
                Assert.Equal(((uint)i, reason, (uint)samples, 0u), (refusal.SeriesId, refusal.Reason, refusal.Samples, refusal.Unlisted));
            }
            if (unlisted == 0) return;
            var rest = await client.RefusalAsync();
            Assert.Equal((0u, reason, (uint)(unlisted * samples), (uint)unlisted), (rest.SeriesId, rest.Reason, rest.Samples, rest.Unlisted));
        }
    }

    [Fact]
    public async Task Push_RefusedSeriesWithALongName_IsNamedShortened()
    {
        await using var host = await MetricsHost.StartAsync();
        using var client = await host.OpenAsync("s1", ("job", "api"));
        await client.DeclareAsync(1, new string('m', 100_000));
        Assert.Equal(new string('m', RefusalList.MaxSeriesLength - 1) + "…", (await client.RefusalAsync()).Series);
        var labels = Enumerable.Range(0, 60).Select(i => ($"l{i}", new string('v', 1000))).ToArray();
        await client.DeclareAsync(2, "m", labels);
        await client.DeclareAsync(2, "n", labels);
        var conflict = await client.RefusalAsync();
        Assert.InRange(conflict.CalculateSize(), 1, 2_000);
        await client.SendAsync(1, (2, Now + 3_600_000_000, 1));
        var ahead = await client.RefusalAsync();
        Assert.StartsWith("m{", ahead.Series, StringComparison.Ordinal);
        Assert.EndsWith("…", ahead.Series, StringComparison.Ordinal);
        Assert.Equal(RefusalList.MaxSeriesLength, ahead.Series.Length);
    }

    [Fact]
    public async Task Push_MoreSeriesThanAllowed_RefusesTheOneTooMany()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxSeriesPerStream", "3"), ("Metrics:MaxSeriesPerShard", "4"), ("Metrics:MaxServices", "1")]);
        using var one = await host.OpenAsync("s1", ("job", "api"));
        await one.DeclareAsync([.. Enumerable.Range(1, 4).Select(i => PushClient.Series((uint)i, "m", ("i", $"{i}")))]);
        var perStream = await one.RefusalAsync();
        Assert.Equal((4u, RefusalReason.SeriesLimit), (perStream.SeriesId, perStream.Reason));
        Assert.Contains("Metrics:MaxSeriesPerStream", perStream.Detail);
        using var two = await host.OpenAsync("s2", ("job", "api"));
        await two.DeclareAsync(PushClient.Series(1, "n", ("i", "1")), PushClient.Series(2, "n", ("i", "2")));
        var perService = await two.RefusalAsync();
        Assert.Equal((2u, RefusalReason.SeriesLimit), (perService.SeriesId, perService.Reason));
        Assert.Contains("Metrics:MaxSeriesPerShard", perService.Detail);
        using var three = await host.OpenAsync("s3", ("job", "other"));
        await three.DeclareAsync(1, "m");
        Assert.Contains("Metrics:MaxServices", (await three.RefusalAsync()).Detail);
    }

    [Fact]
    public async Task Push_SequenceGap_IsInvalidAndNamesTheExpectedNumber()
    {
        await using var host = await MetricsHost.StartAsync();
        using var client = await host.OpenAsync("s1");
        await client.DeclareAsync(1, "m");
        await client.SendAsync(5, (1, Now, 1));
        await client.SendAsync(7, (1, Now, 1));
        var failure = await client.FailureAsync();
        Assert.Equal(StatusCode.InvalidArgument, failure.StatusCode);
        Assert.Contains("7 came where 6 was expected", failure.Status.Detail);
        // What was read before is stored all the same: the unnamed service has it.
        Assert.Equal(1, (await host.Grain("unknown").GetStatusAsync()).SamplesInMemory);
    }

    [Fact]
    public async Task Push_BrokenMessages_AreInvalidAndNameTheField()
    {
        await using var host = await MetricsHost.StartAsync();
        await Refused("values", new Frame { Sequence = 1, SeriesIds = { 1, 2 }, Values = { 1 } });
        await Refused("time_offsets_ms", new Frame { Sequence = 1, SeriesIds = { 1 }, Values = { 1 }, TimeOffsetsMs = { 1, 2 } });
        await Refused("sequence", new Frame { SeriesIds = { 1 }, Values = { 1 } });
        using var call = host.Ingest.Push(MetricsHost.Auth);
        await call.RequestStream.WriteAsync(new PushRequest { Open = new Open { StreamId = "a b" } });
        Assert.Contains("stream_id", (await new PushClient(call).FailureAsync()).Status.Detail);

        async Task Refused(string field, Frame frame)
        {
            using var client = await host.OpenAsync("s1");
            await client.Call.RequestStream.WriteAsync(new PushRequest { Frame = frame });
            var failure = await client.FailureAsync();
            Assert.Equal(StatusCode.InvalidArgument, failure.StatusCode);
            Assert.Contains(field, failure.Status.Detail);
        }
    }

    [Fact]
    public async Task Push_ByReflection_IsDescribedAsInTheContract()
    {
        await using var host = await MetricsHost.StartAsync();
        using var call = new ServerReflection.ServerReflectionClient(host.Channel).ServerReflectionInfo(MetricsHost.Auth);
        await call.RequestStream.WriteAsync(new ServerReflectionRequest { FileContainingSymbol = "vigil.metrics.v1.MetricsIngest.Push" });
        Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout());
        Assert.Contains(MetricsIngest.Descriptor.File.SerializedData, call.ResponseStream.Current.FileDescriptorResponse.FileDescriptorProto);
    }

    [Fact]
    public async Task Push_WithoutScope_IsRefused()
    {
        await using var host = await MetricsHost.StartAsync();
        using var none = host.Ingest.Push();
        Assert.Equal(StatusCode.Unauthenticated, (await new PushClient(none).FailureAsync()).StatusCode);
        using var reader = host.Ingest.Push(new Metadata { { "authorization", "Bearer reader" } });
        Assert.Equal(StatusCode.PermissionDenied, (await new PushClient(reader).FailureAsync()).StatusCode);
    }

    [Fact]
    public async Task Push_MoreStreamsThanAllowed_RefusesTheOneTooMany()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxPushStreams", "2")]);
        using var one = await host.OpenAsync("s1");
        using var two = await host.OpenAsync("s2");
        using var three = host.Ingest.Push(MetricsHost.Auth);
        Assert.Equal(StatusCode.ResourceExhausted, (await new PushClient(three).FailureAsync()).StatusCode);
    }

    [Fact]
    public async Task Push_SeriesOfOneTokenOnSeveralStreams_AreLimitedTogether()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxSeriesPerCaller", "3"), ("Auth:TokenHashes:ingest:0", MetricsHost.Hash("other"))]);
        using var one = await host.OpenAsync("s1");
        await one.DeclareAsync(PushClient.Series(1, "a"), PushClient.Series(2, "b"));
        await one.SendAsync(1, (1, Now, 1), (2, Now, 1));
        Assert.Equal(2u, (await one.AckAsync()).Accepted);
        using var two = await host.OpenAsync("s2");
        await two.DeclareAsync(PushClient.Series(1, "c"), PushClient.Series(2, "d"));
        var refusal = await two.RefusalAsync();
        Assert.Equal((2u, RefusalReason.SeriesLimit), (refusal.SeriesId, refusal.Reason));
        Assert.Contains("Metrics:MaxSeriesPerCaller", refusal.Detail);
        await two.SendAsync(1, (1, Now, 1));
        Assert.Equal(1u, (await two.AckAsync()).Accepted);

        // Full: no further stream of this token, while others go on.
        using (var call = host.Ingest.Push(MetricsHost.Auth))
        {
            await call.RequestStream.WriteAsync(new PushRequest { Open = new Open { StreamId = "s3" } }).DefaultTimeout();
            var failure = await new PushClient(call).FailureAsync();
            Assert.Equal(StatusCode.ResourceExhausted, failure.StatusCode);
            Assert.Contains("Metrics:MaxSeriesPerCaller", failure.Status.Detail);
        }
        using (var call = host.Ingest.Push(new Metadata { { "authorization", "Bearer other" } }))
        {
            await call.RequestStream.WriteAsync(new PushRequest { Open = new Open { StreamId = "s4" } }).DefaultTimeout();
            Assert.NotNull((await new PushClient(call).ReadAsync()).Opened);
        }

        // What a stream had is free again at its end.
        await one.CloseAsync();
        using var again = await host.OpenAsync("s5");
        await again.DeclareAsync(PushClient.Series(1, "e"), PushClient.Series(2, "f"));
        await again.SendAsync(1, (1, Now, 1), (2, Now, 1));
        Assert.Equal(2u, (await again.AckAsync()).Accepted);
    }

    [Fact]
    public async Task Push_WhileTheDiskIsBusy_ReadsNoFurtherThanTheFramesInFlight()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxFramesInFlight", "4")]);
        var options = host.Services.GetRequiredService<IOptions<MetricsOptions>>().Value;
        var router = host.Services.GetRequiredService<SeriesRouter>();
        var series = new PushSeries(router, new SeriesRules(), host.Services.GetRequiredService<PushCallers>().Enter("one"), options);
        var declare = new Declare();
        declare.Series.Add(PushClient.Series(1, "m"));
        Assert.Empty(await series.DeclareAsync(declare, new Dictionary<string, string>()).DefaultTimeout());
        var session = new PushSession("s1", new Dictionary<string, string>(), series, router, new SampleColumnsPool(), options, TimeProvider.System, host.Services.GetRequiredService<MetricsInstruments>());
        var caller = new EagerCaller(frames: 100, Now);

        // The journal cannot commit as long as somebody else holds SQLite's one writer.
        var release = new TaskCompletionSource();
        var held = host.Services.GetRequiredService<IDatabase>().WriteAsync(async (_, _) => await release.Task).AsTask();
        var running = session.RunAsync(caller, caller, CancellationToken.None, CancellationToken.None);
        await caller.ReadSixth.DefaultTimeout();
        release.SetResult();
        await held.DefaultTimeout();
        await running.DefaultTimeout();

        Assert.Equal(100, caller.Acknowledged);
        // Those between the loops, the one being acknowledged, and the one that found the queue full.
        Assert.InRange(caller.MostInFlight, 4, 6);
    }

    /// <summary>A caller that has everything ready at once and notes how far the server reads ahead of its acknowledgements.</summary>
    private sealed class EagerCaller(int frames, long start) : IAsyncStreamReader<PushMessage>, IServerStreamWriter<PushResponse>
    {
        private readonly TaskCompletionSource readSixth = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int read;

        public Task ReadSixth => readSixth.Task;

        public int Acknowledged { get; private set; }

        public int MostInFlight { get; private set; }

        public PushMessage Current { get; private set; } = new(null, null, null);

        public WriteOptions? WriteOptions { get; set; }

        public Task<bool> MoveNext(CancellationToken cancellationToken)
        {
            if (read == frames) return Task.FromResult(false);
            read++;
            MostInFlight = Math.Max(MostInFlight, read - Acknowledged);
            Current = PushMessage.Of(new PushRequest { Frame = new Frame { Sequence = (ulong)read, BaseTimeUnixMs = start + read, SeriesIds = { 1 }, Values = { read } } });
            if (read == 6) readSixth.SetResult();
            return Task.FromResult(true);
        }

        public Task WriteAsync(PushResponse message)
        {
            if (message.Ack is not null) Acknowledged++;
            return Task.CompletedTask;
        }
    }
}

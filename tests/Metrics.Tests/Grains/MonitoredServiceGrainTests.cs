using System.Data.Common;
using Microsoft.Extensions.DependencyInjection;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Series;
using Vigil.Metrics.Tests.Service;
using Vigil.ServiceDefaults;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Grains;

public sealed class MonitoredServiceGrainTests
{
    private static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

    [Fact]
    public async Task Append_WhoseFrameBeforeNeverArrived_IsSentBackAndStoresNothing()
    {
        await using var host = await MetricsHost.StartAsync();
        var grain = host.Grain("api");
        var id = await DeclareAsync(grain);
        Assert.Equal(AppendStatus.Stored, (await grain.AppendAsync(Batch(id, "s", 1, 0)).DefaultTimeout()).Status);
        Assert.Equal(AppendStatus.PredecessorMissing, (await grain.AppendAsync(Batch(id, "s", 4, 3)).DefaultTimeout()).Status);
        var stored = await grain.AppendAsync(Batch(id, "s", 3, 1)).DefaultTimeout();
        Assert.Equal((AppendStatus.Stored, 1), (stored.Status, stored.Accepted));
        Assert.Equal(2, (await grain.GetStatusAsync().DefaultTimeout()).SamplesInMemory);
    }

    [Fact]
    public async Task Append_MoreStreamsThanRemembered_RefusesTheOneTooMany_UntilOneHasBeenIdleForLong()
    {
        var clock = new FakeClock();
        await using var host = await MetricsHost.StartAsync(clock: clock, settings: [("Metrics:MaxStreamsRemembered", "2"), ("Metrics:StreamMemory", "01:00:00")]);
        var grain = host.Grain("api");
        var id = await DeclareAsync(grain);
        var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        foreach (var (stream, status) in new[] { ("a", AppendStatus.Stored), ("b", AppendStatus.Stored), ("c", AppendStatus.TooManyStreams), ("b", AppendStatus.Stored) })
            Assert.Equal(status, (await grain.AppendAsync(Batch(id, stream, (ulong)now++, 0, now)).DefaultTimeout()).Status);
        clock.Advance(TimeSpan.FromMinutes(61));
        Assert.Equal(AppendStatus.Stored, (await grain.AppendAsync(Batch(id, "c", 1, 0, now + 1)).DefaultTimeout()).Status);
    }

    [Fact]
    public async Task Append_ManyInFlight_EachGetsItsOwnReply()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:JournalBatchRows", "7")]);
        var grain = host.Grain("api");
        var id = await DeclareAsync(grain);
        var (time, total) = (Now - 100_000, 0);
        // Round after round, so that rows and their buffers are used again, in another order than they were made.
        for (var round = 0; round < 5; round++)
        {
            var calls = Enumerable.Range(1, 100).Select(async n =>
            {
                var count = 1 + n % 5;
                var batch = new AppendBatch
                {
                    Count = count + 1,
                    // The last one is of no series.
                    Series = [.. Enumerable.Repeat(id, count), 1_000 + n],
                    Times = [.. Enumerable.Range(0, count + 1).Select(_ => time++)],
                    Values = [.. Enumerable.Repeat((double)n, count + 1)],
                };
                total += count;
                var reply = await grain.AppendAsync(batch).DefaultTimeout();
                var refused = Assert.Single(reply.Refused);
                Assert.Equal((count, 0, 1_000 + n, RefusalCause.UndeclaredSeries, 1), (reply.Accepted, reply.Duplicates, refused.Series, refused.Cause, refused.Samples));
            }).ToArray();
            await Task.WhenAll(calls).DefaultTimeout();
        }
        Assert.Equal(total, (await grain.GetStatusAsync().DefaultTimeout()).SamplesInMemory);
    }

    [Fact]
    public async Task Append_ThatCannotBeWritten_FailsAndTheGrainStartsAgainFromTheDatabase()
    {
        await using var host = await MetricsHost.StartAsync();
        var grain = host.Grain("api");
        var id = await DeclareAsync(grain);
        await grain.AppendAsync(Batch(id, "s", 1, 0)).DefaultTimeout();
        await ExecuteAsync(host, "ALTER TABLE metric_journal RENAME TO away");
        await Assert.ThrowsAsync<ServiceUnavailableException>(() => grain.AppendAsync(Batch(id, "s", 2, 1)).DefaultTimeout());
        await ExecuteAsync(host, "ALTER TABLE away RENAME TO metric_journal");

        // The next activation knows what the database knows: frame 1, and not frame 2, which is taken when it is resent.
        AppendReply? reply = null;
        await Waiting.Until(async () =>
        {
            try
            {
                reply = await grain.AppendAsync(Batch(id, "s", 2, 0));
                return true;
            }
            catch (ServiceUnavailableException)
            {
                return false;
            }
        }, "the grain works again");
        Assert.Equal((AppendStatus.Stored, 1), (reply!.Status, reply.Accepted));
        Assert.Equal(1, (await grain.AppendAsync(Batch(id, "s", 1, 0)).DefaultTimeout()).Duplicates);
        Assert.Equal(2, (await grain.GetStatusAsync().DefaultTimeout()).SamplesInMemory);
    }

    [Fact]
    public async Task Declare_TheSameSeriesFromManyCallersAtOnce_GivesOneNumber()
    {
        await using var host = await MetricsHost.StartAsync();
        var grain = host.Grain("api");
        var ids = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => DeclareAsync(grain))).DefaultTimeout();
        Assert.Single(ids.Distinct());
        Assert.Equal(1, (await grain.GetStatusAsync().DefaultTimeout()).Series);
    }

    [Fact]
    public async Task Select_MoreFollowersThanAllowed_SaysWhichLimit()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxSubscribersPerShard", "1")]);
        var grain = host.Grain("api");
        Assert.Null((await grain.SelectAsync(Follow("a")).DefaultTimeout()).LimitHit);
        Assert.Null((await grain.SelectAsync(Follow("a")).DefaultTimeout()).LimitHit);
        Assert.Contains("Metrics:MaxSubscribersPerShard", (await grain.SelectAsync(Follow("b")).DefaultTimeout()).LimitHit);

        static SelectRequest Follow(string key) => new()
        {
            Selectors = [new SelectorSpec { Matchers = [new MatcherSpec { Name = "__name__", Value = "m" }], To = long.MaxValue }],
            Subscriber = key,
            LeaseSeconds = 30,
            MaxSeries = 10,
            MaxSamples = 10,
        };
    }

    private static async Task<int> DeclareAsync(IMonitoredServiceGrain grain)
    {
        var reply = await grain.DeclareAsync(new DeclareBatch { Series = [new SeriesSpec { Labels = LabelSet.Of("__name__", "m", "job", "api") }] }).DefaultTimeout();
        return Assert.Single(reply.Ids);
    }

    private static AppendBatch Batch(int id, string stream, ulong sequence, ulong previous, long? time = null) => new()
    {
        StreamId = stream,
        Sequence = sequence,
        Previous = previous,
        Count = 1,
        Series = [id],
        Times = [time ?? Now - 100_000 + (long)sequence * 1000],
        Values = [sequence],
    };

    private static async Task ExecuteAsync(MetricsHost host, string sql) => await host.Services.GetRequiredService<IDatabase>().WriteAsync(async (transaction, ct) =>
    {
        await using DbCommand command = transaction.Connection!.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(ct);
    });
}

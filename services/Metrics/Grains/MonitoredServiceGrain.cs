using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Options;
using Orleans;
using Orleans.Concurrency;
using Orleans.Runtime;
using Vigil.Metrics.Rollups;
using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Grains;

/// <inheritdoc cref="IMonitoredServiceGrain"/>
/// <remarks>
/// A change goes through three steps: it becomes a journal row, the row becomes durable, the row is applied to memory. Calls
/// interleave while they wait for the disk, so that one commit carries the rows of many; rows are applied in the order of their
/// numbers nevertheless, because replaying them must give the same state. When a row cannot be written the grain gives up its
/// memory and starts again from the database, which alone knows what is stored.
/// </remarks>
[Reentrant]
internal sealed class MonitoredServiceGrain(
    MetricsStore store, RollupWriter rollups, Journal journal, CheckpointSteps steps, IOptions<MetricsOptions> settings, TimeProvider clock, MetricsInstruments instruments, ILogger<MonitoredServiceGrain> log)
    : Grain, IMonitoredServiceGrain
{
    private static readonly TimeSpan RestInterval = TimeSpan.FromSeconds(15);

    /// <summary>Rows in a <see cref="RestInterval"/>, up to which it is no flood.</summary>
    private const int CalmRows = 256;

    private readonly MetricsOptions options = settings.Value;
    private readonly JournalLine line = new();
    private readonly Queue<RowUnderWay> underWay = new();
    private readonly ConcurrentQueue<RowUnderWay> spare = new();
    private readonly StreamPositions positions = new(settings.Value);
    private readonly Dictionary<LabelSet, int> declaring = [];
    private readonly Subscriptions subscriptions = new(settings.Value.MaxSubscribersPerShard);
    private readonly Followers followers = new();
    private readonly long activation = Random.Shared.NextInt64(1, long.MaxValue);
    private readonly SampleBuffer scratch = new();
    private ServiceSeries state = new();
    private Action<SeriesEntry, long, double?>? noteStored;
    private Checkpointer checkpointer = null!;
    private FollowerNotifier notifier = null!;
    private string key = "";
    private long nextRow;
    private long restedAt;
    private bool applying;
    private bool registered;
    private bool broken;
    private string why = "";

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        key = this.GetPrimaryKeyString();
        var now = Now();
        (state, var bytes) = await StorageFailure.GuardAsync(
            store.LoadAsync(key, now - (long)options.MemoryWindow.TotalMilliseconds, now, cancellationToken), $"service \"{GrainKeys.ServiceOf(key)}\"", instruments, log);
        nextRow = state.AppliedRow + 1;
        positions.Restore(state);
        checkpointer = new Checkpointer(key, state, store, rollups, steps, options, instruments, log, bytes);
        notifier = new FollowerNotifier(key, subscriptions, followers, GrainFactory, log);
        instruments.Series.Add(state.Table.Count);
        if (state.Table.Count > 0) MetricsLog.ServiceRestored(log, key, state.Table.Count, state.Streams.Count, bytes);
        // Spread, so that grains that were restored together do not write together.
        var first = options.CheckpointInterval * (0.5 + 0.5 * Random.Shared.NextDouble());
        this.RegisterGrainTimer(static (grain, _) => grain.TickAsync(), this, new GrainTimerCreationOptions(first, options.CheckpointInterval) { Interleave = true });
        this.RegisterGrainTimer(static (grain, _) => grain.RestAsync(), this, new GrainTimerCreationOptions(RestInterval, RestInterval) { Interleave = true });
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        instruments.Series.Add(-state.Table.Count);
        // A checkpoint that is being made must not write over those of the next activation.
        await (broken ? checkpointer.Running : checkpointer.RunAsync(Now(), leaving: true));
    }

    public async Task<DeclareReply> DeclareAsync(DeclareBatch batch)
    {
        ThrowIfBroken();
        var ids = new int[batch.Series.Length];
        if (!await RegisterAsync())
        {
            return new DeclareReply { Ids = ids, LimitHit = $"{options.MaxServices} services are known, which is as many as may be (Metrics:{nameof(MetricsOptions.MaxServices)})" };
        }
        ThrowIfBroken();
        var refused = false;
        List<DeclaredSeries>? added = null;
        Task? others = null;
        for (var i = 0; i < ids.Length; i++)
        {
            var spec = batch.Series[i];
            if (state.Table.Find(spec.Labels) is { } entry)
            {
                ids[i] = entry.Id;
            }
            else if (declaring.TryGetValue(spec.Labels, out ids[i]))
            {
                // Another call, or an earlier entry of this one, is about to make it durable.
                if (underWay.Count > 0) others = underWay.Last().WhenApplied;
            }
            else if (state.Table.Count + declaring.Count < options.MaxSeriesPerShard)
            {
                ids[i] = state.Table.NextId;
                state.Table.ReserveIds(ids[i] + 1);
                declaring.Add(spec.Labels, ids[i]);
                (added ??= []).Add(new DeclaredSeries(ids[i], spec.Labels, spec.Kind, spec.Unit, spec.Help));
            }
            else
            {
                refused = true;
            }
        }
        if (added is not null) await Store(new RowUnderWay(key, spare) { Row = { Kind = JournalKind.Declarations, Stream = "", Sequence = 0, Data = JournalCodec.WriteSeries(added) } });
        if (others is not null) await others;
        return new DeclareReply
        {
            Ids = ids,
            LimitHit = refused ? $"service \"{GrainKeys.ServiceOf(key)}\" has {state.Table.Count} series, which is as many as may be (Metrics:{nameof(MetricsOptions.MaxSeriesPerShard)})" : null,
        };
    }

    public ValueTask<AppendReply> AppendAsync(AppendBatch batch)
    {
        ThrowIfBroken();
        if (positions.IsKnown(batch)) return AlreadyStoredAsync(batch);
        var now = Now();
        var status = positions.Check(batch, state, now);
        if (status != AppendStatus.Stored) return new(new AppendReply { Status = status });
        var work = spare.TryDequeue(out var used) ? used : new RowUnderWay(key, spare);
        RowEncoder.Encode(batch, work, state.Table, now, options);
        positions.Take(batch);
        if (work.Row.Data.Length > JournalCodec.HeaderBytes) return Store(work);
        work.Applied(Reply(work));
        return work.Reply;
    }

    public async Task<SelectReply> SelectAsync(SelectRequest request)
    {
        ThrowIfBroken();
        var matchers = Matchers(request);
        if (request.Subscriber is { } subscriber)
        {
            var now = Now();
            if (!subscriptions.Follow(subscriber, () => matchers, now, now + request.LeaseSeconds * 1000L, state.Table))
                return new SelectReply { Found = [], LimitHit = $"{GrainKeys.ServiceOf(key)} is followed by {subscriptions.Count} standing queries, which is as many as may be (Metrics:{nameof(MetricsOptions.MaxSubscribersPerShard)})" };
        }
        var reader = new SelectionReader(key, state.Table, store, scratch, request);
        return await GuardAsync(reader.ReadAsync(matchers));
    }

    public Task<LabelReply> FindLabelsAsync(LabelRequest request)
    {
        ThrowIfBroken();
        return Task.FromResult(new LabelReader(state.Table, request, scratch).Read());
    }

    public async Task<FollowReply> FollowAsync(FollowRequest request)
    {
        ThrowIfBroken();
        var matchers = Array.ConvertAll(request.Added, s => Array.ConvertAll(s.Matchers, m => LabelMatcher.Create(m.Name, m.Kind, m.Value)));
        var group = followers.Follow(request, matchers, Now(), state.Table, options.MaxSubscribersPerShard);
        if (group is null)
            return new FollowReply { Activation = activation, LimitHit = $"{GrainKeys.ServiceOf(key)} is followed by {followers.Count} selections of standing queries; at most {options.MaxSubscribersPerShard} are allowed (Metrics:{nameof(MetricsOptions.MaxSubscribersPerShard)})" };
        var lost = group.TakeLost();
        if (request.Added.Length == 0) return new FollowReply { Activation = activation, Lost = lost };
        // What is stored while this reads is told as well: the group has use for either only once.
        var read = await GuardAsync(new SelectionReader(key, state.Table, store, scratch, new SelectRequest
        {
            Selectors = Array.ConvertAll(request.Added, s => new SelectorSpec { Matchers = s.Matchers, From = s.From, To = long.MaxValue }),
            MaxSeries = request.MaxSeries,
            MaxSamples = request.MaxSamples,
        }).ReadAsync(matchers));
        return new FollowReply { Activation = activation, Lost = lost, Found = read.Found, LimitHit = read.LimitHit };
    }

    public Task<ServiceStatus> GetStatusAsync() => Task.FromResult(new ServiceStatus
    {
        Service = GrainKeys.ServiceOf(key),
        Series = state.Table.Count,
        SamplesInMemory = state.Table.Samples + state.Table.All.Sum(s => (long)(s.Histograms?.Count ?? 0)),
        LastSampleUnixMs = state.LastSampleTime == long.MinValue ? null : state.LastSampleTime,
        Streams = state.Streams.Count,
        Subscribers = subscriptions.Count + followers.Count,
        JournalBytes = checkpointer.JournalBytes,
    });

    public Task<MetricDescription[]> DescribeAsync() => Task.FromResult(state.Table.All.Select(static entry => (entry.Metadata, entry.Labels)).Select(static series => new MetricDescription
    {
        Name = series.Labels.Name,
        Kind = series.Metadata.Kind,
        Unit = series.Metadata.Unit,
        Help = series.Metadata.Help,
        HasBuckets = series.Labels.TryGet("le", out _),
        HasQuantiles = series.Labels.TryGet("quantile", out _),
    }).Distinct().ToArray());

    public async Task CheckpointAsync()
    {
        ThrowIfBroken();
        if (!await checkpointer.RunAsync(Now())) throw new ServiceUnavailableException($"the checkpoint of {key} failed; the log says why");
    }

    private Task<SelectReply> GuardAsync(Task<SelectReply> read) => StorageFailure.GuardAsync(read, $"samples of service \"{GrainKeys.ServiceOf(key)}\"", instruments, log);

    private async Task TickAsync()
    {
        if (broken) return;
        var now = Now();
        subscriptions.Expire(now, state.Table);
        followers.Expire(now);
        await checkpointer.RunAsync(now);
    }

    // After a flood a grain keeps no memory for the next one.
    private Task RestAsync()
    {
        var calm = nextRow - restedAt < CalmRows;
        restedAt = nextRow;
        if (!calm || broken) return Task.CompletedTask;
        spare.Clear();
        declaring.TrimExcess();
        state.Table.Compact();
        return Task.CompletedTask;
    }

    private async Task<bool> RegisterAsync() =>
        registered = registered || await GrainFactory.GetGrain<IServiceIndexGrain>(IServiceIndexGrain.Key).RegisterAsync(key);

    /// <summary>Sends a row on its way; the result is there once it is durable and applied.</summary>
    private ValueTask<AppendReply> Store(RowUnderWay work)
    {
        work.Row.No = nextRow++;
        work.Trace = Activity.Current;
        underWay.Enqueue(work);
        var reply = work.Reply;
        work.Durable = journal.AppendAsync(line, work.Row);
        if (!applying) _ = ApplyDurableAsync();
        return reply;
    }

    /// <summary>Applies rows in their order as they become durable, until none is under way. One of these runs at a time.</summary>
    private async Task ApplyDurableAsync()
    {
        applying = true;
        try
        {
            while (underWay.TryPeek(out var work))
            {
                await work.Durable;
                // Who is told of the samples continues the trace of the call that brought them.
                if (Activity.Current != work.Trace) Activity.Current = work.Trace;
                Apply(work);
                checkpointer.Journaled(work.Row.Data.Length);
                underWay.Dequeue();
                work.Applied(Reply(work));
                if (checkpointer.IsDue) _ = checkpointer.RunAsync(Now());
            }
        }
        // Whatever it was: were the loop to end without this, those whose rows are under way would wait for ever.
        catch (Exception e)
        {
            Break(e);
        }
        finally
        {
            applying = false;
        }
    }

    private void Apply(RowUnderWay work)
    {
        var row = work.Row;
        if (row.Kind == JournalKind.Declarations)
        {
            var added = new List<SeriesEntry>();
            state.ApplyDeclarations(row.No, row.Data.Span, added);
            foreach (var entry in added)
            {
                declaring.Remove(entry.Labels);
                subscriptions.Added(entry);
                followers.Added(entry);
            }
            instruments.Series.Add(added.Count);
            return;
        }
        followers.ReceivedUnixUs = work.ReceivedUnixUs;
        noteStored ??= followers.Stored;
        if (row.Kind is JournalKind.Histograms or JournalKind.HistogramDeltas) state.ApplyHistograms(row.No, row.Data.Span, row.Kind == JournalKind.HistogramDeltas, Now(), work.Tally, noteStored);
        else state.ApplySamples(row.No, row.Data.Span, row.Kind == JournalKind.Deltas, row.Stream, row.Sequence, Now(), work.Tally, noteStored);
        notifier.TellStored(work.ReceivedUnixUs);
    }

    /// <summary>A resent frame: known as soon as its first sending is settled.</summary>
    private async ValueTask<AppendReply> AlreadyStoredAsync(AppendBatch batch)
    {
        foreach (var work in underWay)
        {
            if (work.Row.Stream != batch.StreamId || work.Row.Sequence < batch.Sequence) continue;
            await work.WhenApplied;
            break;
        }
        instruments.Duplicates.Add(batch.Count);
        return new AppendReply { Duplicates = batch.Count };
    }

    private AppendReply Reply(RowUnderWay work)
    {
        var tally = work.Tally;
        instruments.Accepted.Add(tally.Accepted);
        if (tally.Duplicates > 0) instruments.Duplicates.Add(tally.Duplicates);
        if (tally.Refused.Count == 0 || work.Implied) return new AppendReply { Accepted = tally.Accepted, Duplicates = tally.Duplicates };
        foreach (var ((_, cause), samples) in tally.Refused) instruments.Refuse(work.Door, cause, samples);
        return new AppendReply
        {
            Accepted = tally.Accepted,
            Duplicates = tally.Duplicates,
            Refused = [.. tally.Refused.Select(r => new RefusedSamples { Series = r.Key.Series, Cause = r.Key.Cause, Samples = r.Value })],
        };
    }

    private LabelMatcher[][] Matchers(SelectRequest request)
    {
        // Making a regular expression costs more than a small read: a follower's are kept.
        if (request.Subscriber is { } subscriber && subscriptions.SelectorsOf(subscriber) is { } kept && kept.Length == request.Selectors.Length) return kept;
        return [.. request.Selectors.Select(s => s.Matchers.Select(m => LabelMatcher.Create(m.Name, m.Kind, m.Value)).ToArray())];
    }

    private void Break(Exception cause)
    {
        if (broken) return;
        broken = true;
        if (cause is JournalException { InnerException: StorageException { Brief: { } brief } }) why = $", since {brief},";
        MetricsLog.ServiceBroken(log, key, cause);
        foreach (var work in underWay) work.Fail(Unavailable());
        underWay.Clear();
        DeactivateOnIdle();
    }

    private void ThrowIfBroken()
    {
        if (broken) throw Unavailable();
    }

    private ServiceUnavailableException Unavailable() => new($"service \"{GrainKeys.ServiceOf(key)}\" could not store its samples{why} and starts again: send again");

    private long Now() => clock.GetUtcNow().ToUnixTimeMilliseconds();
}

using Microsoft.Extensions.Options;
using Orleans;
using Orleans.Concurrency;
using Orleans.Runtime;
using Vigil.Metrics.Grains;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;
using Vigil.Metrics.Watch.Incremental;

namespace Vigil.Metrics.Watch;

/// <inheritdoc cref="IStandingGroupGrain"/>
/// <remarks>
/// Follows the series that its expressions read, is told their samples, and evaluates the expressions whose inputs changed, all of a batch together. Time
/// alone is looked at a few times a second: each expression knows when it may change it. What was missed, because a service grain or this one started again,
/// shows within a second, and is read once more. Nothing here is stored.
/// </remarks>
[Reentrant]
internal sealed class StandingGroupGrain(
    StandingBudget budget, StandingMemory memory, PlanCompiler compiler, IOptions<MetricsOptions> options, TimeProvider clock, MetricsInstruments instruments, ILogger<StandingGroupGrain> log)
    : Grain, IStandingGroupGrain
{
    private const int LeaseSeconds = 30;

    /// <summary>Selections added with one call.</summary>
    private const int MostAdded = 256;

    /// <summary>Grains asked with one tick whether they are still the same.</summary>
    private const int MostAsked = 500;

    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan AskEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Unfollowed = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Outdated = TimeSpan.FromMinutes(1);

    /// <summary>Time alone has an expression evaluated no more often than about once a second.</summary>
    private const long RestMs = 900;

    private const string Histograms = "it reads native histograms";

    private static readonly TimeSpan PerSample = TimeSpan.FromTicks(1);

    private readonly Dictionary<string, GroupQuery> queries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, GroupLeaf> leaves = new(StringComparer.Ordinal);
    private readonly Dictionary<int, GroupLeaf> leafById = [];
    private readonly Dictionary<string, GroupSource> sources = new(StringComparer.Ordinal);
    private readonly Dictionary<string, GroupSession> sessions = new(StringComparer.Ordinal);
    private readonly List<GroupLeaf> touched = [];
    private readonly List<GroupQuery> queue = [];
    private readonly HashSet<GroupSession> toWake = [];
    private readonly long epoch = Random.Shared.NextInt64(1, long.MaxValue);
    private GrainList known = new() { Grains = [], Services = [] };
    private Task? listing;
    private bool listed;
    private string key = "";
    private int nextLeaf;
    private long askedAt;
    private int askNext;
    private long evaluatedAt;
    private long confirmedAt;
    private TimeSpan pause;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        key = this.GetPrimaryKeyString();
        (askedAt, evaluatedAt) = (clock.GetTimestamp(), clock.GetTimestamp());
        this.RegisterGrainTimer(static (grain, _) => grain.TickAsync(), this, new GrainTimerCreationOptions(Tick, Tick) { Interleave = true });
        return Task.CompletedTask;
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        foreach (var session in sessions.Values.ToArray()) End(session);
        return Task.CompletedTask;
    }

    public async Task<StandingChanges> NextAsync(StandingPoll poll)
    {
        if (!sessions.TryGetValue(poll.Session, out var session))
        {
            if (poll.Added.Length == 0 || poll.Ended) return new StandingChanges { Epoch = epoch, Unknown = true };
            sessions.Add(poll.Session, session = new GroupSession(poll.Session));
        }
        if (poll.Ended)
        {
            End(session);
            session.Wake();
            return new StandingChanges { Epoch = epoch };
        }
        session.Waiting++;
        try
        {
            foreach (var watch in poll.Removed) End(session, watch);
            if (poll.Added.Length > 0) await AddAsync(session, poll);
            if (!session.HasChanges && poll.Wait > TimeSpan.Zero) await WaitAsync(session.Signal.Task, poll.Wait);
            return new StandingChanges { Epoch = epoch, ConfirmedAt = confirmedAt, Changes = session.Take() };
        }
        finally
        {
            session.Waiting--;
            session.AskedAt = clock.GetTimestamp();
        }
    }

    public Task<bool> TakeAsync(FollowedSamples samples)
    {
        if (samples.Epoch != epoch || !sources.TryGetValue(samples.Source, out var source)) return Task.FromResult(false);
        var gap = samples.Lost || (source.No != 0 && samples.No != source.No + 1);
        source.No = samples.No;
        foreach (var series in samples.Introduced)
        {
            var windows = new List<SelectedWindow>(series.Selections.Length);
            foreach (var id in series.Selections)
            {
                if (!leafById.TryGetValue(id, out var leaf)) continue;
                if (series.HasHistograms) InFull(leaf, "histograms", Histograms);
                else windows.Add(leaf.Selection.Find(series.Labels));
            }
            source.Series[series.Id] = [.. windows];
        }
        for (var i = 0; i < samples.Count; i++)
        {
            if (!source.Series.TryGetValue(samples.Series[i], out var windows)) continue;
            foreach (var window in windows) Insert(window, samples.Times[i], samples.Values[i]);
        }
        if (gap) _ = ReadAgainAsync(source);
        foreach (var leaf in touched)
        {
            leaf.Touched = false;
            foreach (var query in leaf.Queries)
            {
                query.Cause = Math.Max(query.Cause, samples.ReceivedUnixUs);
                Queue(query);
            }
        }
        touched.Clear();
        EvaluateQueued();
        return Task.FromResult(true);
    }

    public async Task ServicesChangedAsync()
    {
        if (sessions.Count > 0) await ListAsync();
    }

    /// <summary>Starts to watch expressions, and returns once all of them were evaluated or could not be.</summary>
    private async Task AddAsync(GroupSession session, StandingPoll poll)
    {
        if (!listed) await ListAsync();
        // Without it nothing is known, which is something else than that there are no series.
        if (!listed) throw new ServiceUnavailableException(StandingResult.Unreadable);
        var added = new HashSet<GroupLeaf>();
        for (var i = 0; i < poll.Added.Length; i++)
        {
            // Asked once more, after an answer did not arrive.
            if (session.Watches.ContainsKey(poll.AddedIds[i]))
            {
                session.Changed(poll.AddedIds[i]);
                continue;
            }
            if (!queries.TryGetValue(poll.Added[i], out var query)) queries.Add(poll.Added[i], query = Make(poll.Added[i], added));
            session.Watches.Add(poll.AddedIds[i], query);
            query.Watches.Add((session, poll.AddedIds[i]));
            if (query.InFull || query.Current.Version > 0) session.Changed(poll.AddedIds[i]);
        }
        if (added.Count > 0) await ReadAsync(added);
    }

    private GroupQuery Make(string text, HashSet<GroupLeaf> added)
    {
        var query = new GroupQuery(text);
        if (PromQlParser.TryParse(text, out var expr, out _))
        {
            var used = new HashSet<GroupLeaf>();
            query.Plan = compiler.Compile(expr, spec =>
            {
                if (!leaves.TryGetValue(spec.Key, out var leaf)) added.Add(leaf = MakeLeaf(spec));
                used.Add(leaf);
                return leaf.Selection;
            });
            // A part may have been found before the expression as a whole turned out to have no plan.
            foreach (var leaf in used) leaf.Queries.Add(query);
            query.Leaves = [.. used];
        }
        if (query.Plan is null)
        {
            Drop(query);
            query.InFull = true;
            return query;
        }
        instruments.StandingExpressions.Add(1);
        budget.Enter();
        return query;
    }

    private GroupLeaf MakeLeaf(SelectionSpec spec)
    {
        var job = spec.Matchers.FirstOrDefault(m => m is { Name: GrainKeys.JobLabel, Kind: MatchKind.Equal, Value.Length: > 0 });
        var leaf = new GroupLeaf(++nextLeaf, new StandingSelection(spec, memory), job?.Value);
        leaves.Add(spec.Key, leaf);
        leafById.Add(leaf.Id, leaf);
        for (var i = 0; i < known.Grains.Length; i++) Follow(leaf, known.Grains[i], known.Services[i]);
        return leaf;
    }

    private void Follow(GroupLeaf leaf, string grain, string service)
    {
        if (leaf.Service is not null && leaf.Service != service) return;
        if (!sources.TryGetValue(grain, out var source)) sources.Add(grain, source = new GroupSource(grain));
        source.Leaves.Add(leaf);
        if (leaf.Sources.Add(source)) leaf.Missing.Add(source);
    }

    /// <summary>Reads what selections miss, from all grains at once within a bound.</summary>
    private async Task ReadAsync(IReadOnlyCollection<GroupLeaf> wanting)
    {
        var now = Now();
        var bySource = new Dictionary<GroupSource, List<GroupLeaf>>();
        foreach (var leaf in wanting)
        {
            leaf.From = now - leaf.Selection.Spec.OffsetMs - leaf.Selection.Spec.RangeMs;
            foreach (var query in leaf.Queries) leaf.From = Math.Min(leaf.From, query.Judged.Next(now, options.Value.MaxAhead) - leaf.Selection.Spec.OffsetMs - leaf.Selection.Spec.RangeMs);
            foreach (var source in leaf.Missing)
            {
                if (!bySource.TryGetValue(source, out var list)) bySource.Add(source, list = []);
                list.Add(leaf);
            }
            // No grain has any: that is known then.
            if (leaf.Missing.Count == 0) leaf.Selection.Known(leaf.From);
        }
        foreach (var some in bySource.Chunk(options.Value.QueryConcurrency)) await Task.WhenAll(some.Select(pair => ReadAsync(pair.Key, pair.Value)));
        foreach (var leaf in wanting)
        {
            foreach (var query in leaf.Queries) Queue(query);
        }
        EvaluateQueued();
    }

    /// <summary>The same, not in the midst of evaluations.</summary>
    private async Task ReadLaterAsync(GroupLeaf[] wanting)
    {
        await Task.Yield();
        await ReadAsync(wanting);
    }

    private async Task ReadAsync(GroupSource source, List<GroupLeaf> wanting)
    {
        foreach (var some in wanting.Chunk(MostAdded))
        {
            var added = some.Where(l => leafById.ContainsKey(l.Id)).ToArray();
            if (added.Length == 0 || await AskAsync(source, added) is not { } reply) return;
            if (reply.LimitHit is { } limit)
            {
                foreach (var leaf in added) InFull(leaf, "limit", limit);
                continue;
            }
            long samples = 0;
            for (var i = 0; i < added.Length; i++)
            {
                foreach (var series in reply.Found[i])
                {
                    samples += series.Times.Length;
                    Insert(added[i], series);
                }
                added[i].Missing.Remove(source);
                added[i].Failed.Remove(source);
                if (added[i].Missing.Count == 0) added[i].Selection.Known(added[i].From);
            }
            instruments.StandingReads.Add(added.Length);
            Pay(samples * PerSample, added.Length, 0);
        }
    }

    private void Insert(GroupLeaf leaf, SelectedSeries series)
    {
        if (series.Histograms is not null)
        {
            InFull(leaf, "histograms", Histograms);
            return;
        }
        var window = leaf.Selection.Find(series.Labels);
        for (var i = 0; i < series.Times.Length; i++)
        {
            if (leaf.Selection.Insert(window, series.Times[i], series.Values[i])) continue;
            InFull(leaf, "memory", NoRoom);
            return;
        }
    }

    private static string NoRoom => $"samples take all the room there is for them (Metrics:{nameof(MetricsOptions.MaxStandingSamples)})";

    private void Insert(SelectedWindow window, long time, double value)
    {
        if (!leaves.TryGetValue(window.Selection.Spec.Key, out var leaf) || leaf.Selection != window.Selection) return;
        if (!window.Selection.Insert(window, time, value))
        {
            InFull(leaf, "memory", NoRoom);
            return;
        }
        if (leaf.Touched) return;
        leaf.Touched = true;
        touched.Add(leaf);
    }

    /// <summary>Asks a grain to go on telling, and for what selections find. Null where it cannot be asked, or is another than before.</summary>
    private async Task<FollowReply?> AskAsync(GroupSource source, GroupLeaf[] added)
    {
        var removed = source.Removed.ToArray();
        source.Removed.Clear();
        FollowReply reply;
        try
        {
            reply = await GrainFactory.GetGrain<IMonitoredServiceGrain>(source.Key).FollowAsync(new FollowRequest
            {
                Group = key,
                Epoch = epoch,
                Added = Array.ConvertAll(added, l => new FollowedSelection
                {
                    Id = l.Id,
                    Matchers = [.. l.Selection.Spec.Matchers.Select(m => new MatcherSpec { Name = m.Name, Kind = m.Kind, Value = m.Value })],
                    From = l.From + 1,
                }),
                Removed = removed,
                LeaseSeconds = LeaseSeconds + 2 * sources.Count / MostAsked,
                MaxSeries = options.Value.MaxSeriesPerQuery,
                MaxSamples = options.Value.MaxSamplesPerQuery,
            });
        }
        // Storage, say, or the grain cannot be reached: in either case its watchers must hear of it.
        catch (Exception e)
        {
            source.Removed.AddRange(removed);
            Fail(source, e);
            return null;
        }
        var other = source.Activation != 0 && source.Activation != reply.Activation;
        source.Activation = reply.Activation;
        if (!other && !reply.Lost) return reply;
        if (other)
        {
            source.No = 0;
            source.Series.Clear();
        }
        Miss(source);
        // What was added is there already; what was there before is not.
        return reply;
    }

    /// <summary>All that is read from a grain has to be read once more.</summary>
    private static void Miss(GroupSource source)
    {
        foreach (var leaf in source.Leaves) leaf.Missing.Add(source);
    }

    private Task ReadAgainAsync(GroupSource source)
    {
        Miss(source);
        return ReadMissingAsync(source);
    }

    private async Task ReadMissingAsync(GroupSource source)
    {
        if (source.Asking) return;
        source.Asking = true;
        try
        {
            await ReadAsync(source.Leaves.Where(l => l.Missing.Contains(source)).ToArray());
        }
        finally
        {
            source.Asking = false;
        }
    }

    private void Fail(GroupSource source, Exception cause)
    {
        var isNew = false;
        foreach (var leaf in source.Leaves)
        {
            leaf.Missing.Add(source);
            isNew |= leaf.Failed.Add(source);
        }
        if (!isNew) return;
        var reason = cause is OrleansException or TimeoutException ? $"samples cannot be read for the moment: {cause.Message}" : StandingResult.Unreadable;
        MetricsLog.StandingSourceFailed(log, source.Leaves.First().Selection.Spec.Key, source.Key, cause.Message, cause);
        foreach (var query in source.Leaves.SelectMany(l => l.Queries).Distinct())
            Publish(query, new StandingValue { EvaluatedAt = Now(), Error = reason }, 0);
        Wake();
    }

    private async Task TickAsync()
    {
        foreach (var session in sessions.Values.ToArray())
        {
            if (session.Waiting == 0 && clock.GetElapsedTime(session.AskedAt) > Unfollowed) End(session);
        }
        if (sessions.Count == 0)
        {
            DeactivateOnIdle();
            return;
        }
        var now = Now();
        if (!IsPausing())
        {
            foreach (var query in queries.Values)
            {
                // Back in time: the clock was set.
                if ((query.Due <= now && now - query.EvaluatedAt >= RestMs) || now < query.EvaluatedAt) Queue(query);
            }
            EvaluateQueued();
        }
        else if (clock.GetElapsedTime(evaluatedAt) > Outdated)
        {
            // Followers must not take an old value for the present one.
            foreach (var query in queries.Values.Where(q => !q.InFull && q.Current.Error is null)) Publish(query, new StandingValue { EvaluatedAt = query.Current.EvaluatedAt, Error = StandingResult.PutOff }, 0);
            Wake();
        }
        if (!IsPausing()) confirmedAt = now;
        if (clock.GetElapsedTime(askedAt) < AskEvery) return;
        askedAt = clock.GetTimestamp();
        Ask();
        await ListAsync();
    }

    /// <summary>Asks the grains in turn whether they are still there, and the same.</summary>
    private void Ask()
    {
        foreach (var gone in sources.Values.Where(s => s.Leaves.Count == 0 && s.Removed.Count == 0 && !s.Asking).ToArray()) sources.Remove(gone.Key);
        var all = sources.Values.ToArray();
        for (var i = 0; i < Math.Min(all.Length, MostAsked); i++) _ = AskAsync(all[(askNext + i) % all.Length]);
        askNext = all.Length == 0 ? 0 : (askNext + MostAsked) % all.Length;
    }

    private async Task AskAsync(GroupSource source)
    {
        if (source.Asking) return;
        source.Asking = true;
        try
        {
            if (await AskAsync(source, []) is null) return;
        }
        finally
        {
            source.Asking = false;
        }
        if (source.Leaves.Any(l => l.Missing.Contains(source))) await ReadMissingAsync(source);
    }

    private Task ListAsync()
    {
        // One at a time: all who want it newer wait for the same.
        if (listing is null || listing.IsCompleted) listing = ListOnceAsync();
        return listing;
    }

    private async Task ListOnceAsync()
    {
        GrainList? newer;
        try
        {
            newer = await GrainFactory.GetGrain<IServiceIndexGrain>(IServiceIndexGrain.Key).ListForGroupAsync(known.Grains.Length, key);
        }
        catch (Exception e) when (e is OrleansException or TimeoutException or OperationCanceledException)
        {
            // Asked again within a second; what is known so far goes on.
            MetricsLog.StandingSourceFailed(log, key, IServiceIndexGrain.Key, e.Message, e);
            return;
        }
        listed = true;
        if (newer is null) return;
        var before = known.Grains.Length;
        known = newer;
        for (var i = before; i < known.Grains.Length; i++)
        {
            foreach (var leaf in leaves.Values) Follow(leaf, known.Grains[i], known.Services[i]);
        }
        for (var i = before; i < known.Grains.Length; i++)
        {
            if (sources.TryGetValue(known.Grains[i], out var source)) _ = ReadMissingAsync(source);
        }
    }

    private void Queue(GroupQuery query)
    {
        if (query.Queued || query.InFull) return;
        query.Queued = true;
        queue.Add(query);
    }

    private void EvaluateQueued()
    {
        if (queue.Count == 0 || IsPausing())
        {
            Wake();
            return;
        }
        var start = clock.GetTimestamp();
        var now = Now();
        var evaluated = 0;
        // Evaluations may have others evaluated in full, but queue none.
        foreach (var query in queue)
        {
            query.Queued = false;
            if (query.InFull || !query.IsLive) continue;
            evaluated++;
            Evaluate(query, now);
        }
        queue.Clear();
        Wake();
        if (evaluated > 0) Pay(clock.GetElapsedTime(start), evaluated, evaluated);
    }

    private void Evaluate(GroupQuery query, long now)
    {
        var at = query.Judged.Next(now, options.Value.MaxAhead);
        if (!query.Plan!.Covers(at))
        {
            // The clock was set back: what had left the window is in it again.
            foreach (var leaf in query.Leaves)
            {
                foreach (var source in leaf.Sources) leaf.Missing.Add(source);
            }
            _ = ReadLaterAsync(query.Leaves);
            return;
        }
        var cause = query.Cause;
        query.Cause = 0;
        query.EvaluatedAt = now;
        StandingValue value;
        try
        {
            var elements = query.Plan.Evaluate(at);
            query.Judged = new JudgedMoment(at, query.Plan.Newest);
            query.Due = query.Plan.NextChange + (now - at);
            if (Same(query.Current, elements, query.Plan.Inputs))
            {
                if (cause == 0)
                {
                    query.Current = query.Current with { EvaluatedAt = at };
                    return;
                }
                value = new StandingValue { EvaluatedAt = at, InputSeries = query.Plan.Inputs, Vector = query.Current.Vector };
            }
            else
            {
                value = new StandingValue { EvaluatedAt = at, InputSeries = query.Plan.Inputs, Vector = Elements(elements) };
            }
        }
        catch (EvaluationException e)
        {
            query.Due = now;
            if (e.Message == query.Current.Error) return;
            MetricsLog.StandingQueryFailed(log, query.Text, e.Message);
            value = new StandingValue { EvaluatedAt = at, Error = e.Message };
        }
        catch (NotIncrementalException e)
        {
            InFull(query, "data", e.Message);
            return;
        }
        Publish(query, value, cause);
    }

    private static bool Same(StandingValue current, IReadOnlyList<VectorElement> elements, int inputs)
    {
        if (current.Version == 0 || current.Error is not null || current.InputSeries != inputs || current.Vector.Length != elements.Count) return false;
        for (var i = 0; i < elements.Count; i++)
        {
            if (BitConverter.DoubleToInt64Bits(current.Vector[i].Value) != BitConverter.DoubleToInt64Bits(elements[i].Value)) return false;
            if (!current.Vector[i].Labels.Equals(elements[i].Labels)) return false;
        }
        return true;
    }

    private static StandingElement[] Elements(IReadOnlyList<VectorElement> elements)
    {
        var copied = new StandingElement[elements.Count];
        for (var i = 0; i < copied.Length; i++) copied[i] = new StandingElement { Labels = elements[i].Labels, Value = elements[i].Value };
        return copied;
    }

    private void Publish(GroupQuery query, StandingValue value, long cause)
    {
        query.Current = value with { Version = query.Current.Version + 1, CauseReceivedUnixUs = cause };
        foreach (var (session, watch) in query.Watches)
        {
            session.Changed(watch);
            toWake.Add(session);
        }
    }

    private void Wake()
    {
        foreach (var session in toWake) session.Wake();
        toWake.Clear();
    }

    private void InFull(GroupLeaf leaf, string cause, string reason)
    {
        foreach (var query in leaf.Queries.ToArray()) InFull(query, cause, reason);
    }

    /// <summary>Hands an expression over to the full evaluation, until its last follower has left.</summary>
    private void InFull(GroupQuery query, string cause, string reason)
    {
        if (query.InFull) return;
        MetricsLog.StandingQueryInFull(log, query.Text, reason);
        instruments.StandingRefused.Add(1, new KeyValuePair<string, object?>("cause", cause));
        Release(query);
        query.InFull = true;
        foreach (var (session, watch) in query.Watches)
        {
            session.Changed(watch);
            toWake.Add(session);
        }
    }

    private void Release(GroupQuery query)
    {
        if (query.Plan is null) return;
        instruments.StandingExpressions.Add(-1);
        budget.Leave();
        Drop(query);
        query.Plan = null;
    }

    private void Drop(GroupQuery query)
    {
        foreach (var leaf in query.Leaves)
        {
            leaf.Queries.Remove(query);
            if (leaf.Queries.Count > 0) continue;
            leaves.Remove(leaf.Selection.Spec.Key);
            leafById.Remove(leaf.Id);
            leaf.Selection.Release();
            foreach (var source in leaf.Sources)
            {
                source.Leaves.Remove(leaf);
                source.Removed.Add(leaf.Id);
            }
        }
        query.Leaves = [];
    }

    private void End(GroupSession session)
    {
        foreach (var watch in session.Watches.Keys.ToArray()) End(session, watch);
        sessions.Remove(session.Name);
    }

    private void End(GroupSession session, int watch)
    {
        if (!session.Watches.Remove(watch, out var query)) return;
        session.Forget(watch);
        query.Watches.Remove((session, watch));
        if (query.Watches.Count > 0) return;
        queries.Remove(query.Text);
        Release(query);
        query.InFull = true;
    }

    private bool IsPausing() => pause > TimeSpan.Zero && clock.GetElapsedTime(evaluatedAt) < pause;

    private void Pay(TimeSpan work, int parts, int evaluated)
    {
        instruments.EvaluatedStanding(incremental: true, evaluated, work);
        pause = budget.Charge(work, parts);
        evaluatedAt = clock.GetTimestamp();
    }

    private async Task WaitAsync(Task signal, TimeSpan wait)
    {
        try
        {
            await signal.WaitAsync(wait, clock);
        }
        catch (TimeoutException)
        {
            // Nothing new.
        }
    }

    private long Now() => clock.GetUtcNow().ToUnixTimeMilliseconds();
}

using Microsoft.Extensions.Options;
using Orleans;
using Orleans.Concurrency;
using Orleans.Runtime;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Watch.Incremental;

namespace Vigil.Metrics.Watch.Groups;

/// <inheritdoc cref="IStandingGroupGrain"/>
/// <remarks>
/// Follows the series that its expressions read, is told their samples, and evaluates the expressions whose inputs changed, all of a batch together. Time
/// alone is looked at a few times a second: each expression knows when it may change it. What was missed, because a service grain or this one started again,
/// shows within a second, and is read once more. Nothing here is stored.
/// </remarks>
[Reentrant]
internal sealed class StandingGroupGrain : Grain, IStandingGroupGrain
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan AskEvery = TimeSpan.FromSeconds(1);

    private readonly TimeProvider clock;
    private readonly GroupSessions sessions;
    private readonly GroupMembers members;
    private readonly GroupEvaluator evaluator;
    private readonly Func<string, GroupReader> newReader;
    private readonly long epoch = Random.Shared.NextInt64(1, long.MaxValue);
    private GroupReader reader = null!;
    private long askedAt;
    private long confirmedAt;

    public StandingGroupGrain(
        StandingBudget budget, StandingMemory memory, PlanCompiler compiler, IOptions<MetricsOptions> options, TimeProvider clock, MetricsInstruments instruments, ILogger<StandingGroupGrain> log)
    {
        this.clock = clock;
        sessions = new GroupSessions(clock);
        members = new GroupMembers(budget, memory, compiler, sessions, instruments, log);
        evaluator = new GroupEvaluator(members, sessions, leaves => _ = reader.ReadLaterAsync(leaves), budget, options.Value.MaxAhead, clock, instruments, log);
        newReader = key => new GroupReader(key, epoch, members, sessions, evaluator, GrainFactory, options.Value, clock, instruments, log);
    }

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        reader = newReader(this.GetPrimaryKeyString());
        askedAt = clock.GetTimestamp();
        this.RegisterGrainTimer(static (grain, _) => grain.TickAsync(), this, new GrainTimerCreationOptions(Tick, Tick) { Interleave = true });
        return Task.CompletedTask;
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        foreach (var session in sessions.All) members.End(session);
        return Task.CompletedTask;
    }

    public async Task<StandingChanges> NextAsync(StandingPoll poll, CancellationToken gone)
    {
        if (sessions.Find(poll.Session) is not { } session)
        {
            if (poll.Added.Length == 0 || poll.Ended) return new StandingChanges { Epoch = epoch, Unknown = true };
            session = sessions.Open(poll.Session);
        }
        if (poll.Ended)
        {
            members.End(session);
            session.Wake();
            return new StandingChanges { Epoch = epoch };
        }
        session.Waiting++;
        try
        {
            foreach (var watch in poll.Removed) members.End(session, watch);
            if (poll.Added.Length > 0) await AddAsync(session, poll);
            if (!session.HasChanges && poll.Wait > TimeSpan.Zero) await sessions.WaitAsync(session, poll.Wait, gone);
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
        if (samples.Epoch != epoch || members.FindSource(samples.Source) is not { } source) return Task.FromResult(false);
        var gap = samples.Lost || (source.No != 0 && samples.No != source.No + 1);
        source.No = samples.No;
        members.Take(source, samples);
        if (gap) _ = reader.ReadAgainAsync(source);
        evaluator.RunTouched(samples.ReceivedUnixUs);
        return Task.FromResult(true);
    }

    public async Task ServicesChangedAsync()
    {
        if (sessions.Count > 0) await reader.ListAsync();
    }

    /// <summary>Starts to watch expressions, and returns once all of them were evaluated or could not be.</summary>
    private async Task AddAsync(GroupSession session, StandingPoll poll)
    {
        if (!reader.Listed) await reader.ListAsync();
        // Without it nothing is known, which is something else than that there are no series.
        if (!reader.Listed) throw new ServiceUnavailableException(StandingResult.Unreadable);
        var added = new HashSet<GroupLeaf>();
        for (var i = 0; i < poll.Added.Length; i++)
        {
            // Asked once more, after an answer did not arrive.
            if (session.Watches.ContainsKey(poll.AddedIds[i]))
            {
                session.Changed(poll.AddedIds[i]);
                continue;
            }
            var query = members.Query(poll.Added[i], added);
            session.Watches.Add(poll.AddedIds[i], query);
            query.Watches.Add((session, poll.AddedIds[i]));
            if (query.InFull || query.Current.Version > 0) session.Changed(poll.AddedIds[i]);
        }
        if (added.Count > 0) await reader.ReadAsync(added);
    }

    private async Task TickAsync()
    {
        foreach (var session in sessions.Gone) members.End(session);
        if (sessions.Count == 0)
        {
            DeactivateOnIdle();
            return;
        }
        var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        evaluator.RunDue(now);
        if (!evaluator.IsPausing) confirmedAt = now;
        if (clock.GetElapsedTime(askedAt) < AskEvery) return;
        askedAt = clock.GetTimestamp();
        reader.Ask();
        await reader.ListAsync();
    }
}

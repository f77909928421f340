using Orleans;
using Orleans.Runtime;
using Vigil.Metrics.Grains;

namespace Vigil.Metrics.Watch.Groups;

/// <summary>
/// Asks service grains for what the selections of a group find, and to tell it what comes from then on. Looks in turn whether they are still there and the same, and
/// reads once more what was missed.
/// </summary>
/// <param name="group">The group's key.</param>
/// <param name="epoch">Its activation.</param>
/// <param name="members">The selections.</param>
/// <param name="sessions">Who is told that something cannot be read.</param>
/// <param name="evaluator">Evaluates what was read.</param>
/// <param name="grains">Finds the grains.</param>
/// <param name="options">Limits.</param>
/// <param name="clock">The time.</param>
/// <param name="instruments">Count reads.</param>
/// <param name="log">Hears of grains that cannot be read.</param>
internal sealed class GroupReader(
    string group, long epoch, GroupMembers members, GroupSessions sessions, GroupEvaluator evaluator, IGrainFactory grains, MetricsOptions options, TimeProvider clock,
    MetricsInstruments instruments, ILogger log)
{
    private const int LeaseSeconds = 30;

    /// <summary>Selections added with one call.</summary>
    private const int MostAdded = 256;

    /// <summary>Grains asked with one tick whether they are still the same.</summary>
    private const int MostAsked = 500;

    /// <summary>What reading a sample is counted as.</summary>
    private static readonly TimeSpan PerSample = TimeSpan.FromTicks(1);

    private Task? listing;
    private int askNext;

    /// <summary>The service grains are known.</summary>
    public bool Listed { get; private set; }

    /// <summary>Learns of new service grains.</summary>
    public Task ListAsync()
    {
        // One at a time: all who want it newer wait for the same.
        if (listing is null || listing.IsCompleted) listing = ListOnceAsync();
        return listing;
    }

    /// <summary>Reads what selections miss, from all grains at once within a bound, and evaluates the expressions that read them.</summary>
    public async Task ReadAsync(IReadOnlyCollection<GroupLeaf> wanting)
    {
        var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        var bySource = new Dictionary<GroupSource, List<GroupLeaf>>();
        foreach (var leaf in wanting)
        {
            leaf.From = now - leaf.Selection.Spec.OffsetMs - leaf.Selection.Spec.RangeMs;
            foreach (var query in leaf.Queries) leaf.From = Math.Min(leaf.From, query.Judged.Next(now, options.MaxAhead) - leaf.Selection.Spec.OffsetMs - leaf.Selection.Spec.RangeMs);
            foreach (var source in leaf.Missing)
            {
                if (!bySource.TryGetValue(source, out var list)) bySource.Add(source, list = []);
                list.Add(leaf);
            }
            // No grain has any: that is known then.
            if (leaf.Missing.Count == 0) leaf.Selection.Known(leaf.From);
        }
        foreach (var some in bySource.Chunk(options.QueryConcurrency)) await Task.WhenAll(some.Select(pair => ReadAsync(pair.Key, pair.Value)));
        foreach (var leaf in wanting)
        {
            foreach (var query in leaf.Queries) evaluator.Queue(query);
        }
        evaluator.Run();
    }

    /// <summary>The same, not in the midst of evaluations.</summary>
    public async Task ReadLaterAsync(GroupLeaf[] wanting)
    {
        await Task.Yield();
        await ReadAsync(wanting);
    }

    /// <summary>Reads everything from a grain once more.</summary>
    public Task ReadAgainAsync(GroupSource source)
    {
        Miss(source);
        return ReadMissingAsync(source);
    }

    /// <summary>Asks the grains in turn whether they are still there, and the same.</summary>
    public void Ask()
    {
        members.ForgetSources();
        var all = members.Sources.ToArray();
        for (var i = 0; i < Math.Min(all.Length, MostAsked); i++) _ = AskAsync(all[(askNext + i) % all.Length]);
        askNext = all.Length == 0 ? 0 : (askNext + MostAsked) % all.Length;
    }

    private async Task ListOnceAsync()
    {
        GrainList? newer;
        try
        {
            newer = await grains.GetGrain<IServiceIndexGrain>(IServiceIndexGrain.Key).ListForGroupAsync(members.Known, group);
        }
        catch (Exception e) when (e is OrleansException or TimeoutException or OperationCanceledException)
        {
            // Asked again within a second; what is known so far goes on.
            MetricsLog.StandingSourceFailed(log, group, IServiceIndexGrain.Key, e.Message, e);
            return;
        }
        Listed = true;
        if (newer is null) return;
        foreach (var source in members.Learn(newer)) _ = ReadMissingAsync(source);
    }

    private async Task ReadAsync(GroupSource source, List<GroupLeaf> wanting)
    {
        foreach (var some in wanting.Chunk(MostAdded))
        {
            var added = some.Where(members.IsUsed).ToArray();
            if (added.Length == 0 || await AskAsync(source, added) is not { } reply) return;
            if (reply.LimitHit is { } limit)
            {
                foreach (var leaf in added) members.InFull(leaf, "limit", limit);
                continue;
            }
            long samples = 0;
            for (var i = 0; i < added.Length; i++)
            {
                foreach (var series in reply.Found[i])
                {
                    samples += series.Times.Length;
                    members.Take(added[i], series);
                }
                added[i].Missing.Remove(source);
                added[i].Failed.Remove(source);
                if (added[i].Missing.Count == 0) added[i].Selection.Known(added[i].From);
            }
            instruments.StandingReads.Add(added.Length);
            evaluator.Pay(samples * PerSample, added.Length, 0);
        }
    }

    /// <summary>Asks a grain to go on telling, and for what selections find. Null where it cannot be asked, or is another than before.</summary>
    private async Task<FollowReply?> AskAsync(GroupSource source, GroupLeaf[] added)
    {
        var removed = source.Removed.ToArray();
        source.Removed.Clear();
        FollowReply reply;
        try
        {
            reply = await grains.GetGrain<IMonitoredServiceGrain>(source.Key).FollowAsync(new FollowRequest
            {
                Group = group,
                Epoch = epoch,
                Added = Array.ConvertAll(added, l => new FollowedSelection
                {
                    Id = l.Id,
                    Matchers = [.. l.Selection.Spec.Matchers.Select(m => new MatcherSpec { Name = m.Name, Kind = m.Kind, Value = m.Value })],
                    From = l.From + 1,
                }),
                Removed = removed,
                LeaseSeconds = LeaseSeconds + 2 * members.Sources.Count / MostAsked,
                MaxSeries = options.MaxSeriesPerQuery,
                MaxSamples = options.MaxSamplesPerQuery,
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

    /// <summary>All that is read from a grain has to be read once more.</summary>
    private static void Miss(GroupSource source)
    {
        foreach (var leaf in source.Leaves) leaf.Missing.Add(source);
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
        var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        foreach (var query in source.Leaves.SelectMany(l => l.Queries).Distinct())
            members.Publish(query, new StandingValue { EvaluatedAt = now, Error = reason }, 0);
        sessions.Wake();
    }
}

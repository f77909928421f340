using System.Collections.Concurrent;
using Orleans.Runtime;
using Vigil.Metrics.Api;
using Vigil.Metrics.Grains;
using Vigil.Metrics.V1;

namespace Vigil.Metrics.Watch;

/// <summary>A watch of a session that a group keeps. What is mutable changes only while nothing else is written to the call.</summary>
/// <param name="number">Its number in the session.</param>
/// <param name="id">The caller's name for it.</param>
/// <param name="expr">The expression.</param>
/// <param name="heartbeat">The longest silence.</param>
internal sealed class GroupWatch(int number, string id, string expr, TimeSpan heartbeat)
{
    public int Number { get; } = number;

    public string Id { get; } = id;

    public string Expr { get; } = expr;

    public TimeSpan Heartbeat { get; } = heartbeat;

    /// <summary>What the caller was told last; null where nothing.</summary>
    public StandingValue? Value { get; set; }

    /// <summary>The group's activation that it came from.</summary>
    public long Epoch { get; set; }

    /// <summary>A moment that does not go back.</summary>
    public long At { get; set; }

    /// <summary>A timestamp.</summary>
    public long WrittenAt { get; set; }

    public bool Ended { get; set; }
}

/// <summary>
/// Follows the expressions of one session in one group: one call for all that has changed, whose events are sent together. A heartbeat says no more than the
/// group did: without word from it there is silence.
/// </summary>
internal sealed class GroupFollower
{
    /// <summary>Expressions added with one call.</summary>
    private const int MostAdded = 256;

    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan ShortestBeat = TimeSpan.FromMilliseconds(25);

    private readonly IStandingGroupGrain group;
    private readonly string session;
    private readonly WatchWriter writer;
    private readonly WatchCallers.WatchCaller caller;
    private readonly Action<GroupWatch> handOver;
    private readonly TimeProvider clock;
    private readonly ILogger log;
    private readonly CancellationToken ending;
    private readonly ConcurrentDictionary<int, GroupWatch> watches = [];
    private readonly Lock gate = new();
    private readonly List<GroupWatch> adding = [];
    private readonly List<int> removed = [];
    private Task? adder;
    private TaskCompletionSource beating = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long heardAt;
    private long confirmedAt;

    public GroupFollower(
        IStandingGroupGrain group, string session, WatchWriter writer, WatchCallers.WatchCaller caller, Action<GroupWatch> handOver, TimeProvider clock, ILogger log, CancellationToken ending)
    {
        (this.group, this.session, this.writer, this.caller, this.handOver, this.clock, this.log, this.ending) = (group, session, writer, caller, handOver, clock, log, ending);
        Running = RunAsync();
    }

    /// <summary>Ends when the session does.</summary>
    public Task Running { get; }

    /// <summary>Follows an expression from now on.</summary>
    public void Add(GroupWatch watch)
    {
        watch.WrittenAt = clock.GetTimestamp();
        watches[watch.Number] = watch;
        beating.TrySetResult();
        AddLater([watch]);
    }

    /// <summary>Ends a watch: after this nothing is written for it.</summary>
    public async Task RemoveAsync(GroupWatch watch)
    {
        watches.TryRemove(watch.Number, out _);
        lock (gate)
        {
            if (!adding.Remove(watch)) removed.Add(watch.Number);
        }
        await writer.BetweenAsync(() => watch.Ended = true).ConfigureAwait(false);
    }

    private async Task RunAsync()
    {
        await Task.WhenAll(PollAsync(), BeatAsync()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        try
        {
            // Ends the call that waits, too.
            await group.NextAsync(new StandingPoll { Session = session, Ended = true }).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OrleansException or TimeoutException or OperationCanceledException)
        {
            // It notices by itself that nobody asks any more.
            MetricsLog.NotifyFailed(log, "a watch that ended", "its group", e);
        }
    }

    private void AddLater(IEnumerable<GroupWatch> added)
    {
        lock (gate)
        {
            foreach (var watch in added)
            {
                if (!adding.Contains(watch)) adding.Add(watch);
            }
            if (adder is null || adder.IsCompleted) adder = AddAsync();
        }
    }

    /// <summary>Adds what there is to add, in the caller's turn: of all that it registers at once only a part is read for the first time side by side.</summary>
    private async Task AddAsync()
    {
        await Task.Yield();
        while (!ending.IsCancellationRequested)
        {
            GroupWatch[] some;
            lock (gate)
            {
                some = [.. adding.Take(MostAdded)];
                adding.RemoveRange(0, some.Length);
                if (some.Length == 0)
                {
                    adder = null;
                    return;
                }
            }
            if (await AddAsync(some).ConfigureAwait(false)) continue;
            lock (gate) adding.AddRange(some.Where(w => watches.ContainsKey(w.Number)));
            await Task.Delay(RetryAfter, clock, ending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<bool> AddAsync(GroupWatch[] some)
    {
        try
        {
            await caller.Starting.WaitAsync(ending).ConfigureAwait(false);
            StandingChanges changes;
            try
            {
                changes = await AskAsync(some, TimeSpan.Zero).ConfigureAwait(false);
            }
            finally
            {
                caller.Starting.Release();
            }
            await TellAsync(changes).ConfigureAwait(false);
            return true;
        }
        // Whatever it was: a watch that ends without a word would leave its caller waiting for ever.
        catch (Exception e) when (!ending.IsCancellationRequested)
        {
            MetricsLog.WatchInterrupted(log, some[0].Expr, e);
            await InterruptedAsync(some, e).ConfigureAwait(false);
            return false;
        }
        catch (OperationCanceledException)
        {
            return true;
        }
    }

    private async Task PollAsync()
    {
        await Task.Yield();
        while (!ending.IsCancellationRequested)
        {
            try
            {
                var changes = await AskAsync([], Poll).ConfigureAwait(false);
                if (changes.Unknown)
                {
                    AddLater(watches.Values);
                    await Task.Delay(RetryAfter, clock, ending).ConfigureAwait(false);
                }
                else
                {
                    await TellAsync(changes).ConfigureAwait(false);
                }
            }
            catch (Exception e) when (!ending.IsCancellationRequested)
            {
                MetricsLog.WatchInterrupted(log, $"{watches.Count} expressions", e);
                await InterruptedAsync([.. watches.Values], e).ConfigureAwait(false);
                await Task.Delay(RetryAfter, clock, ending).ConfigureAwait(false);
                // What the lost answer held comes again.
                AddLater(watches.Values);
            }
        }
    }

    private async Task<StandingChanges> AskAsync(GroupWatch[] added, TimeSpan wait)
    {
        int[] ended;
        lock (gate)
        {
            ended = [.. removed];
            removed.Clear();
        }
        try
        {
            var changes = await group.NextAsync(new StandingPoll
            {
                Session = session,
                Added = Array.ConvertAll(added, w => w.Expr),
                AddedIds = Array.ConvertAll(added, w => w.Number),
                Removed = ended,
                Wait = wait,
            }).WaitAsync(ending).ConfigureAwait(false);
            Volatile.Write(ref heardAt, clock.GetTimestamp());
            Volatile.Write(ref confirmedAt, changes.ConfirmedAt);
            return changes;
        }
        catch
        {
            lock (gate) removed.AddRange(ended);
            throw;
        }
    }

    private async Task TellAsync(StandingChanges changes)
    {
        if (changes.Changes.Length == 0) return;
        await writer.WriteAsync(() =>
        {
            var now = clock.GetTimestamp();
            var events = new List<WatchEvent>(changes.Changes.Length);
            foreach (var change in changes.Changes)
            {
                if (change.Value is not { } value || !watches.TryGetValue(change.Watch, out var watch) || watch.Ended) continue;
                // Answers of two calls may come in either order.
                if (watch.Epoch == changes.Epoch && watch.Value is { Version: >= 0 } told && value.Version <= told.Version) continue;
                watch.Epoch = changes.Epoch;
                events.Add(Event(watch, value, changed: true, now));
            }
            return events;
        }, ending).ConfigureAwait(false);
        foreach (var change in changes.Changes)
        {
            if (change.Value is null && watches.TryRemove(change.Watch, out var watch))
            {
                lock (gate) removed.Add(watch.Number);
                handOver(watch);
            }
        }
    }

    private Task InterruptedAsync(GroupWatch[] some, Exception cause) => writer.WriteAsync(() =>
    {
        var now = clock.GetTimestamp();
        var value = StandingResult.Interrupted(cause, clock.GetUtcNow().ToUnixTimeMilliseconds());
        return [.. some.Where(w => !w.Ended).Select(w => Event(w, value, changed: w.Value?.Error != value.Error, now))];
    }, ending);

    /// <summary>Confirms values that were not told for as long as a heartbeat, a little early rather than late.</summary>
    private async Task BeatAsync()
    {
        await Task.Yield();
        while (!ending.IsCancellationRequested)
        {
            if (watches.IsEmpty)
            {
                beating = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                if (watches.IsEmpty) await beating.Task.WaitAsync(ending).ConfigureAwait(false);
            }
            var shortest = Poll * 4;
            foreach (var (_, watch) in watches) shortest = watch.Heartbeat < shortest ? watch.Heartbeat : shortest;
            var beat = shortest / 4 > ShortestBeat ? shortest / 4 : ShortestBeat;
            await Task.Delay(beat, clock, ending).ConfigureAwait(false);
            var now = clock.GetTimestamp();
            if (clock.GetElapsedTime(Volatile.Read(ref heardAt), now) > Poll * 2) continue;
            await writer.WriteAsync(() =>
            {
                var events = new List<WatchEvent>();
                foreach (var (_, watch) in watches)
                {
                    if (watch.Value is { Version: >= 0 } value && !watch.Ended && clock.GetElapsedTime(watch.WrittenAt, now) >= watch.Heartbeat - beat)
                        events.Add(Event(watch, value, changed: false, now));
                }
                return events;
            }, ending).ConfigureAwait(false);
        }
    }

    private WatchEvent Event(GroupWatch watch, StandingValue value, bool changed, long now)
    {
        watch.Value = value;
        watch.WrittenAt = now;
        // The evaluations go back with a clock that is set back; what callers are told by the contract does not.
        watch.At = Math.Max(watch.At, changed ? value.EvaluatedAt : Math.Max(value.EvaluatedAt, value.Error is null ? Volatile.Read(ref confirmedAt) : 0));
        return QueryMapping.ToEvent(watch.Id, value, watch.At, changed);
    }
}

using System.Collections.Concurrent;
using Orleans.Runtime;
using Vigil.Metrics.Grains;

namespace Vigil.Metrics.Watch.Groups;

/// <summary>
/// Follows the expressions of one session in one group: one call for all that has changed, and others that add expressions.
/// </summary>
internal sealed class GroupFollower
{
    /// <summary>Expressions added with one call.</summary>
    private const int MostAdded = 256;

    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromMilliseconds(250);

    private readonly IStandingGroupGrain group;
    private readonly string session;
    private readonly GroupEvents events;
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

    public GroupFollower(
        IStandingGroupGrain group, string session, WatchWriter writer, WatchCallers.WatchCaller caller, Action<GroupWatch> handOver, TimeProvider clock, ILogger log, CancellationToken ending)
    {
        (this.group, this.session, this.caller, this.handOver, this.clock, this.log, this.ending) = (group, session, caller, handOver, clock, log, ending);
        events = new GroupEvents(watches, writer, Poll, clock, ending);
        Running = RunAsync();
    }

    /// <summary>Ends when the session does.</summary>
    public Task Running { get; }

    /// <summary>Follows an expression from now on.</summary>
    public void Add(GroupWatch watch)
    {
        events.Begin(watch);
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
        await events.EndAsync(watch).ConfigureAwait(false);
    }

    private async Task RunAsync()
    {
        await Task.WhenAll(PollAsync(), events.BeatAsync()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
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
            await events.InterruptedAsync(some, e).ConfigureAwait(false);
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
                await events.InterruptedAsync([.. watches.Values], e).ConfigureAwait(false);
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
            }, ending).WaitAsync(ending).ConfigureAwait(false);
            events.Heard(changes.ConfirmedAt);
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
        await events.TellAsync(changes).ConfigureAwait(false);
        foreach (var change in changes.Changes)
        {
            if (change.Value is null && watches.TryRemove(change.Watch, out var watch))
            {
                lock (gate) removed.Add(watch.Number);
                handOver(watch);
            }
        }
    }
}

using System.Collections.Concurrent;
using Vigil.Metrics.Api;
using Vigil.Metrics.Grains;
using Vigil.Metrics.V1;

namespace Vigil.Metrics.Watch.Groups;

/// <summary>
/// Writes what is said of the watches of one session in one group: values that have changed, together, and heartbeats. A heartbeat says no more than the group did:
/// without word from it there is silence.
/// </summary>
/// <param name="watches">The watches, by number.</param>
/// <param name="writer">The call.</param>
/// <param name="poll">How often the group says something at least.</param>
/// <param name="clock">The time.</param>
/// <param name="ending">Gives up.</param>
internal sealed class GroupEvents(ConcurrentDictionary<int, GroupWatch> watches, WatchWriter writer, TimeSpan poll, TimeProvider clock, CancellationToken ending)
{
    private static readonly TimeSpan ShortestBeat = TimeSpan.FromMilliseconds(25);

    private TaskCompletionSource beating = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long heardAt;
    private long confirmedAt;

    /// <summary>A watch begins: it is silent from now on.</summary>
    public void Begin(GroupWatch watch)
    {
        watch.WrittenAt = clock.GetTimestamp();
        watches[watch.Number] = watch;
        beating.TrySetResult();
    }

    /// <summary>After this nothing is written for a watch.</summary>
    public Task EndAsync(GroupWatch watch) => writer.BetweenAsync(() => watch.Ended = true);

    /// <summary>The group said that what it does not name as changed holds.</summary>
    /// <param name="confirmed">At this moment still, milliseconds since 1970.</param>
    public void Heard(long confirmed)
    {
        Volatile.Write(ref heardAt, clock.GetTimestamp());
        Volatile.Write(ref confirmedAt, confirmed);
    }

    /// <summary>Tells values that have changed.</summary>
    public Task TellAsync(StandingChanges changes) => writer.WriteAsync(() =>
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
    }, ending);

    /// <summary>Tells that values cannot be had for the moment.</summary>
    public Task InterruptedAsync(GroupWatch[] some, Exception cause) => writer.WriteAsync(() =>
    {
        var now = clock.GetTimestamp();
        var value = StandingResult.Interrupted(cause, clock.GetUtcNow().ToUnixTimeMilliseconds());
        return [.. some.Where(w => !w.Ended).Select(w => Event(w, value, changed: w.Value?.Error != value.Error, now))];
    }, ending);

    /// <summary>Confirms values that were not told for as long as a heartbeat, a little early rather than late.</summary>
    public async Task BeatAsync()
    {
        await Task.Yield();
        while (!ending.IsCancellationRequested)
        {
            if (watches.IsEmpty)
            {
                beating = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                if (watches.IsEmpty) await beating.Task.WaitAsync(ending).ConfigureAwait(false);
            }
            var shortest = poll * 4;
            foreach (var (_, watch) in watches) shortest = watch.Heartbeat < shortest ? watch.Heartbeat : shortest;
            var beat = shortest / 4 > ShortestBeat ? shortest / 4 : ShortestBeat;
            await Task.Delay(beat, clock, ending).ConfigureAwait(false);
            var now = clock.GetTimestamp();
            if (clock.GetElapsedTime(Volatile.Read(ref heardAt), now) > poll * 2) continue;
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

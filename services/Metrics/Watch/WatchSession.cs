using System.Collections.Concurrent;
using System.Globalization;
using Grpc.Core;
using Orleans;
using Orleans.Runtime;
using Vigil.Metrics.Api;
using Vigil.Metrics.Grains;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.V1;
using Vigil.Metrics.Watch.Groups;
using Vigil.Metrics.Watch.Incremental;
using Vigil.ServiceDefaults;
using Refusal = Vigil.ServiceDefaults.Refusal;

namespace Vigil.Metrics.Watch;

/// <summary>
/// One Watch call: follows the standing query of each registered expression and writes what it says. A slow reader holds up its
/// own followers only, which then skip to the newest value; nothing queues.
/// </summary>
internal sealed class WatchSession(
    IGrainFactory grains, IServerStreamWriter<WatchEvent> responses, WatchCallers.WatchCaller caller, PlanCompiler compiler, MetricsOptions options, TimeProvider clock,
    MetricsInstruments instruments, ILogger log, CancellationToken ct) : IDisposable
{
    private const int DefaultHeartbeatMs = 1_000;
    private const int MaxWatchIdLength = 256;

    /// <summary>Shorter than the time a grain call may take.</summary>
    private static readonly TimeSpan LongestPoll = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan RetryAfter = TimeSpan.FromMilliseconds(250);

    private readonly ConcurrentDictionary<string, Follower> followers = new(StringComparer.Ordinal);
    private readonly WatchWriter writer = new(responses, ct);
    private readonly ConcurrentDictionary<string, GroupFollower> groups = new(StringComparer.Ordinal);
    private readonly string name = Guid.NewGuid().ToString("N");
    private CancellationTokenSource? groupsEnding;
    private readonly Lock handing = new();
    private int watches;

    /// <summary>Call it after <see cref="RunAsync"/> has returned.</summary>
    public void Dispose()
    {
        writer.Dispose();
        groupsEnding?.Dispose();
    }

    /// <summary>Runs until the caller closes its side or the call ends.</summary>
    /// <exception cref="RefusalException">A message breaks the contract or a limit.</exception>
    public async Task RunAsync(IAsyncStreamReader<WatchRequest> requests, CancellationToken stopping)
    {
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(ct, stopping);
        try
        {
            while (await requests.MoveNext(reading.Token).ConfigureAwait(false)) await TakeAsync(requests.Current).ConfigureAwait(false);
            // The caller has said all it wants to; it goes on listening until it ends the call.
            await Task.Delay(Timeout.InfiniteTimeSpan, clock, reading.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        catch (Exception e) when (stopping.IsCancellationRequested && !ct.IsCancellationRequested && e is OperationCanceledException or RpcException)
        {
            // Said below.
        }
        finally
        {
            foreach (var id in followers.Keys) await EndAsync(id).ConfigureAwait(false);
            if (groupsEnding is not null)
            {
                await groupsEnding.CancelAsync().ConfigureAwait(false);
                foreach (var group in groups.Values) await group.Running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        if (stopping.IsCancellationRequested) throw new RefusalException(RefusalKind.Unavailable, "the service is stopping: watch again elsewhere or later");
    }

    private async Task TakeAsync(WatchRequest request)
    {
        switch (request.MessageCase)
        {
            case WatchRequest.MessageOneofCase.Register:
                await RegisterAsync(request.Register).ConfigureAwait(false);
                break;
            case WatchRequest.MessageOneofCase.Unregister:
                await EndAsync(request.Unregister.WatchId).ConfigureAwait(false);
                break;
            default:
                throw Refusal.Invalid("message", "one of register and unregister is needed").ToException();
        }
    }

    private async Task RegisterAsync(WatchRegister register)
    {
        if (register.WatchId.Length is 0 or > MaxWatchIdLength) throw Refusal.Invalid("register.watch_id", $"1 to {MaxWatchIdLength} characters are needed").ToException();
        if (register.HeartbeatMs is not 0 and (< 100 or > 60_000)) throw Refusal.Invalid("register.heartbeat_ms", $"{register.HeartbeatMs} is not 0 or 100 to 60000").ToException();
        await EndAsync(register.WatchId).ConfigureAwait(false);
        if (followers.Count >= options.MaxWatchesPerStream)
            throw TooMany($"{followers.Count} expressions are watched on this call", nameof(MetricsOptions.MaxWatchesPerStream));
        if (!caller.TryAdd())
            throw TooMany($"{options.MaxWatchesPerCaller} expressions are watched with this token, on all of its calls", nameof(MetricsOptions.MaxWatchesPerCaller));
        var heartbeat = TimeSpan.FromMilliseconds(register.HeartbeatMs == 0 ? DefaultHeartbeatMs : register.HeartbeatMs);
        var (id, expr, refused) = (register.WatchId, register.Expr, Refused(register.Expr, out var parsed));
        var tooLong = false;
        if (refused is null && parsed is not null && compiler.Leaves(parsed, out tooLong) is [var first, ..])
        {
            var watch = new GroupWatch(++watches, id, expr, heartbeat);
            var group = GroupOf(first);
            followers[id] = new Follower(null, Task.CompletedTask) { Watch = watch, Group = group };
            group.Add(watch);
            return;
        }
        if (refused is null) instruments.StandingRefused.Add(1, new KeyValuePair<string, object?>("cause", tooLong ? "window" : "shape"));
        FollowAlone(id, expr, refused, heartbeat);
    }

    private void FollowAlone(string id, string expr, string? refused, TimeSpan heartbeat)
    {
        var ending = CancellationTokenSource.CreateLinkedTokenSource(ct);
        followers[id] = new Follower(ending, FollowAsync(id, expr, refused, heartbeat, ending.Token));
    }

    /// <summary>Expressions that read the same are in the same group.</summary>
    private GroupFollower GroupOf(SelectionSpec spec)
    {
        // FNV-1a: the same in every process.
        var hash = 2_166_136_261u;
        foreach (var c in spec.Key) hash = (hash ^ c) * 16_777_619u;
        hash ^= hash >> 15;
        var key = (hash % (uint)options.StandingGroups).ToString(CultureInfo.InvariantCulture);
        groupsEnding ??= CancellationTokenSource.CreateLinkedTokenSource(ct);
        return groups.GetOrAdd(key, k => new GroupFollower(grains.GetGrain<IStandingGroupGrain>(k), name, writer, caller, HandOver, clock, log, groupsEnding.Token));
    }

    /// <summary>A watch that its group does not keep is evaluated in full.</summary>
    private void HandOver(GroupWatch watch)
    {
        lock (handing)
        {
            // Unless it has ended meanwhile.
            if (!followers.TryGetValue(watch.Id, out var follower) || follower.Watch != watch) return;
            FollowAlone(watch.Id, watch.Expr, null, watch.Heartbeat);
        }
    }

    private RefusalException TooMany(string what, string key)
    {
        instruments.WatchesRefused.Add(1, new KeyValuePair<string, object?>("limit", key));
        return new RefusalException(RefusalKind.ResourceExhausted, $"{what}, which is as many as may be (Metrics:{key})");
    }

    private async Task EndAsync(string id)
    {
        Follower? follower;
        lock (handing)
        {
            if (!followers.TryRemove(id, out follower)) return;
        }
        caller.Remove();
        if (follower.Watch is { } watch) await follower.Group!.RemoveAsync(watch).ConfigureAwait(false);
        if (follower.Ending is null) return;
        await follower.Ending.CancelAsync().ConfigureAwait(false);
        // Its last event must not come after those of a watch that takes its place.
        await follower.Running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        follower.Ending.Dispose();
    }

    private async Task FollowAsync(string id, string expr, string? refused, TimeSpan heartbeat, CancellationToken ending)
    {
        await Task.Yield();
        var version = -1L;
        long at = 0;
        while (!ending.IsCancellationRequested)
        {
            StandingValue value;
            try
            {
                value = refused is null
                    ? await (version == -1 ? StartAsync(expr, heartbeat, ending) : PollAsync(expr, version, heartbeat, ending)).ConfigureAwait(false)
                    : await RefuseAsync(refused, version, heartbeat, ending).ConfigureAwait(false);
            }
            // Whatever it was: a watch that ends without a word would leave its caller waiting for ever.
            catch (Exception e) when (!ending.IsCancellationRequested)
            {
                MetricsLog.WatchInterrupted(log, expr, e);
                value = StandingResult.Interrupted(e, clock.GetUtcNow().ToUnixTimeMilliseconds());
                await Task.Delay(RetryAfter, clock, ending).ConfigureAwait(false);
            }
            var changed = value.Version != version;
            version = value.Version;
            // The evaluations go back with a clock that is set back; what callers are told by the contract does not.
            at = Math.Max(at, value.EvaluatedAt);
            await writer.WriteAsync(QueryMapping.ToEvent(id, value, at, changed), ending).ConfigureAwait(false);
        }
    }

    /// <summary>The first value, in the caller's turn: of all that it registers at once only a few are evaluated side by side.</summary>
    private async Task<StandingValue> StartAsync(string expr, TimeSpan heartbeat, CancellationToken ending)
    {
        await caller.Starting.WaitAsync(ending).ConfigureAwait(false);
        try
        {
            return await PollAsync(expr, -1, heartbeat, ending).ConfigureAwait(false);
        }
        finally
        {
            caller.Starting.Release();
        }
    }

    /// <summary>Waits for news as long as the heartbeat allows.</summary>
    private async Task<StandingValue> PollAsync(string expr, long version, TimeSpan heartbeat, CancellationToken ending)
    {
        var grain = grains.GetGrain<IStandingQueryGrain>(expr);
        var start = clock.GetTimestamp();
        while (true)
        {
            var left = heartbeat - clock.GetElapsedTime(start);
            var wait = left > LongestPoll ? LongestPoll : left > TimeSpan.Zero ? left : TimeSpan.Zero;
            var value = await grain.NextAsync(version, wait, ending).WaitAsync(ending).ConfigureAwait(false);
            // Not evaluated yet: nothing is known, which is something else than an empty vector. Silence says so.
            if (value.Version == 0) start = clock.GetTimestamp();
            else if (value.Version != version || clock.GetElapsedTime(start) >= heartbeat) return value;
        }
    }

    private async Task<StandingValue> RefuseAsync(string reason, long version, TimeSpan heartbeat, CancellationToken ending)
    {
        if (version == 1) await Task.Delay(heartbeat, clock, ending).ConfigureAwait(false);
        return new StandingValue { Version = 1, Error = reason, EvaluatedAt = clock.GetUtcNow().ToUnixTimeMilliseconds() };
    }

    private string? Refused(string expr, out Expr? parsed)
    {
        parsed = null;
        if (expr.Length > options.MaxExpressionLength)
            return $"the expression is {expr.Length} characters long; at most {options.MaxExpressionLength} are allowed (Metrics:{nameof(MetricsOptions.MaxExpressionLength)})";
        if (!PromQlParser.TryParse(expr, out parsed, out var error)) return error.ToString();
        return parsed.Type is ExprType.InstantVector or ExprType.Scalar ? null : $"the expression yields a {parsed.Type.Documented()}; only an instant vector or a scalar can be watched";
    }

    /// <summary>A watch.</summary>
    /// <param name="Ending">Ends <paramref name="Running"/>; null where a group follows it.</param>
    private sealed record Follower(CancellationTokenSource? Ending, Task Running)
    {
        public GroupWatch? Watch { get; init; }

        public GroupFollower? Group { get; init; }
    }
}

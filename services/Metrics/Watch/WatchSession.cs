using System.Collections.Concurrent;
using Grpc.Core;
using Orleans;
using Orleans.Runtime;
using Vigil.Metrics.Api;
using Vigil.Metrics.Grains;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.V1;
using Vigil.ServiceDefaults;
using Refusal = Vigil.ServiceDefaults.Refusal;

namespace Vigil.Metrics.Watch;

/// <summary>
/// One Watch call: follows the standing query of each registered expression and writes what it says. A slow reader holds up its
/// own followers only, which then skip to the newest value; nothing queues.
/// </summary>
internal sealed class WatchSession(
    IGrainFactory grains, IServerStreamWriter<WatchEvent> responses, WatchCallers.WatchCaller caller, MetricsOptions options, TimeProvider clock, MetricsInstruments instruments, ILogger log, CancellationToken ct)
    : IDisposable
{
    private const int DefaultHeartbeatMs = 1_000;
    private const int MaxWatchIdLength = 256;

    /// <summary>Shorter than the time a grain call may take.</summary>
    private static readonly TimeSpan LongestPoll = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan RetryAfter = TimeSpan.FromMilliseconds(250);

    private readonly ConcurrentDictionary<string, Follower> followers = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim writing = new(1, 1);

    /// <summary>Call it after <see cref="RunAsync"/> has returned.</summary>
    public void Dispose() => writing.Dispose();

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
        var ending = CancellationTokenSource.CreateLinkedTokenSource(ct);
        followers[register.WatchId] = new Follower(ending, FollowAsync(register.WatchId, register.Expr, heartbeat, ending.Token));
    }

    private RefusalException TooMany(string what, string key)
    {
        instruments.WatchesRefused.Add(1, new KeyValuePair<string, object?>("limit", key));
        return new RefusalException(RefusalKind.ResourceExhausted, $"{what}, which is as many as may be (Metrics:{key})");
    }

    private async Task EndAsync(string id)
    {
        if (!followers.TryRemove(id, out var follower)) return;
        caller.Remove();
        await follower.Ending.CancelAsync().ConfigureAwait(false);
        // Its last event must not come after those of a watch that takes its place.
        await follower.Running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        follower.Ending.Dispose();
    }

    private async Task FollowAsync(string id, string expr, TimeSpan heartbeat, CancellationToken ending)
    {
        await Task.Yield();
        var refused = Refused(expr);
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
                value = new StandingValue { Version = -2, Error = $"the value cannot be had for the moment: {(e is OrleansException or TimeoutException ? e.Message : "the log says why")}", EvaluatedAt = clock.GetUtcNow().ToUnixTimeMilliseconds() };
                await Task.Delay(RetryAfter, clock, ending).ConfigureAwait(false);
            }
            var changed = value.Version != version;
            version = value.Version;
            // The evaluations go back with a clock that is set back; what callers are told by the contract does not.
            at = Math.Max(at, value.EvaluatedAt);
            await WriteAsync(QueryMapping.ToEvent(id, value, at, changed), ending).ConfigureAwait(false);
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
            var value = await grain.NextAsync(version, wait).WaitAsync(ending).ConfigureAwait(false);
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

    private string? Refused(string expr)
    {
        if (expr.Length > options.MaxExpressionLength)
            return $"the expression is {expr.Length} characters long; at most {options.MaxExpressionLength} are allowed (Metrics:{nameof(MetricsOptions.MaxExpressionLength)})";
        if (!PromQlParser.TryParse(expr, out var parsed, out var error)) return error.ToString();
        return parsed.Type is ExprType.InstantVector or ExprType.Scalar ? null : $"the expression yields a {parsed.Type.Documented()}; only an instant vector or a scalar can be watched";
    }

    private async Task WriteAsync(WatchEvent value, CancellationToken ending)
    {
        await writing.WaitAsync(ending).ConfigureAwait(false);
        try
        {
            await responses.WriteAsync(value, ct).ConfigureAwait(false);
        }
        finally
        {
            writing.Release();
        }
    }

    private sealed record Follower(CancellationTokenSource Ending, Task Running);
}

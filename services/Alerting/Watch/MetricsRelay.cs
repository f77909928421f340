using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Options;
using Vigil.Alerting.Grains;
using Vigil.Alerting.Policies;
using Vigil.Metrics.V1;

namespace Vigil.Alerting.Watch;

/// <summary>
/// Holds one stream to Metrics, on which every policy's expression is registered, and brings each event to its policy, in order.
/// It never decides that something is unknown: a policy that hears nothing for three heartbeats knows that by itself, whatever
/// broke in between.
/// </summary>
internal sealed partial class MetricsRelay : BackgroundService
{
    /// <summary>Events that may wait for one policy: more than a minute's worth of heartbeats.</summary>
    private const int MaxPerPolicy = 256;

    private const int MaxInAll = 200_000;
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan StatusWait = TimeSpan.FromSeconds(1);

    private readonly MetricsQuery.MetricsQueryClient client;
    private readonly IGrainFactory grains;
    private readonly PolicyTable table;
    private readonly PoliciesOptions options;
    private readonly TimeProvider clock;
    private readonly AlertingMetrics metrics;
    private readonly ILogger<MetricsRelay> log;
    private readonly Lanes<WatchEvent> lanes;

    public MetricsRelay([FromKeyedServices("metrics")] GrpcChannel channel, IGrainFactory grains, PolicyTable table, IOptions<PoliciesOptions> options,
        TimeProvider clock, AlertingMetrics metrics, ILogger<MetricsRelay> log)
    {
        client = new MetricsQuery.MetricsQueryClient(channel);
        this.grains = grains;
        this.table = table;
        this.options = options.Value;
        this.clock = clock;
        this.metrics = metrics;
        this.log = log;
        lanes = new Lanes<WatchEvent>(ObserveAsync, (e, failure) => LogObserveFailed(failure, e.WatchId), MaxPerPolicy, MaxInAll);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var failures = 0;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await WatchAsync(() => failures = 0, stoppingToken).ConfigureAwait(false);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                metrics.WatchFailed();
                var delay = FirstDelay * Math.Pow(2, Math.Min(failures++, 10));
                if (delay > LongestDelay) delay = LongestDelay;
                // Many services restarting together must not knock in step.
                delay *= 0.5 + Random.Shared.NextDouble();
                // One line with what went wrong; the stack says nothing more about a server that is away.
                LogBroken(e is RpcException rpc ? $"{rpc.StatusCode}: {rpc.Status.Detail}" : e.ToString(), delay.TotalSeconds);
                await Task.Delay(delay, clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (Exception e) when (e is OperationCanceledException or RpcException)
            {
                // Stopping: the call was cancelled, which gRPC reports as a status.
                return;
            }
        }
    }

    /// <summary>One stream, until it breaks.</summary>
    private async Task WatchAsync(Action heard, CancellationToken ct)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(ct);
        using var call = client.Watch(cancellationToken: over.Token);
        var registering = RegisterAsync(call.RequestStream, over.Token);
        var reading = ReadAsync(call.ResponseStream, heard, over.Token);
        // Registering ends only by failing, and a stream on which nothing more is registered would look sound: it is given up.
        if (await Task.WhenAny(reading, registering).ConfigureAwait(false) == registering)
        {
            // A write also fails when Metrics ends the call. Then the reader learns why, which may take it a moment longer.
            await Task.WhenAny(reading, Task.Delay(StatusWait, clock, over.Token)).ConfigureAwait(false);
        }
        var (ended, other) = reading.IsCompleted ? (reading, registering) : (registering, reading);
        await over.CancelAsync().ConfigureAwait(false);
        await other.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await ended.ConfigureAwait(false);
    }

    private async Task ReadAsync(IAsyncStreamReader<WatchEvent> events, Action heard, CancellationToken ct)
    {
        var first = true;
        await foreach (var e in events.ReadAllAsync(ct).ConfigureAwait(false))
        {
            if (first)
            {
                first = false;
                heard();
                LogOpen();
            }
            if (lanes.TryAdd(e.WatchId, e)) continue;
            metrics.EvaluationDropped();
            LogDropped(e.WatchId);
        }
        throw new RpcException(new Status(StatusCode.Unavailable, "Metrics ended the stream"));
    }

    /// <summary>Keeps what is registered on the stream equal to the policies in force.</summary>
    private async Task RegisterAsync(IClientStreamWriter<WatchRequest> requests, CancellationToken ct)
    {
        var registered = new Dictionary<string, string>(StringComparer.Ordinal);
        while (true)
        {
            var (policies, changed) = table.Observe();
            foreach (var key in registered.Keys.Where(k => !policies.ContainsKey(k)).ToArray())
            {
                await requests.WriteAsync(new WatchRequest { Unregister = new WatchUnregister { WatchId = key } }, ct).ConfigureAwait(false);
                registered.Remove(key);
            }
            foreach (var policy in policies.Values)
            {
                var identity = $"{policy.Version}\0{policy.Interval}";
                if (registered.GetValueOrDefault(policy.Key) == identity) continue;
                await requests.WriteAsync(new WatchRequest { Register = RegistrationOf(policy) }, ct).ConfigureAwait(false);
                registered[policy.Key] = identity;
            }
            await changed.WaitAsync(ct).ConfigureAwait(false);
        }
    }

    private WatchRegister RegistrationOf(PolicyDefinition policy) =>
        new() { WatchId = policy.Key, Expr = policy.Expr, HeartbeatMs = (uint)options.HeartbeatOf(policy).TotalMilliseconds };

    private Task ObserveAsync(WatchEvent e)
    {
        using var activity = e.Changed ? AlertingMetrics.Activities.StartActivity("policy.observe") : null;
        activity?.SetTag("vigil.policy", e.WatchId);
        return grains.GetGrain<IPolicyGrain>(e.WatchId).Observe(ToMessage(e));
    }

    private static EvaluationMessage ToMessage(WatchEvent e)
    {
        var at = DateTimeOffset.FromUnixTimeMilliseconds(e.EvaluatedAtUnixMs);
        if (e.OutcomeCase == WatchEvent.OutcomeOneofCase.Error) return new EvaluationMessage(at, [], 0, e.Error, e.CauseReceivedUnixUs);
        var source = e.Vector?.Samples;
        var samples = source is null or { Count: 0 } ? [] : new SampleMessage[source.Count];
        for (var i = 0; i < samples.Length; i++)
        {
            var labels = new string[source![i].Labels.Count * 2];
            for (var j = 0; j < source[i].Labels.Count; j++) (labels[2 * j], labels[2 * j + 1]) = (source[i].Labels[j].Name, source[i].Labels[j].Value);
            samples[i] = new SampleMessage(labels, source[i].Value);
        }
        return new EvaluationMessage(at, samples, (int)Math.Min(e.InputSeries, int.MaxValue), null, e.CauseReceivedUnixUs);
    }

    [LoggerMessage(50, LogLevel.Information, "Watching Metrics")]
    private partial void LogOpen();

    [LoggerMessage(51, LogLevel.Warning, "The stream from Metrics broke: {Reason}; again in {Seconds:0.0} s. Policies become unknown after three heartbeats")]
    private partial void LogBroken(string reason, double seconds);

    [LoggerMessage(52, LogLevel.Error, "{Policy} could not take an evaluation; the next heartbeat brings it again")]
    private partial void LogObserveFailed(Exception e, string policy);

    [LoggerMessage(53, LogLevel.Error, "{Policy} is too far behind: an evaluation was dropped")]
    private partial void LogDropped(string policy);
}

using System.Threading.Channels;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace Grpc.AspNetCore.HealthChecks;

/// <summary>What was last published of each service, and who watches it.</summary>
internal sealed class HealthBoard
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, ServingStatus> published = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<Channel<ServingStatus>>> watchers = new(StringComparer.Ordinal);

    public ServingStatus? Find(string service)
    {
        lock (gate) return published.TryGetValue(service, out var status) ? status : null;
    }

    public void Publish(string service, ServingStatus status)
    {
        lock (gate)
        {
            published[service] = status;
            if (!watchers.TryGetValue(service, out var channels)) return;
            foreach (var channel in channels) channel.Writer.TryWrite(status);
        }
    }

    /// <summary>What is published from now on. A slow watcher misses what is out of date, never the last state.</summary>
    public ChannelReader<ServingStatus> Watch(string service, out IDisposable subscription)
    {
        var channel = Channel.CreateBounded<ServingStatus>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });
        lock (gate)
        {
            if (!watchers.TryGetValue(service, out var channels)) watchers[service] = channels = [];
            channels.Add(channel);
        }
        subscription = new Subscription(this, service, channel);
        return channel.Reader;
    }

    /// <summary>One state for several checks: any that is unhealthy makes it NOT_SERVING; none at all is UNKNOWN.</summary>
    public static ServingStatus Combine(IEnumerable<HealthStatus> checks)
    {
        var combined = ServingStatus.Unknown;
        foreach (var check in checks)
        {
            if (check == HealthStatus.Unhealthy) return ServingStatus.NotServing;
            combined = ServingStatus.Serving;
        }
        return combined;
    }

    private sealed class Subscription(HealthBoard board, string service, Channel<ServingStatus> channel) : IDisposable
    {
        public void Dispose()
        {
            lock (board.gate)
            {
                // The name came from a caller: without its last watcher nothing of it may stay.
                if (board.watchers.TryGetValue(service, out var channels) && channels.Remove(channel) && channels.Count == 0) board.watchers.Remove(service);
            }
        }
    }
}

/// <summary>Puts each published report on the board.</summary>
internal sealed class HealthBoardPublisher(HealthBoard board, IOptions<GrpcHealthChecksOptions> options) : IHealthCheckPublisher
{
    public Task PublishAsync(HealthReport report, CancellationToken cancellationToken)
    {
        foreach (var mapping in options.Value.Services)
        {
            var entries = report.Entries.Where(e => mapping.HealthCheckPredicate?.Invoke(new HealthCheckMapContext(e.Key, e.Value.Tags)) ?? true);
            board.Publish(mapping.Name, HealthBoard.Combine(entries.Select(e => e.Value.Status)));
        }
        return Task.CompletedTask;
    }
}

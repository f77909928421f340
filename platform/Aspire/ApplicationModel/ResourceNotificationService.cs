using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>The names of the states that a resource goes through.</summary>
public static class KnownResourceStates
{
    /// <summary>It waits for another resource.</summary>
    public static readonly string Waiting = nameof(Waiting);
    /// <summary>Its process is being started.</summary>
    public static readonly string Starting = nameof(Starting);
    /// <summary>Its process runs.</summary>
    public static readonly string Running = nameof(Running);
    /// <summary>Its process runs no more, unasked; it is started again unless another resource waits for its end.</summary>
    public static readonly string Exited = nameof(Exited);
    /// <summary>It ended with exit code 0.</summary>
    public static readonly string Finished = nameof(Finished);
    /// <summary>It could not be started; nothing more is tried.</summary>
    public static readonly string FailedToStart = nameof(FailedToStart);
    /// <summary>It was asked to stop.</summary>
    public static readonly string Stopping = nameof(Stopping);
    /// <summary>It is part of the map, but not started.</summary>
    public static readonly string NotStarted = nameof(NotStarted);
    /// <summary>The states that nothing follows.</summary>
    public static readonly IReadOnlyList<string> TerminalStates = [Finished, FailedToStart, Exited];
}

/// <summary>A state's name.</summary>
public sealed record ResourceStateSnapshot(string Text, string? Style);

/// <summary>Where a resource can be reached.</summary>
public sealed record UrlSnapshot(string? Name, string Url, bool IsInternal);

/// <summary>What is known of one process of a resource at one moment.</summary>
public sealed record CustomResourceSnapshot
{
    /// <summary>"Project" or "Executable".</summary>
    public required string ResourceType { get; init; }
    /// <summary>Its state.</summary>
    public ResourceStateSnapshot? State { get; init; }
    /// <summary>How it ended, while it does not run; 128 + n after signal n.</summary>
    public int? ExitCode { get; init; }
    /// <summary>What its health check says; a resource without one is healthy while it runs. Null while it does not run.</summary>
    public HealthStatus? HealthStatus { get; init; }
    /// <summary>Its endpoints.</summary>
    public ImmutableArray<UrlSnapshot> Urls { get; init; } = [];
}

/// <summary>A resource's process came into a new state.</summary>
public class ResourceEvent(IResource resource, string resourceId, CustomResourceSnapshot snapshot)
{
    /// <summary>The resource.</summary>
    public IResource Resource { get; } = resource;
    /// <summary>The resource's name; with a number where it has several replicas.</summary>
    public string ResourceId { get; } = resourceId;
    /// <summary>The new state.</summary>
    public CustomResourceSnapshot Snapshot { get; } = snapshot;
}

/// <summary>Tells the state of the resources' processes.</summary>
public class ResourceNotificationService
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, ResourceEvent> current = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<Channel<ResourceEvent>> watchers = [];

    /// <summary>Waits until every replica of a resource runs and is healthy.</summary>
    public Task<ResourceEvent> WaitForResourceHealthyAsync(string resourceName, CancellationToken cancellationToken = default) =>
        WaitForAllAsync(resourceName, e => e.Snapshot.State?.Text == KnownResourceStates.Running && e.Snapshot.HealthStatus == HealthStatus.Healthy, cancellationToken);

    /// <summary>Waits until every replica of a resource is in a state; Running when none is given.</summary>
    public Task WaitForResourceAsync(string resourceName, string? targetState = null, CancellationToken cancellationToken = default) =>
        WaitForAllAsync(resourceName, e => e.Snapshot.State?.Text == (targetState ?? KnownResourceStates.Running), cancellationToken);

    /// <summary>Waits until one replica of a resource is as asked.</summary>
    public async Task<ResourceEvent> WaitForResourceAsync(string resourceName, Func<ResourceEvent, bool> predicate, CancellationToken cancellationToken = default)
    {
        await foreach (var change in WatchAsync(cancellationToken).ConfigureAwait(false))
            if (IsOf(change, resourceName) && predicate(change)) return change;
        throw new OperationCanceledException(cancellationToken);
    }

    /// <summary>The latest state of a process.</summary>
    public bool TryGetCurrentState(string resourceId, [NotNullWhen(true)] out ResourceEvent? resourceEvent)
    {
        lock (gate) return current.TryGetValue(resourceId, out resourceEvent);
    }

    /// <summary>The present state of every process, then each change.</summary>
    public async IAsyncEnumerable<ResourceEvent> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var channel = Channel.CreateUnbounded<ResourceEvent>();
        lock (gate)
        {
            foreach (var known in current.Values) channel.Writer.TryWrite(known);
            watchers.Add(channel);
        }
        try
        {
            await foreach (var change in channel.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false)) yield return change;
        }
        finally
        {
            lock (gate) watchers.Remove(channel);
        }
    }

    internal async Task<ResourceEvent> WaitForAllAsync(string resourceName, Func<ResourceEvent, bool> predicate, CancellationToken cancellationToken)
    {
        await foreach (var change in WatchAsync(cancellationToken).ConfigureAwait(false))
        {
            if (!IsOf(change, resourceName)) continue;
            bool all;
            lock (gate) all = current.Values.Where(e => IsOf(e, resourceName)).All(predicate);
            if (all) return change;
        }
        throw new OperationCanceledException(cancellationToken);
    }

    internal void Publish(ResourceEvent change)
    {
        lock (gate)
        {
            current[change.ResourceId] = change;
            foreach (var watcher in watchers) watcher.Writer.TryWrite(change);
        }
    }

    private static bool IsOf(ResourceEvent change, string resourceName) => string.Equals(change.Resource.Name, resourceName, StringComparison.OrdinalIgnoreCase);
}

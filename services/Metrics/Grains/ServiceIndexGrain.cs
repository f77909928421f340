using Microsoft.Extensions.Options;
using Orleans;
using Orleans.Concurrency;
using Orleans.Runtime;
using Vigil.Metrics.Storage;

namespace Vigil.Metrics.Grains;

/// <inheritdoc cref="IServiceIndexGrain"/>
[Reentrant]
internal sealed class ServiceIndexGrain(MetricsStore store, IOptions<MetricsOptions> options, TimeProvider clock, MetricsInstruments instruments, ILogger<ServiceIndexGrain> log)
    : Grain, IServiceIndexGrain
{
    private const int FirstSweep = 1_000;
    private const string Named = "the list of services";

    private static readonly TimeSpan Lease = TimeSpan.FromMinutes(1);

    private readonly HashSet<string> known = new(StringComparer.Ordinal);
    private readonly List<string> grains = [];
    private readonly List<string> services = [];
    private readonly Dictionary<string, DateTimeOffset> followers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, DateTimeOffset> groups = new(StringComparer.Ordinal);
    private int sweepAt = FirstSweep;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        foreach (var grain in await StorageFailure.GuardAsync(store.ReadGrainsAsync(cancellationToken), Named, instruments, log)) Add(grain);
    }

    public async Task<bool> RegisterAsync(string grain)
    {
        if (known.Contains(grain)) return true;
        if (grains.Count >= options.Value.MaxServices) return false;
        var added = new KnownGrain(grain, GrainKeys.ServiceOf(grain));
        await StorageFailure.GuardAsync(AddAsync(added), Named, instruments, log);
        // Another call may have added the same one meanwhile.
        if (Add(added)) Tell();
        return true;
    }

    public Task<GrainList?> ListAsync(int knownCount, string? subscriber)
    {
        if (subscriber is not null) Follow(subscriber, clock.GetUtcNow());
        return Task.FromResult(NewerThan(knownCount));
    }

    public Task<GrainList?> ListForGroupAsync(int knownCount, string group)
    {
        // There are few of them, by Metrics:StandingGroups.
        groups[group] = clock.GetUtcNow() + Lease;
        return Task.FromResult(NewerThan(knownCount));
    }

    private GrainList? NewerThan(int knownCount) => knownCount == grains.Count ? null : new GrainList { Grains = [.. grains], Services = [.. services] };

    private async Task<KnownGrain> AddAsync(KnownGrain grain)
    {
        await store.AddGrainAsync(grain, CancellationToken.None);
        return grain;
    }

    private void Follow(string subscriber, DateTimeOffset now)
    {
        followers[subscriber] = now + Lease;
        if (followers.Count < sweepAt) return;
        // Without new services nobody is told, and so nobody who left would be noticed.
        foreach (var (follower, until) in followers)
        {
            if (until < now) followers.Remove(follower);
        }
        sweepAt = Math.Max(FirstSweep, 2 * followers.Count);
    }

    private bool Add(KnownGrain grain)
    {
        if (!known.Add(grain.Grain)) return false;
        grains.Add(grain.Grain);
        services.Add(grain.Service);
        return true;
    }

    private void Tell()
    {
        var now = clock.GetUtcNow();
        foreach (var (follower, until) in followers)
        {
            if (until < now) followers.Remove(follower);
            else _ = TellAsync(follower, GrainFactory.GetGrain<IStandingQueryGrain>(follower).InputsChangedAsync(0));
        }
        foreach (var (group, until) in groups)
        {
            if (until < now) groups.Remove(group);
            else _ = TellAsync(group, GrainFactory.GetGrain<IStandingGroupGrain>(group).ServicesChangedAsync());
        }
    }

    private async Task TellAsync(string follower, Task call)
    {
        try
        {
            await call;
        }
        catch (Exception e) when (e is OrleansException or TimeoutException or OperationCanceledException)
        {
            MetricsLog.NotifyFailed(log, IServiceIndexGrain.Key, follower, e);
        }
    }
}

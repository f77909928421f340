using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Configuration;

namespace Orleans.Runtime;

/// <summary>
/// All grains of a process. It keeps two clocks going: the collector's, which makes idle activations go, and the sweeper's, which fails
/// calls that got no answer in time.
/// </summary>
internal sealed partial class Silo : IClusterClient, IAsyncDisposable
{
    private readonly IServiceCollection registered;
    private readonly ConcurrentDictionary<Type, bool> singletons = [];
    private readonly ConcurrentQueue<Activation> watched = [];
    private readonly TimeSpan tickLength;
    private readonly int defaultTicks;
    private readonly List<ITimer> timers = [];
    private int tick;
    private int epoch;

    public Silo(IServiceProvider services, IServiceCollection registered)
    {
        ServiceProvider = services;
        this.registered = registered;
        Time = services.GetRequiredService<TimeProvider>();
        HostTime = services.GetKeyedService<TimeProvider>(TimeProviderNames.Messaging) ?? TimeProvider.System;
        Log = services.GetRequiredService<ILoggerFactory>().CreateLogger("Orleans.Runtime.Silo");
        Collection = Checked(services.GetRequiredService<IOptions<GrainCollectionOptions>>().Value);
        Messaging = Checked(services.GetRequiredService<IOptions<SiloMessagingOptions>>().Value);
        LimitsCalls = Messaging is { MaxEnqueuedRequestsHardLimit: > 0 } or { MaxEnqueuedRequestsSoftLimit: > 0 };
        Cluster = Checked(services.GetRequiredService<IOptions<ClusterOptions>>().Value);
        Filters = [.. services.GetServices<IIncomingGrainCallFilter>()];
        Catalog = new Catalog(this);
        Instruments = new GrainInstruments(services.GetRequiredService<IMeterFactory>(), () => Catalog.Count);
        tickLength = TimeSpan.FromTicks(Math.Clamp(Messaging.ResponseTimeout.Ticks / 10, TimeSpan.TicksPerMillisecond * 10, TimeSpan.TicksPerSecond));
        defaultTicks = Ticks(Messaging.ResponseTimeout);
        Identity = $"{Environment.MachineName}:{Environment.ProcessId}";
    }

    public IServiceProvider ServiceProvider { get; }

    /// <summary>The grains' clock: timers, reminders, idleness.</summary>
    public TimeProvider Time { get; }

    /// <summary>
    /// The host's own clock: how long a call or an activation may take. Real time unless one is registered under
    /// <see cref="TimeProviderNames.Messaging"/>, so that moving the grains' clock in a test does not fail the calls under way.
    /// </summary>
    public TimeProvider HostTime { get; }

    public ILogger Log { get; }

    public GrainCollectionOptions Collection { get; }

    public SiloMessagingOptions Messaging { get; }

    /// <summary>Whether an activation may have so many calls only.</summary>
    public bool LimitsCalls { get; }

    public ClusterOptions Cluster { get; }

    public IIncomingGrainCallFilter[] Filters { get; }

    public GrainInstruments Instruments { get; }

    public Catalog Catalog { get; }

    public string Identity { get; }

    /// <summary>How many rounds the collector has made.</summary>
    public int Epoch => Volatile.Read(ref epoch);

    public void Start()
    {
        timers.Add(HostTime.CreateTimer(_ => Sweep(), null, tickLength, tickLength));
        timers.Add(Time.CreateTimer(_ => Collect(), null, Collection.CollectionQuantum, Collection.CollectionQuantum));
        Log.Started();
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        var count = Catalog.Count;
        try
        {
            await Catalog.CloseAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
            Log.Stopped(count);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            Log.StoppedEarly(Catalog.Count, string.Join(", ", Catalog.Activations.Take(10).Select(activation =>
                $"{activation.GrainId} ({string.Join(", ", activation.RunningCalls().Select(call => call.GetMethodName()).DefaultIfEmpty("runs no call"))})")));
        }
        await DisposeAsync().ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var timer in timers) await timer.DisposeAsync().ConfigureAwait(false);
        timers.Clear();
    }

    /// <summary>The tick of the sweeper at which a call sent now has waited long enough.</summary>
    public int DeadlineFor(TimeSpan? timeout) => Volatile.Read(ref tick) + (timeout is { } own ? Ticks(own) : defaultTicks);

    /// <summary>Has the sweeper look at an activation until nothing waits there.</summary>
    public void Watch(Activation activation, ref int isWatched)
    {
        if (Interlocked.CompareExchange(ref isWatched, 1, 0) == 0) watched.Enqueue(activation);
    }

    public void Resend(GrainCall call, GrainId id)
    {
        try
        {
            call.Deliver(Catalog.GetOrAdd(id));
        }
        catch (OrleansException e)
        {
            call.Refuse(e);
        }
    }

    /// <summary>Whether a service is one object for the whole host, so that a grain can be given it without a scope.</summary>
    public bool IsSingleton(Type service) => singletons.GetOrAdd(service, wanted =>
        registered.LastOrDefault(descriptor => !descriptor.IsKeyedService && (descriptor.ServiceType == wanted
            || (wanted.IsGenericType && descriptor.ServiceType == wanted.GetGenericTypeDefinition()))) is { Lifetime: ServiceLifetime.Singleton });

    internal void Collect()
    {
        var now = Interlocked.Increment(ref epoch);
        foreach (var activation in Catalog.Activations) activation.CollectIfIdle(now);
    }

    private void Sweep()
    {
        var now = Interlocked.Increment(ref tick);
        for (var left = watched.Count; left > 0 && watched.TryDequeue(out var activation); left--) activation.SweepAndWatch(now);
    }

    // One more, as the tick that counts first may be almost over.
    private int Ticks(TimeSpan time) => time == Timeout.InfiniteTimeSpan || time / tickLength > int.MaxValue / 2 ? int.MaxValue / 2 : (int)Math.Ceiling(time / tickLength) + 1;

    private static GrainCollectionOptions Checked(GrainCollectionOptions options)
    {
        if (options.CollectionQuantum <= TimeSpan.Zero)
            throw new OrleansConfigurationException($"GrainCollectionOptions.CollectionQuantum is {options.CollectionQuantum} but must be over 0");
        if (options.CollectionAge <= options.CollectionQuantum)
            throw new OrleansConfigurationException($"GrainCollectionOptions.CollectionAge is {options.CollectionAge} but must be over CollectionQuantum, {options.CollectionQuantum}");
        foreach (var (name, age) in options.ClassSpecificCollectionAge)
        {
            if (age <= options.CollectionQuantum)
                throw new OrleansConfigurationException($"GrainCollectionOptions.ClassSpecificCollectionAge of {name} is {age} but must be over CollectionQuantum, {options.CollectionQuantum}");
        }
        return options;
    }

    private static SiloMessagingOptions Checked(SiloMessagingOptions options) => options.ResponseTimeout > TimeSpan.Zero
        ? options
        : throw new OrleansConfigurationException($"SiloMessagingOptions.ResponseTimeout is {options.ResponseTimeout} but must be over 0");

    private static ClusterOptions Checked(ClusterOptions options) => string.IsNullOrWhiteSpace(options.ServiceId) || string.IsNullOrWhiteSpace(options.ClusterId)
        ? throw new OrleansConfigurationException("ClusterOptions.ServiceId and ClusterOptions.ClusterId must not be empty")
        : options;
}

/// <summary>The clocks that can be registered as keyed services, each for one part of the silo.</summary>
public static class TimeProviderNames
{
    /// <summary>How long calls and activations may take. Real time unless registered.</summary>
    public const string Messaging = "Orleans.Messaging";
}

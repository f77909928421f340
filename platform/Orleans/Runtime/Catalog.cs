using System.Collections.Concurrent;

namespace Orleans.Runtime;

/// <summary>Which grain is where: at most one activation of each.</summary>
internal sealed class Catalog(Silo silo)
{
    private readonly ConcurrentDictionary<GrainId, Activation> activations = [];
    private readonly ConcurrentDictionary<GrainType, GrainClass> classes = [];
    private readonly TaskCompletionSource emptied = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool closed;
    private int count;

    public int Count => Volatile.Read(ref count);

    public IEnumerable<Activation> Activations => activations.Select(pair => pair.Value);

    /// <summary>The activation of a grain. It is made here, and activated by the first call that it receives.</summary>
    public Activation GetOrAdd(GrainId id)
    {
        if (activations.TryGetValue(id, out var found)) return found;
        if (closed) throw new SiloUnavailableException($"The silo is stopping: {id} is not activated any more");
        var made = new Activation(silo, ClassOf(id.Type), id);
        var kept = activations.GetOrAdd(id, made);
        if (kept == made) Interlocked.Increment(ref count);
        // The silo may have closed since it was asked above, and must not wait for this one in vain.
        if (closed) kept.Deactivate(ShutDown);
        return kept;
    }

    public void Remove(Activation activation)
    {
        if (!activations.TryRemove(new(activation.GrainId, activation))) return;
        if (Interlocked.Decrement(ref count) == 0 && closed) emptied.TrySetResult();
    }

    /// <summary>Lets no more in and asks everyone to go; completes when all have gone.</summary>
    public Task CloseAsync()
    {
        closed = true;
        foreach (var activation in Activations) activation.Deactivate(ShutDown);
        if (Count == 0) emptied.TrySetResult();
        return emptied.Task;
    }

    public GrainClass ClassOf(GrainType type) => classes.GetOrAdd(type, (wanted, silo) =>
    {
        var found = GrainTypes.AllClasses().Where(candidate => GrainClass.TypeName(candidate) == wanted).ToArray();
        return found.Length switch
        {
            1 => new GrainClass(silo, found[0]),
            0 => throw new ArgumentException($"There is no grain class of the kind \"{wanted}\""),
            _ => throw new OrleansConfigurationException($"Several grain classes are of the kind \"{wanted}\": {string.Join(", ", (object[])found)}. Give them [GrainType] names"),
        };
    }, silo);

    private static DeactivationReason ShutDown => new(DeactivationReasonCode.ShuttingDown, "the silo stops");
}

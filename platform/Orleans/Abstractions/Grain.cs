using Orleans.Runtime;

namespace Orleans;

/// <summary>A grain class derives from this and implements its grain interface.</summary>
public abstract class Grain : IGrainBase, IAddressable
{
    private readonly Activation? activation;

    /// <summary>Made by the runtime, within the activation that it belongs to.</summary>
    protected Grain() => activation = Activation.Current;

    /// <summary>The activation.</summary>
    /// <exception cref="InvalidOperationException">The object was made by hand and so belongs to no activation.</exception>
    public IGrainContext GrainContext => Owner;

    /// <summary>A reference to this grain, to hand to others.</summary>
    public GrainReference GrainReference => Owner.GrainReference;

    /// <summary>The identity, written "kind/key".</summary>
    public string IdentityString => Owner.GrainId.ToString();

    /// <summary>The silo that runs it.</summary>
    public string RuntimeIdentity => Owner.Silo.Identity;

    /// <summary>Makes references to other grains.</summary>
    protected IGrainFactory GrainFactory => Owner.Silo;

    /// <summary>The services of this activation.</summary>
    protected internal IServiceProvider ServiceProvider => Owner.ActivationServices;

    internal Activation Owner =>
        activation ?? throw new InvalidOperationException($"{GetType().Name} was made by hand: only the silo can make a working grain");

    /// <inheritdoc cref="IGrainBase.OnActivateAsync"/>
    public virtual Task OnActivateAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc cref="IGrainBase.OnDeactivateAsync"/>
    public virtual Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Deactivates this grain once the calls that run have ended.</summary>
    protected void DeactivateOnIdle() => GrainBaseExtensions.DeactivateOnIdle(this);

    /// <summary>Keeps this activation at least so long although it may be idle; a negative time takes that back.</summary>
    protected void DelayDeactivation(TimeSpan timeSpan) => Owner.DelayDeactivation(timeSpan);
}

/// <summary>What a grain or a reference tells about its identity.</summary>
public static class GrainExtensions
{
    /// <summary>A reference to a grain, with the interface <typeparamref name="TGrainInterface"/>.</summary>
    public static TGrainInterface AsReference<TGrainInterface>(this IAddressable grain)
    {
        ArgumentNullException.ThrowIfNull(grain);
        var reference = grain switch
        {
            GrainReference known => known,
            IGrainBase instance => instance.GrainContext.GrainReference,
            _ => throw NotAGrain(grain),
        };
        return reference is TGrainInterface already ? already : (TGrainInterface)(object)reference.Silo.Reference(typeof(TGrainInterface), reference.GrainId);
    }

    /// <summary>The same as <see cref="AsReference{TGrainInterface}"/>.</summary>
    public static TGrainInterface Cast<TGrainInterface>(this IAddressable grain) => grain.AsReference<TGrainInterface>();

    /// <summary>The identity.</summary>
    public static GrainId GetGrainId(this IAddressable grain)
    {
        ArgumentNullException.ThrowIfNull(grain);
        return grain switch
        {
            GrainReference reference => reference.GrainId,
            IGrainBase instance => instance.GrainContext.GrainId,
            _ => throw NotAGrain(grain),
        };
    }

    /// <summary>The key of a grain with a string key.</summary>
    public static string GetPrimaryKeyString(this IAddressable grain) => grain.GetGrainId().Key.ToString();

    /// <summary>The key of a grain with a number as key.</summary>
    /// <exception cref="InvalidOperationException">The key is no number.</exception>
    public static long GetPrimaryKeyLong(this IAddressable grain) => grain.GetPrimaryKeyLong(out _);

    /// <inheritdoc cref="GetPrimaryKeyLong(IAddressable)"/>
    public static long GetPrimaryKeyLong(this IAddressable grain, out string? keyExt)
    {
        var id = grain.GetGrainId();
        return id.TryGetIntegerKey(out var key, out keyExt) ? key : throw new InvalidOperationException($"Unable to extract integer key from grain id {id}");
    }

    /// <summary>The key of a grain with a <see cref="Guid"/> as key.</summary>
    /// <exception cref="InvalidOperationException">The key is no Guid.</exception>
    public static Guid GetPrimaryKey(this IAddressable grain) => grain.GetPrimaryKey(out _);

    /// <inheritdoc cref="GetPrimaryKey(IAddressable)"/>
    public static Guid GetPrimaryKey(this IAddressable grain, out string? keyExt)
    {
        var id = grain.GetGrainId();
        return id.TryGetGuidKey(out var key, out keyExt) ? key : throw new InvalidOperationException($"Unable to extract GUID key from grain id {id}");
    }

    private static ArgumentException NotAGrain(IAddressable grain) => new($"{grain.GetType()} is neither a grain nor a reference to one", nameof(grain));
}

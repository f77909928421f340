namespace Orleans.Runtime;

/// <summary>
/// The address of a grain. The silo makes a subclass for each grain interface, whose methods send calls. References to the same
/// grain are equal.
/// </summary>
public class GrainReference : IAddressable, IEquatable<GrainReference>
{
    private Activation? last;

    internal GrainReference(Silo silo, GrainId grainId)
    {
        Silo = silo;
        GrainId = grainId;
    }

    /// <summary>The grain's identity.</summary>
    public GrainId GrainId { get; }

    internal Silo Silo { get; }

    /// <summary>The activation that calls go to. It is remembered from call to call, which saves the look-up for as long as it lives.</summary>
    internal Activation Target
    {
        get
        {
            var target = last;
            return target is { IsGone: false } ? target : last = Silo.Catalog.GetOrAdd(GrainId);
        }
    }

    /// <inheritdoc/>
    public bool Equals(GrainReference? other) => other is not null && GrainId.Equals(other.GrainId);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as GrainReference);

    /// <inheritdoc/>
    public override int GetHashCode() => GrainId.GetHashCode();

    /// <inheritdoc/>
    public override string ToString() => $"GrainReference:{GrainId}";

    /// <summary>Whether both address the same grain.</summary>
    public static bool operator ==(GrainReference? left, GrainReference? right) => left is null ? right is null : left.Equals(right);

    /// <summary>Whether they address different grains.</summary>
    public static bool operator !=(GrainReference? left, GrainReference? right) => !(left == right);
}

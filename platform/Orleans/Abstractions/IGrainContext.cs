namespace Orleans.Runtime;

/// <summary>One activation of a grain, as its grain and the services that it is given see it.</summary>
public interface IGrainContext : IEquatable<IGrainContext>
{
    /// <summary>A reference to the grain.</summary>
    GrainReference GrainReference { get; }

    /// <summary>The grain's identity.</summary>
    GrainId GrainId { get; }

    /// <summary>The grain object; null before it is made and after it is gone.</summary>
    object? GrainInstance { get; }

    /// <summary>The services of this activation.</summary>
    IServiceProvider ActivationServices { get; }

    /// <summary>Completes when the activation is gone.</summary>
    Task Deactivated { get; }

    /// <summary>Keeps <paramref name="value"/> with the activation; null removes it.</summary>
    void SetComponent<TComponent>(TComponent? value) where TComponent : class;

    /// <summary>What was kept with <see cref="SetComponent"/>, or the grain itself where it is a <typeparamref name="TComponent"/>.</summary>
    TComponent? GetComponent<TComponent>() where TComponent : class;

    /// <summary>Begins deactivation once the calls that run have ended. Calls that come later go to a new activation.</summary>
    void Deactivate(DeactivationReason deactivationReason, CancellationToken cancellationToken = default);
}

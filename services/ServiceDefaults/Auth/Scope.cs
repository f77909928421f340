using Microsoft.AspNetCore.Builder;

namespace Vigil.ServiceDefaults;

/// <summary>What a token allows. Admin implies all others; operate implies read; ingest stands alone.</summary>
public enum Scope
{
    /// <summary>Send metrics. Cannot read them.</summary>
    Ingest,

    /// <summary>Read and watch.</summary>
    Read,

    /// <summary>Acknowledge, silence, change policies; and read.</summary>
    Operate,

    /// <summary>Everything, restore and delete too.</summary>
    Admin,
}

/// <summary>The scope that a gRPC service or method, or an HTTP endpoint, needs. One on a method wins over one on its class.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
public sealed class RequireScopeAttribute(Scope scope) : Attribute
{
    /// <summary>The scope needed.</summary>
    public Scope Scope { get; } = scope;
}

/// <summary>Scopes on endpoints.</summary>
public static class ScopeExtensions
{
    /// <summary>Whether a token of scope <paramref name="held"/> may do what needs <paramref name="needed"/>.</summary>
    public static bool Allows(this Scope held, Scope needed) =>
        held == needed || held == Scope.Admin || (held == Scope.Operate && needed == Scope.Read);

    /// <summary>Demands a scope of every caller of these endpoints.</summary>
    public static TBuilder RequireScope<TBuilder>(this TBuilder builder, Scope scope) where TBuilder : IEndpointConventionBuilder
    {
        builder.Add(endpoint => endpoint.Metadata.Add(new RequireScopeAttribute(scope)));
        return builder;
    }

    /// <summary>Lets everybody call these endpoints, without a token. For liveness and the like only.</summary>
    public static TBuilder WithoutToken<TBuilder>(this TBuilder builder) where TBuilder : IEndpointConventionBuilder
    {
        builder.Add(endpoint => endpoint.Metadata.Add(NoTokenNeeded.Instance));
        return builder;
    }
}

/// <summary>Marks endpoints that anybody may call.</summary>
internal sealed class NoTokenNeeded
{
    public static readonly NoTokenNeeded Instance = new();
}

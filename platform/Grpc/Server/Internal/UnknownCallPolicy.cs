using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Matching;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Marks the catch-all route for calls that no service takes.</summary>
internal sealed class UnknownCallMetadata
{
    public static readonly UnknownCallMetadata Instance = new();
}

/// <summary>
/// Takes the catch-all route out of the choice for POSTs to the path of a method. Routing would else, for each call of a known method,
/// cut the catch-all's parameters out of the path and judge its constraint, only to prefer the method.
/// </summary>
internal sealed class UnknownCallPolicy : MatcherPolicy, INodeBuilderPolicy
{
    /// <summary>Before the choice by HTTP method and host, which then has less to choose from.</summary>
    public override int Order => -2000;

    public bool AppliesToEndpoints(IReadOnlyList<Endpoint> endpoints) => endpoints.Any(IsCatchAll) && endpoints.Any(TakesAll);

    public IReadOnlyList<PolicyNodeEdge> GetEdges(IReadOnlyList<Endpoint> endpoints) =>
        [new PolicyNodeEdge(true, [.. endpoints.Where(e => !IsCatchAll(e))]), new PolicyNodeEdge(false, endpoints)];

    public PolicyJumpTable BuildJumpTable(int exitDestination, IReadOnlyList<PolicyJumpTableEdge> edges) => new ByPost(edges);

    private static bool IsCatchAll(Endpoint endpoint) => endpoint.Metadata.GetMetadata<UnknownCallMetadata>() is not null;

    /// <summary>A method that answers whatever the catch-all would. One bound to a host leaves other hosts' calls to it.</summary>
    private static bool TakesAll(Endpoint endpoint) =>
        endpoint.Metadata.GetMetadata<GrpcMethodMetadata>() is not null && endpoint.Metadata.GetMetadata<IHostMetadata>() is null;

    private sealed class ByPost(IReadOnlyList<PolicyJumpTableEdge> edges) : PolicyJumpTable
    {
        private readonly int post = edges.Single(e => e.State is true).Destination;
        private readonly int other = edges.Single(e => e.State is false).Destination;

        public override int GetDestination(HttpContext httpContext) => HttpMethods.IsPost(httpContext.Request.Method) ? post : other;
    }
}

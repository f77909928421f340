using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.DependencyInjection;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>A method ready to be mapped.</summary>
internal sealed record BoundMethod(MethodState State, RequestDelegate Handle, IReadOnlyList<object> Metadata);

/// <summary>The services that this application has mapped, by full name.</summary>
internal sealed class MappedServices
{
    private readonly HashSet<string> names = new(StringComparer.Ordinal);

    public bool FallbackMapped { get; set; }

    public bool Contains(string name) => names.Contains(name);

    public void Add(string name) => names.Add(name);
}

internal static class EndpointMapping
{
    public static GrpcServiceEndpointConventionBuilder Map(IEndpointRouteBuilder routes, Type serviceType, IReadOnlyList<BoundMethod> methods)
    {
        var mapped = routes.ServiceProvider.GetRequiredService<MappedServices>();
        var environment = routes.ServiceProvider.GetRequiredService<ServerEnvironment>();
        var endpoints = new List<IEndpointConventionBuilder>(methods.Count + 1);
        foreach (var method in methods)
        {
            mapped.Add(method.State.Method.ServiceName);
            var endpoint = routes.Map(RoutePatternFactory.Parse(method.State.Method.FullName), method.Handle);
            endpoint.Add(e =>
            {
                e.DisplayName = "gRPC - " + method.State.Method.FullName;
                e.Metadata.Add(new GrpcMethodMetadata(serviceType, method.State.Method));
                e.Metadata.Add(new HttpMethodMetadata(["POST"], acceptCorsPreflight: true));
                foreach (var item in method.Metadata) e.Metadata.Add(item);
            });
            endpoints.Add(endpoint);
        }
        if (environment.Options.IgnoreUnknownServices != true && !mapped.FallbackMapped)
        {
            mapped.FallbackMapped = true;
            // The constraint leaves everything but gRPC posts to other routes, so this may be as wide as it is.
            routes.Map($"{{unimplementedService}}/{{unimplementedMethod:{UnknownCallConstraint.Name}}}", http => HttpErrors.Unimplemented(http, environment, mapped))
                .WithDisplayName("gRPC - Unimplemented service")
                .WithMetadata(UnknownCallMetadata.Instance);
        }
        return new GrpcServiceEndpointConventionBuilder(endpoints);
    }
}

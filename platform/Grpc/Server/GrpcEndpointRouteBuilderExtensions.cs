using Grpc.AspNetCore.Server.Internal;
using Grpc.Core;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Maps gRPC services to endpoints.</summary>
public static class GrpcEndpointRouteBuilderExtensions
{
    /// <summary>
    /// Maps every method of a service. The service is created for each call, from DI. Attributes of the class and of the method
    /// become metadata of the endpoint, as do <c>GrpcMethodMetadata</c>.
    /// </summary>
    /// <exception cref="InvalidOperationException">AddGrpc was not called, or the type is no generated service.</exception>
    public static GrpcServiceEndpointConventionBuilder MapGrpcService<TService>(this IEndpointRouteBuilder builder) where TService : class
    {
        ArgumentNullException.ThrowIfNull(builder);
        var binder = new TypeBinder<TService>(Environment(builder));
        binder.Bind();
        return EndpointMapping.Map(builder, typeof(TService), binder.Methods);
    }

    /// <summary>Maps a definition whose handlers are delegates.</summary>
    public static GrpcServiceEndpointConventionBuilder MapGrpcService(this IEndpointRouteBuilder builder, ServerServiceDefinition serviceDefinition)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(serviceDefinition);
        var binder = new DefinitionBinder(Environment(builder));
        serviceDefinition.BindService(binder);
        return EndpointMapping.Map(builder, typeof(ServerServiceDefinition), binder.Methods);
    }

    /// <summary>Maps a definition made from the application's services.</summary>
    public static GrpcServiceEndpointConventionBuilder MapGrpcService(this IEndpointRouteBuilder builder, Func<IServiceProvider, ServerServiceDefinition> mapDefinition)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(mapDefinition);
        return builder.MapGrpcService(mapDefinition(builder.ServiceProvider));
    }

    private static ServerEnvironment Environment(IEndpointRouteBuilder builder) =>
        builder.ServiceProvider.GetService<ServerEnvironment>() ?? throw new InvalidOperationException(
            "Unable to find the required services. Please add all the required services by calling 'IServiceCollection.AddGrpc' in the application startup code.");
}

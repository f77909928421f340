using Grpc.AspNetCore.Server.Reflection;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Microsoft.AspNetCore.Builder
{
    /// <summary>Maps gRPC reflection.</summary>
    public static class GrpcReflectionEndpointRouteBuilderExtensions
    {
        /// <summary>Maps grpc.reflection.v1 and v1alpha, which describe every generated service that this application maps.</summary>
        /// <exception cref="InvalidOperationException">AddGrpcReflection was not called.</exception>
        public static IEndpointConventionBuilder MapGrpcReflectionService(this IEndpointRouteBuilder builder)
        {
            ArgumentNullException.ThrowIfNull(builder);
            if (builder.ServiceProvider.GetService<DescriptorIndex>() is null)
                throw new InvalidOperationException("Unable to find the required services. Please add all the required services by calling 'IServiceCollection.AddGrpcReflection()' in the application startup code.");
            return new GrpcServiceEndpointConventionBuilder([builder.MapGrpcService<ReflectionV1AlphaService>(), builder.MapGrpcService<ReflectionV1Service>()]);
        }
    }
}

namespace Microsoft.Extensions.DependencyInjection
{
    /// <summary>Registers gRPC reflection.</summary>
    public static class GrpcReflectionServiceExtensions
    {
        /// <summary>Adds gRPC reflection.</summary>
        public static IServiceCollection AddGrpcReflection(this IServiceCollection services)
        {
            ArgumentNullException.ThrowIfNull(services);
            services.TryAddSingleton<DescriptorIndex>();
            return services;
        }
    }
}

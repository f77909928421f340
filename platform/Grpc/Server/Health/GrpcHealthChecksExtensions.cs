using Grpc.AspNetCore.HealthChecks;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Microsoft.AspNetCore.Builder
{
    /// <summary>Maps the gRPC health service.</summary>
    public static class GrpcHealthChecksEndpointRouteBuilderExtensions
    {
        /// <summary>Maps grpc.health.v1.Health, answered from the application's health checks.</summary>
        public static GrpcServiceEndpointConventionBuilder MapGrpcHealthChecksService(this IEndpointRouteBuilder builder)
        {
            ArgumentNullException.ThrowIfNull(builder);
            return builder.MapGrpcService<HealthService>();
        }
    }
}

namespace Microsoft.Extensions.DependencyInjection
{
    /// <summary>Registers the gRPC health service.</summary>
    public static class GrpcHealthChecksServiceExtensions
    {
        /// <summary>Adds the gRPC health service and the application's health checks.</summary>
        public static IHealthChecksBuilder AddGrpcHealthChecks(this IServiceCollection services, Action<GrpcHealthChecksOptions> configure)
        {
            ArgumentNullException.ThrowIfNull(configure);
            var builder = services.AddGrpcHealthChecks();
            services.Configure(configure);
            return builder;
        }

        /// <summary>Adds the gRPC health service and the application's health checks, all of which stand for the server.</summary>
        public static IHealthChecksBuilder AddGrpcHealthChecks(this IServiceCollection services)
        {
            ArgumentNullException.ThrowIfNull(services);
            services.TryAddSingleton<HealthBoard>();
            services.TryAddEnumerable(ServiceDescriptor.Singleton<IHealthCheckPublisher, HealthBoardPublisher>());
            services.Configure<GrpcHealthChecksOptions>(o => o.Services.Map("", _ => true));
            return services.AddHealthChecks();
        }
    }
}

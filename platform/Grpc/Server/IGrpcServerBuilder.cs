using Microsoft.Extensions.DependencyInjection;

namespace Grpc.AspNetCore.Server;

/// <summary>What <c>AddGrpc</c> returns, to go on configuring.</summary>
public interface IGrpcServerBuilder
{
    /// <summary>The services being configured.</summary>
    IServiceCollection Services { get; }
}

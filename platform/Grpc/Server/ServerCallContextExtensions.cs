using Grpc.AspNetCore.Server.Internal;
using Microsoft.AspNetCore.Http;

namespace Grpc.Core;

/// <summary>From a gRPC call to ASP.NET Core.</summary>
public static class ServerCallContextExtensions
{
    private const string UserStateKey = "__HttpContext";

    /// <summary>The HTTP request that carries this call.</summary>
    /// <exception cref="InvalidOperationException">The call is not hosted by ASP.NET Core, and no test put a context into its user state.</exception>
    public static HttpContext GetHttpContext(this ServerCallContext serverCallContext)
    {
        ArgumentNullException.ThrowIfNull(serverCallContext);
        if (serverCallContext is ServerCall call) return call.Http;
        if (serverCallContext.UserState.TryGetValue(UserStateKey, out var found) && found is HttpContext context) return context;
        throw new InvalidOperationException("Could not get HttpContext from ServerCallContext. HttpContext can only be accessed when gRPC services are hosted by ASP.NET Core.");
    }
}

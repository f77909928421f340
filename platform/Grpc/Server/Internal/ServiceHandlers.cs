using Grpc.Core;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Calls a method of a service made for that call, and lets the service go afterwards.</summary>
internal sealed class ServiceHandlers<TService>(Activation<TService> activation) where TService : class
{
    public Task<TResponse> CallAsync<TArgument, TResponse>(Func<TService, TArgument, ServerCallContext, Task<TResponse>> method, TArgument argument, ServerCallContext context)
    {
        var service = activation.Create(context.GetHttpContext());
        return activation.Disposes ? ThenRelease(method, service, argument, context) : method(service, argument, context);
    }

    public Task CallAsync<TArgument, TStream>(Func<TService, TArgument, TStream, ServerCallContext, Task> method, TArgument argument, TStream stream, ServerCallContext context)
    {
        var service = activation.Create(context.GetHttpContext());
        return activation.Disposes ? ThenRelease(method, service, argument, stream, context) : method(service, argument, stream, context);
    }

    private static async Task<TResponse> ThenRelease<TArgument, TResponse>(
        Func<TService, TArgument, ServerCallContext, Task<TResponse>> method, TService service, TArgument argument, ServerCallContext context)
    {
        try
        {
            return await method(service, argument, context).ConfigureAwait(false);
        }
        finally
        {
            await Activation<TService>.ReleaseAsync(service).ConfigureAwait(false);
        }
    }

    private static async Task ThenRelease<TArgument, TStream>(
        Func<TService, TArgument, TStream, ServerCallContext, Task> method, TService service, TArgument argument, TStream stream, ServerCallContext context)
    {
        try
        {
            await method(service, argument, stream, context).ConfigureAwait(false);
        }
        finally
        {
            await Activation<TService>.ReleaseAsync(service).ConfigureAwait(false);
        }
    }
}

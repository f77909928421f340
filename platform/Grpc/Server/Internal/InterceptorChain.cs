using Grpc.Core;
using Grpc.Core.Interceptors;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Puts the interceptors of a method around its handler; built once, so that a call pays only for the interceptors themselves.</summary>
internal static class InterceptorChain
{
    public static UnaryServerMethod<TRequest, TResponse> Around<TRequest, TResponse>(MethodState state, UnaryServerMethod<TRequest, TResponse> handler)
        where TRequest : class
        where TResponse : class
    {
        foreach (var activation in InnermostFirst(state))
        {
            var next = handler;
            handler = async (request, context) =>
            {
                var interceptor = activation.Create(context.GetHttpContext());
                try
                {
                    return await interceptor.UnaryServerHandler(request, context, next).ConfigureAwait(false);
                }
                finally
                {
                    if (activation.Disposes) await Activation<Interceptor>.ReleaseAsync(interceptor).ConfigureAwait(false);
                }
            };
        }
        return handler;
    }

    public static ClientStreamingServerMethod<TRequest, TResponse> Around<TRequest, TResponse>(MethodState state, ClientStreamingServerMethod<TRequest, TResponse> handler)
        where TRequest : class
        where TResponse : class
    {
        foreach (var activation in InnermostFirst(state))
        {
            var next = handler;
            handler = async (requests, context) =>
            {
                var interceptor = activation.Create(context.GetHttpContext());
                try
                {
                    return await interceptor.ClientStreamingServerHandler(requests, context, next).ConfigureAwait(false);
                }
                finally
                {
                    if (activation.Disposes) await Activation<Interceptor>.ReleaseAsync(interceptor).ConfigureAwait(false);
                }
            };
        }
        return handler;
    }

    public static ServerStreamingServerMethod<TRequest, TResponse> Around<TRequest, TResponse>(MethodState state, ServerStreamingServerMethod<TRequest, TResponse> handler)
        where TRequest : class
        where TResponse : class
    {
        foreach (var activation in InnermostFirst(state))
        {
            var next = handler;
            handler = async (request, responses, context) =>
            {
                var interceptor = activation.Create(context.GetHttpContext());
                try
                {
                    await interceptor.ServerStreamingServerHandler(request, responses, context, next).ConfigureAwait(false);
                }
                finally
                {
                    if (activation.Disposes) await Activation<Interceptor>.ReleaseAsync(interceptor).ConfigureAwait(false);
                }
            };
        }
        return handler;
    }

    public static DuplexStreamingServerMethod<TRequest, TResponse> Around<TRequest, TResponse>(MethodState state, DuplexStreamingServerMethod<TRequest, TResponse> handler)
        where TRequest : class
        where TResponse : class
    {
        foreach (var activation in InnermostFirst(state))
        {
            var next = handler;
            handler = async (requests, responses, context) =>
            {
                var interceptor = activation.Create(context.GetHttpContext());
                try
                {
                    await interceptor.DuplexStreamingServerHandler(requests, responses, context, next).ConfigureAwait(false);
                }
                finally
                {
                    if (activation.Disposes) await Activation<Interceptor>.ReleaseAsync(interceptor).ConfigureAwait(false);
                }
            };
        }
        return handler;
    }

    private static IEnumerable<Activation<Interceptor>> InnermostFirst(MethodState state) =>
        state.Settings.Interceptors.Reverse().Select(i => new Activation<Interceptor>(state.Environment, i.Type, [.. i.Arguments]));
}

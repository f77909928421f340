using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Makes the endpoint of a method: reads, calls, answers, and turns whatever goes wrong into a status.</summary>
internal static class CallHandlers
{
    public static RequestDelegate Unary<TRequest, TResponse>(MethodState state, Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse> handler)
        where TRequest : class
        where TResponse : class
    {
        handler = InterceptorChain.Around(state, handler);
        var read = method.RequestMarshaller.ContextualDeserializer;
        var write = method.ResponseMarshaller.ContextualSerializer;
        return http => HttpErrors.TryRefuse(http, state.Environment) ? Task.CompletedTask : HandleAsync(new ServerCall(http, state));

        // As Endpoint does it, in one method: the most frequent kind of call waits in one place less.
        async Task HandleAsync(ServerCall call)
        {
            call.Start();
            try
            {
                var request = await call.Requests.ReadSingleAsync(read).ConfigureAwait(false);
                call.Respond(await handler(request, call).ConfigureAwait(false), write);
            }
            catch (Exception exception)
            {
                call.Fail(exception);
            }
            await call.EndAsync().ConfigureAwait(false);
        }
    }

    public static RequestDelegate ClientStreaming<TRequest, TResponse>(MethodState state, Method<TRequest, TResponse> method, ClientStreamingServerMethod<TRequest, TResponse> handler)
        where TRequest : class
        where TResponse : class
    {
        handler = InterceptorChain.Around(state, handler);
        var read = method.RequestMarshaller.ContextualDeserializer;
        var write = method.ResponseMarshaller.ContextualSerializer;
        return Endpoint(state, async call =>
        {
            var requests = new RequestStream<TRequest>(call, read);
            try
            {
                call.Respond(await handler(requests, call).ConfigureAwait(false), write);
            }
            finally
            {
                requests.Complete();
            }
        });
    }

    public static RequestDelegate ServerStreaming<TRequest, TResponse>(MethodState state, Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse> handler)
        where TRequest : class
        where TResponse : class
    {
        handler = InterceptorChain.Around(state, handler);
        var read = method.RequestMarshaller.ContextualDeserializer;
        var write = method.ResponseMarshaller.ContextualSerializer;
        return Endpoint(state, async call =>
        {
            var request = await call.Requests.ReadSingleAsync(read).ConfigureAwait(false);
            var responses = new ResponseStream<TResponse>(call, write);
            try
            {
                await handler(request, responses, call).ConfigureAwait(false);
            }
            finally
            {
                responses.Complete();
            }
        });
    }

    public static RequestDelegate DuplexStreaming<TRequest, TResponse>(MethodState state, Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse> handler)
        where TRequest : class
        where TResponse : class
    {
        handler = InterceptorChain.Around(state, handler);
        var read = method.RequestMarshaller.ContextualDeserializer;
        var write = method.ResponseMarshaller.ContextualSerializer;
        return Endpoint(state, async call =>
        {
            var requests = new RequestStream<TRequest>(call, read);
            var responses = new ResponseStream<TResponse>(call, write);
            try
            {
                await handler(requests, responses, call).ConfigureAwait(false);
            }
            finally
            {
                requests.Complete();
                responses.Complete();
            }
        });
    }

    private static RequestDelegate Endpoint(MethodState state, Func<ServerCall, ValueTask> run)
    {
        return http => HttpErrors.TryRefuse(http, state.Environment) ? Task.CompletedTask : HandleAsync(new ServerCall(http, state));

        async Task HandleAsync(ServerCall call)
        {
            call.Start();
            try
            {
                await run(call).ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                call.Fail(exception);
            }
            await call.EndAsync().ConfigureAwait(false);
        }
    }
}

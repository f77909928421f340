using System.Reflection;
using Grpc.Core;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Binds the handlers of a definition, which are delegates already.</summary>
internal sealed class DefinitionBinder(ServerEnvironment environment) : ServiceBinderBase
{
    private readonly List<BoundMethod> methods = [];

    public IReadOnlyList<BoundMethod> Methods => methods;

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler)
    {
        var state = environment.State(method);
        methods.Add(new BoundMethod(state, CallHandlers.Unary(state, method, Given(handler)), []));
    }

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, ClientStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var state = environment.State(method);
        methods.Add(new BoundMethod(state, CallHandlers.ClientStreaming(state, method, Given(handler)), []));
    }

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var state = environment.State(method);
        methods.Add(new BoundMethod(state, CallHandlers.ServerStreaming(state, method, Given(handler)), []));
    }

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var state = environment.State(method);
        methods.Add(new BoundMethod(state, CallHandlers.DuplexStreaming(state, method, Given(handler)), []));
    }

    private static T Given<T>(T? handler) where T : Delegate => handler ?? throw new ArgumentNullException(nameof(handler));
}

/// <summary>Binds the methods of a generated service's implementation, found by name and parameters.</summary>
internal sealed class TypeBinder<TService> : ServiceBinderBase where TService : class
{
    private readonly ServerEnvironment environment;
    private readonly ServiceHandlers<TService> handlers;
    private readonly List<BoundMethod> methods = [];

    public TypeBinder(ServerEnvironment environment)
    {
        this.environment = environment;
        handlers = new ServiceHandlers<TService>(new Activation<TService>(environment, typeof(TService), []));
    }

    public IReadOnlyList<BoundMethod> Methods => methods;

    /// <summary>Lets the generated code name its methods.</summary>
    /// <exception cref="InvalidOperationException">The type is no implementation of a generated service.</exception>
    public void Bind()
    {
        var attribute = typeof(TService).GetCustomAttribute<BindServiceMethodAttribute>(inherit: true)
            ?? throw new InvalidOperationException($"Error binding gRPC service '{typeof(TService).Name}': it does not derive from a generated service base.");
        var bind = attribute.BindType
            .GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
            .FirstOrDefault(m => m.Name == attribute.BindMethodName && m.GetParameters() is [var binder, var service]
                && binder.ParameterType == typeof(ServiceBinderBase) && service.ParameterType.IsAssignableFrom(typeof(TService)))
            ?? throw new InvalidOperationException($"Error binding gRPC service '{typeof(TService).Name}': {attribute.BindType}.{attribute.BindMethodName} was not found.");
        bind.Invoke(null, [this, null]);
    }

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler)
    {
        var (call, metadata) = Find<Func<TService, TRequest, ServerCallContext, Task<TResponse>>>(method, typeof(TRequest), typeof(ServerCallContext));
        var state = environment.State<TService>(method);
        methods.Add(new BoundMethod(state, CallHandlers.Unary(state, method, (request, context) => handlers.CallAsync(call, request, context)), metadata));
    }

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, ClientStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var (call, metadata) = Find<Func<TService, IAsyncStreamReader<TRequest>, ServerCallContext, Task<TResponse>>>(
            method, typeof(IAsyncStreamReader<TRequest>), typeof(ServerCallContext));
        var state = environment.State<TService>(method);
        methods.Add(new BoundMethod(state, CallHandlers.ClientStreaming(state, method, (requests, context) => handlers.CallAsync(call, requests, context)), metadata));
    }

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var (call, metadata) = Find<Func<TService, TRequest, IServerStreamWriter<TResponse>, ServerCallContext, Task>>(
            method, typeof(TRequest), typeof(IServerStreamWriter<TResponse>), typeof(ServerCallContext));
        var state = environment.State<TService>(method);
        methods.Add(new BoundMethod(state, CallHandlers.ServerStreaming(state, method,
            (request, responses, context) => handlers.CallAsync(call, request, responses, context)), metadata));
    }

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var (call, metadata) = Find<Func<TService, IAsyncStreamReader<TRequest>, IServerStreamWriter<TResponse>, ServerCallContext, Task>>(
            method, typeof(IAsyncStreamReader<TRequest>), typeof(IServerStreamWriter<TResponse>), typeof(ServerCallContext));
        var state = environment.State<TService>(method);
        methods.Add(new BoundMethod(state, CallHandlers.DuplexStreaming(state, method,
            (requests, responses, context) => handlers.CallAsync(call, requests, responses, context)), metadata));
    }

    private static (TDelegate Call, object[] Metadata) Find<TDelegate>(IMethod method, params Type[] parameters) where TDelegate : Delegate
    {
        var found = typeof(TService).GetMethod(method.Name, BindingFlags.Public | BindingFlags.Instance, parameters)
            ?? throw new InvalidOperationException($"Error binding gRPC service '{typeof(TService).Name}': no method '{method.Name}' with the right parameters.");
        // The class's attributes come first: endpoint metadata lets the last one win, so a method overrides its class.
        return (found.CreateDelegate<TDelegate>(), [.. typeof(TService).GetCustomAttributes(inherit: true), .. found.GetCustomAttributes(inherit: true)]);
    }
}

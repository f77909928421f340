using System.Collections.Concurrent;
using System.Reflection;
using Orleans.Serialization.Invocation;

namespace Orleans.Runtime;

/// <summary>A call on its way through the filters and the trace, which most calls do not need.</summary>
internal sealed class IncomingCall(GrainCall call, Activation activation, Func<IncomingCall, Task> invokeGrain) : IIncomingGrainCallContext
{
    private static readonly ConcurrentDictionary<(Type Class, MethodInfo Method), MethodInfo> Implementations = [];
    private int stage;

    public IInvokable Request => call;

    public object Grain => activation.GrainInstance!;

    public GrainId? SourceId => call.Source?.GrainId;

    public GrainId TargetId => activation.GrainId;

    public GrainInterfaceType InterfaceType => GrainInterfaceType.Create(call.Method.InterfaceName);

    public string InterfaceName => call.Method.InterfaceName;

    public string MethodName => call.Method.Method.Name;

    public MethodInfo InterfaceMethod => call.Method.Method;

    public MethodInfo ImplementationMethod => Implementations.GetOrAdd((Grain.GetType(), InterfaceMethod), static key =>
    {
        var map = key.Class.GetInterfaceMap(key.Method.DeclaringType!);
        return map.TargetMethods[Array.IndexOf(map.InterfaceMethods, key.Method)];
    });

    public IGrainContext TargetContext => activation;

    public object? Result { get; set; }

    public static async ValueTask<T> InvokeAsync<T>(GrainCall<T> call, Activation activation)
    {
        using var trace = call.Trace?.Enter();
        try
        {
            if (!activation.HasFilters) return await call.Invoke(activation.GrainInstance!);
            var incoming = new IncomingCall(call, activation, async self => self.Result = await call.Invoke(activation.GrainInstance!));
            await incoming.Invoke();
            return incoming.Result is T result ? result : default!;
        }
        catch (Exception e)
        {
            CallTrace.Note(trace, e);
            throw;
        }
    }

    public Task Invoke()
    {
        var filters = activation.Silo.Filters;
        var at = stage++;
        if (at < filters.Length) return filters[at].Invoke(this);
        if (at == filters.Length && Grain is IIncomingGrainCallFilter own) return own.Invoke(this);
        return invokeGrain(this);
    }
}

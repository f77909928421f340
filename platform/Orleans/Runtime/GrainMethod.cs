using System.Reflection;
using Orleans.Concurrency;

namespace Orleans.Runtime;

/// <summary>What is known of a grain interface's method, once for all its calls.</summary>
internal sealed class GrainMethod
{
    private GrainMethod(Type interfaceType, MethodInfo method)
    {
        InterfaceType = interfaceType;
        Method = method;
        IsReadOnly = method.IsDefined(typeof(ReadOnlyAttribute));
        AlwaysInterleaves = method.IsDefined(typeof(AlwaysInterleaveAttribute));
        IsOneWay = method.IsDefined(typeof(OneWayAttribute));
        Timeout = method.GetCustomAttribute<ResponseTimeoutAttribute>()?.Timeout;
        ReturnsImmutable = method.ReturnParameter.IsDefined(typeof(ImmutableAttribute));
        Parameters = method.GetParameters();
        InterfaceName = interfaceType.FullName ?? interfaceType.Name;
        ActivityName = $"{interfaceType.Name}/{method.Name}";
        RpcMethod = $"{InterfaceName}/{method.Name}";
    }

    public Type InterfaceType { get; }

    public MethodInfo Method { get; }

    public ParameterInfo[] Parameters { get; }

    public string InterfaceName { get; }

    public string ActivityName { get; }

    public string RpcMethod { get; }

    public bool IsReadOnly { get; }

    public bool AlwaysInterleaves { get; }

    public bool IsOneWay { get; }

    public bool ReturnsImmutable { get; }

    public TimeSpan? Timeout { get; }

    public static GrainMethod For(MethodInfo method)
    {
        if (method.IsGenericMethodDefinition)
            throw new NotSupportedException($"{method.DeclaringType}.{method.Name}: generic grain methods are not supported by the bundled silo");
        var result = method.ReturnType;
        var isTask = result == typeof(Task) || result == typeof(ValueTask)
            || (result.IsGenericType && (result.GetGenericTypeDefinition() == typeof(Task<>) || result.GetGenericTypeDefinition() == typeof(ValueTask<>)));
        if (!isTask)
            throw new NotSupportedException($"{method.DeclaringType}.{method.Name} returns {result}: grain methods return Task, Task<T>, ValueTask or ValueTask<T>");
        return new GrainMethod(method.DeclaringType!, method);
    }

    public static GrainMethod ForTimer() => new(typeof(GrainTimer), typeof(GrainTimer).GetMethod(nameof(GrainTimer.TickAsync), BindingFlags.Instance | BindingFlags.NonPublic)!);
}

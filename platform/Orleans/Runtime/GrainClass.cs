using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Concurrency;
using Orleans.Configuration;
using Orleans.Serialization.Invocation;

namespace Orleans.Runtime;

/// <summary>What a silo knows of one grain class.</summary>
internal sealed class GrainClass
{
    private readonly ConstructorInvoker constructor;
    private readonly Func<Activation, List<IActivationState>, object?>[] arguments;

    public GrainClass(Silo silo, Type type)
    {
        Type = type;
        GrainType = TypeName(type);
        MainInterface = GrainTypes.InterfacesOf(type).FirstOrDefault() ?? typeof(IGrain);
        IsReentrant = type.IsDefined(typeof(ReentrantAttribute), inherit: true);
        IsFilter = type.IsAssignableTo(typeof(IIncomingGrainCallFilter));
        MayInterleave = Predicate(type);
        OverridesOnActivate = Overrides(type, nameof(Grain.OnActivateAsync), typeof(CancellationToken));
        OverridesOnDeactivate = Overrides(type, nameof(Grain.OnDeactivateAsync), typeof(DeactivationReason), typeof(CancellationToken));
        CollectionAge = AgeLimit(type, silo.Collection);
        var epochs = Math.Ceiling(CollectionAge / silo.Collection.CollectionQuantum);
        IdleEpochs = epochs >= int.MaxValue ? int.MaxValue : (int)epochs;

        var chosen = ChooseConstructor(type);
        constructor = ConstructorInvoker.Create(chosen);
        arguments = [.. chosen.GetParameters().Select(parameter => Argument(silo, type, parameter))];
    }

    public Type Type { get; }

    public GrainType GrainType { get; }

    public Type MainInterface { get; }

    public bool IsReentrant { get; }

    public bool IsFilter { get; }

    public bool OverridesOnActivate { get; }

    public bool OverridesOnDeactivate { get; }

    public TimeSpan CollectionAge { get; }

    /// <summary>After how many rounds of the collector without a call an activation is idle.</summary>
    public int IdleEpochs { get; }

    public Func<object, IInvokable, bool>? MayInterleave { get; }

    public static GrainType TypeName(Type type)
    {
        if (type.GetCustomAttribute<GrainTypeAttribute>() is { } named) return GrainType.Create(named.Name);
        var name = type.Name.ToLowerInvariant();
        return GrainType.Create(name.EndsWith("grain", StringComparison.Ordinal) && name.Length > 5 ? name[..^5] : name);
    }

    /// <summary>Makes the grain object, on its activation's turn; returns its stored states, null where it has none.</summary>
    public IActivationState[]? Create(Activation activation, out object instance)
    {
        if (arguments.Length == 0)
        {
            instance = constructor.Invoke();
            return null;
        }
        var states = new List<IActivationState>();
        var values = new object?[arguments.Length];
        for (var i = 0; i < values.Length; i++) values[i] = arguments[i](activation, states);
        instance = constructor.Invoke(values.AsSpan());
        return states.Count == 0 ? null : [.. states];
    }

    private static ConstructorInfo ChooseConstructor(Type type)
    {
        var all = type.GetConstructors(BindingFlags.Instance | BindingFlags.Public);
        return all.FirstOrDefault(candidate => candidate.IsDefined(typeof(ActivatorUtilitiesConstructorAttribute)))
            ?? all.MaxBy(candidate => candidate.GetParameters().Length)
            ?? throw new OrleansConfigurationException($"{type} has no public constructor");
    }

    private static Func<Activation, List<IActivationState>, object?> Argument(Silo silo, Type type, ParameterInfo parameter)
    {
        var wanted = parameter.ParameterType;
        if (parameter.GetCustomAttribute<PersistentStateAttribute>() is { } named)
        {
            if (!wanted.IsGenericType || wanted.GetGenericTypeDefinition() != typeof(IPersistentState<>))
                throw new OrleansConfigurationException($"{type}: {parameter.Name} has [PersistentState], so it must be an IPersistentState<T>");
            return silo.StateFactory(wanted.GetGenericArguments()[0], type, named);
        }
        if (wanted == typeof(IGrainContext)) return static (activation, _) => activation;
        if (wanted == typeof(IServiceProvider)) return static (activation, _) => activation.ActivationServices;
        if (parameter.GetCustomAttribute<FromKeyedServicesAttribute>() is { Key: { } key })
            return (activation, _) => activation.ActivationServices.GetRequiredKeyedService(wanted, key);
        if (silo.IsSingleton(wanted)) return (activation, _) => activation.Silo.ServiceProvider.GetRequiredService(wanted);
        if (parameter.HasDefaultValue) return (activation, _) => activation.ActivationServices.GetService(wanted) ?? parameter.DefaultValue;
        return (activation, _) => activation.ActivationServices.GetRequiredService(wanted);
    }

    private static bool Overrides(Type type, string name, params Type[] parameters) =>
        !type.IsAssignableTo(typeof(Grain)) || type.GetMethod(name, parameters)!.DeclaringType != typeof(Grain);

    private static Func<object, IInvokable, bool>? Predicate(Type type)
    {
        if (type.GetCustomAttribute<MayInterleaveAttribute>() is not { } attribute) return null;
        var method = type.GetMethod(attribute.CallbackMethodName, BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance, [typeof(IInvokable)]);
        if (method?.ReturnType != typeof(bool))
            throw new OrleansConfigurationException($"{type}: [MayInterleave] names {attribute.CallbackMethodName}, which must be a method bool {attribute.CallbackMethodName}(IInvokable)");
        if (!method.IsStatic) return (instance, request) => (bool)method.Invoke(instance, BindingFlags.DoNotWrapExceptions, null, [request], null)!;
        var predicate = method.CreateDelegate<Func<IInvokable, bool>>();
        return (_, request) => predicate(request);
    }

    private static TimeSpan AgeLimit(Type type, GrainCollectionOptions options) =>
        type.IsDefined(typeof(KeepAliveAttribute)) ? TimeSpan.MaxValue
        : type.GetCustomAttribute<CollectionAgeLimitAttribute>() is { } limit ? limit.AlwaysActive ? TimeSpan.MaxValue : limit.AgeLimit
        : options.ClassSpecificCollectionAge.GetValueOrDefault(type.FullName ?? type.Name, options.CollectionAge);
}

using System.Reflection;
using System.Reflection.Emit;
using Orleans.Serialization;

namespace Orleans.Runtime;

/// <summary>
/// Makes, for a grain interface, the class of its references and a class of calls for each method:
/// <code>
/// sealed class Proxy : GrainReference, IThing
/// {
///     Task&lt;int&gt; IThing.Add(int a, List&lt;int&gt; b) { var call = new Call_Add(); call.Arg0 = a; call.Arg1 = DeepCopier.Copy(b); return ProxyCalls.SendTask(this, call); }
/// }
/// sealed class Call_Add : GrainCall&lt;int&gt; { ... override ValueTask&lt;int&gt; Invoke(object target) => new(((IThing)target).Add(Arg0, Arg1)); }
/// </code>
/// so that a call is one typed object, without reflection or boxing.
/// </summary>
internal static class ProxyFactory
{
    public delegate GrainReference Constructor(Silo silo, GrainId grainId);

    private static readonly Lock Gate = new();
    private static readonly Dictionary<Type, Constructor> Made = [];
    private static readonly ConstructorInfo BaseConstructor = typeof(GrainReference).GetConstructor(BindingFlags.Instance | BindingFlags.NonPublic, [typeof(Silo), typeof(GrainId)])!;

    public static string ArgumentField(int index) => $"Arg{index}";

    public static Constructor For(Type interfaceType)
    {
        lock (Gate)
        {
            if (!Made.TryGetValue(interfaceType, out var constructor)) Made[interfaceType] = constructor = Make(interfaceType);
            return constructor;
        }
    }

    private static Constructor Make(Type interfaceType)
    {
        if (!interfaceType.IsInterface || !interfaceType.IsAssignableTo(typeof(IAddressable)))
            throw new ArgumentException($"{interfaceType} is not a grain interface");
        var module = DefineModule(interfaceType);
        var proxy = module.DefineType($"{interfaceType.FullName}.Proxy", TypeAttributes.Class | TypeAttributes.Sealed, typeof(GrainReference), [interfaceType]);
        DefineConstructor(proxy);
        var calls = new List<(TypeBuilder Type, GrainMethod Method)>();
        foreach (var method in interfaceType.GetInterfaces().Append(interfaceType).SelectMany(declaring => declaring.GetMethods()).Where(method => method.IsAbstract))
        {
            var described = GrainMethod.For(method);
            var call = new CallBuilder(module, described, $"{interfaceType.FullName}.Call{calls.Count}_{method.Name}");
            DefineMethod(proxy, described, call);
            calls.Add((call.Type, described));
        }
        foreach (var (type, method) in calls) type.CreateType().GetField(CallBuilder.MethodField)!.SetValue(null, method);
        var made = proxy.CreateType();
        var create = new DynamicMethod("Create", typeof(GrainReference), [typeof(Silo), typeof(GrainId)], typeof(ProxyFactory).Module, skipVisibility: true);
        var il = create.GetILGenerator();
        il.Emit(OpCodes.Ldarg_0);
        il.Emit(OpCodes.Ldarg_1);
        il.Emit(OpCodes.Newobj, made.GetConstructors(BindingFlags.Instance | BindingFlags.Public).Single());
        il.Emit(OpCodes.Ret);
        return create.CreateDelegate<Constructor>();
    }

    // One assembly for each interface: what it may see must be said before its first type is made.
    private static ModuleBuilder DefineModule(Type interfaceType)
    {
        var assembly = AssemblyBuilder.DefineDynamicAssembly(new AssemblyName($"Orleans.Proxies.{interfaceType.FullName}"), AssemblyBuilderAccess.Run);
        var constructor = typeof(System.Runtime.CompilerServices.IgnoresAccessChecksToAttribute).GetConstructors()[0];
        foreach (var name in VisibleAssemblies(interfaceType)) assembly.SetCustomAttribute(new CustomAttributeBuilder(constructor, [name]));
        return assembly.DefineDynamicModule("Proxies");
    }

    // Grain interfaces and what they mention may be internal.
    private static HashSet<string> VisibleAssemblies(Type interfaceType)
    {
        var names = new HashSet<string> { typeof(ProxyFactory).Assembly.GetName().Name! };
        void Add(Type type)
        {
            names.Add(type.Assembly.GetName().Name!);
            if (type.HasElementType) Add(type.GetElementType()!);
            foreach (var argument in type.GenericTypeArguments) Add(argument);
        }
        foreach (var declaring in interfaceType.GetInterfaces().Append(interfaceType))
        {
            Add(declaring);
            foreach (var method in declaring.GetMethods())
            {
                Add(method.ReturnType);
                foreach (var parameter in method.GetParameters()) Add(parameter.ParameterType);
            }
        }
        return names;
    }

    private static void DefineConstructor(TypeBuilder proxy)
    {
        var il = proxy.DefineConstructor(MethodAttributes.Public, CallingConventions.HasThis, [typeof(Silo), typeof(GrainId)]).GetILGenerator();
        il.Emit(OpCodes.Ldarg_0);
        il.Emit(OpCodes.Ldarg_1);
        il.Emit(OpCodes.Ldarg_2);
        il.Emit(OpCodes.Call, BaseConstructor);
        il.Emit(OpCodes.Ret);
    }

    private static void DefineMethod(TypeBuilder proxy, GrainMethod method, CallBuilder call)
    {
        var parameters = Array.ConvertAll(method.Parameters, parameter => parameter.ParameterType);
        var builder = proxy.DefineMethod($"{method.InterfaceName}.{method.Method.Name}",
            MethodAttributes.Private | MethodAttributes.Virtual | MethodAttributes.Final | MethodAttributes.HideBySig | MethodAttributes.NewSlot, method.Method.ReturnType, parameters);
        var il = builder.GetILGenerator();
        il.Emit(OpCodes.Ldarg_0);
        il.Emit(OpCodes.Newobj, call.Constructor);
        for (var i = 0; i < parameters.Length; i++)
        {
            il.Emit(OpCodes.Dup);
            il.Emit(OpCodes.Ldarg, i + 1);
            if (!method.Parameters[i].IsDefined(typeof(ImmutableAttribute)) && !DeepCopier.IsImmutable(parameters[i]))
                il.Emit(OpCodes.Call, typeof(DeepCopier).GetMethod(nameof(DeepCopier.Copy))!.MakeGenericMethod(parameters[i]));
            il.Emit(OpCodes.Stfld, call.Fields[i]);
        }
        il.Emit(OpCodes.Call, call.SendMethod);
        il.Emit(OpCodes.Ret);
        proxy.DefineMethodOverride(builder, method.Method);
    }

    /// <summary>The class of calls of one method.</summary>
    private sealed class CallBuilder
    {
        public const string MethodField = "Called";
        private readonly Type result;

        public CallBuilder(ModuleBuilder module, GrainMethod method, string name)
        {
            var returned = method.Method.ReturnType;
            result = returned.IsGenericType ? returned.GetGenericArguments()[0] : typeof(Nothing);
            var parent = typeof(GrainCall<>).MakeGenericType(result);
            Type = module.DefineType(name, TypeAttributes.Class | TypeAttributes.Sealed | TypeAttributes.Public, parent);
            Constructor = Type.DefineDefaultConstructor(MethodAttributes.Public);
            Fields = new FieldInfo[method.Parameters.Length];
            var hasToken = false;
            for (var i = 0; i < Fields.Length; i++)
            {
                var type = method.Parameters[i].ParameterType;
                var isToken = type == typeof(CancellationToken) && !hasToken;
                hasToken |= isToken;
                Fields[i] = isToken ? typeof(GrainCall).GetField(nameof(GrainCall.CallerToken), BindingFlags.Instance | BindingFlags.NonPublic)!
                    : Type.DefineField(ArgumentField(i), type, FieldAttributes.Public);
            }
            DefineMethodProperty(parent);
            DefineInvoke(method, parent);
            var send = method.IsOneWay ? nameof(ProxyCalls.SendOneWay) : returned.IsAssignableTo(typeof(Task)) ? nameof(ProxyCalls.SendTask) : nameof(ProxyCalls.SendValueTask);
            SendMethod = result == typeof(Nothing)
                ? typeof(ProxyCalls).GetMethod(send + (returned == typeof(ValueTask) && method.IsOneWay ? "Value" : "") + "Void")!
                : typeof(ProxyCalls).GetMethod(send == nameof(ProxyCalls.SendOneWay) ? nameof(ProxyCalls.SendTask) : send)!.MakeGenericMethod(result);
        }

        public TypeBuilder Type { get; }

        public ConstructorInfo Constructor { get; }

        public FieldInfo[] Fields { get; }

        public MethodInfo SendMethod { get; }

        private void DefineMethodProperty(Type parent)
        {
            var field = Type.DefineField(MethodField, typeof(GrainMethod), FieldAttributes.Public | FieldAttributes.Static);
            var overridden = typeof(GrainCall).GetProperty(nameof(GrainCall.Method), BindingFlags.Instance | BindingFlags.NonPublic)!.GetMethod!;
            var il = Override(overridden, typeof(GrainMethod)).GetILGenerator();
            il.Emit(OpCodes.Ldsfld, field);
            il.Emit(OpCodes.Ret);
        }

        private void DefineInvoke(GrainMethod method, Type parent)
        {
            var overridden = parent.GetMethod(nameof(GrainCall<int>.Invoke), BindingFlags.Instance | BindingFlags.NonPublic)!;
            var il = Override(overridden, typeof(ValueTask<>).MakeGenericType(result), typeof(object)).GetILGenerator();
            il.Emit(OpCodes.Ldarg_1);
            il.Emit(OpCodes.Castclass, method.InterfaceType);
            foreach (var field in Fields)
            {
                il.Emit(OpCodes.Ldarg_0);
                if (field.DeclaringType == typeof(GrainCall))
                    il.Emit(OpCodes.Call, typeof(GrainCall).GetProperty(nameof(GrainCall.GrainToken), BindingFlags.Instance | BindingFlags.NonPublic)!.GetMethod!);
                else il.Emit(OpCodes.Ldfld, field);
            }
            il.Emit(OpCodes.Callvirt, method.Method);
            var returned = method.Method.ReturnType;
            if (result == typeof(Nothing)) il.Emit(OpCodes.Call, typeof(Nothing).GetMethod(nameof(Nothing.From), [returned])!);
            else if (returned.IsAssignableTo(typeof(Task))) il.Emit(OpCodes.Newobj, typeof(ValueTask<>).MakeGenericType(result).GetConstructor([returned])!);
            il.Emit(OpCodes.Ret);
        }

        private MethodBuilder Override(MethodInfo overridden, Type returns, params Type[] parameters)
        {
            var builder = Type.DefineMethod(overridden.Name, MethodAttributes.Assembly | MethodAttributes.Virtual | MethodAttributes.HideBySig, returns, parameters);
            Type.DefineMethodOverride(builder, overridden);
            return builder;
        }
    }
}

/// <summary>Called by proxies.</summary>
internal static class ProxyCalls
{
    public static Task<T> SendTask<T>(GrainReference reference, GrainCall<T> call)
    {
        call.Send(reference);
        return call.Task;
    }

    public static ValueTask<T> SendValueTask<T>(GrainReference reference, GrainCall<T> call) => new(SendTask(reference, call));

    public static Task SendTaskVoid(GrainReference reference, GrainCall<Nothing> call) => SendTask(reference, call);

    public static ValueTask SendValueTaskVoid(GrainReference reference, GrainCall<Nothing> call) => new(SendTask(reference, call));

    public static void SendOneWay(GrainReference reference, GrainCall call) => call.Send(reference);

    public static Task SendOneWayVoid(GrainReference reference, GrainCall<Nothing> call)
    {
        SendOneWay(reference, call);
        return Task.CompletedTask;
    }

    public static ValueTask SendOneWayValueVoid(GrainReference reference, GrainCall<Nothing> call)
    {
        SendOneWay(reference, call);
        return ValueTask.CompletedTask;
    }
}

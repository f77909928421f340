using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;

namespace Orleans.Serialization;

/// <summary>Copies a type member by member, by code made for it when it is first copied.</summary>
internal sealed class MemberCopier<T> : Copier<T>
{
    private delegate void CopyMembers(ref T source, ref T copy, CopyContext context);

    private readonly CopyMembers copyMembers = Emit();
    private readonly ConstructorInvoker? constructor = typeof(T).GetConstructor(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic, []) is { } found
        ? ConstructorInvoker.Create(found)
        : null;

    public override T Copy(T value, CopyContext context)
    {
        T copy;
        if (typeof(T).IsValueType)
        {
            copy = value;
            copyMembers(ref value, ref copy, context);
            return copy;
        }
        if (value!.GetType() != typeof(T)) return (T)DeepCopier.For(value.GetType()).CopyObject(value, context);
        if (context.TryGet(value, out var known)) return (T)known!;
        copy = (T)(constructor?.Invoke() ?? RuntimeHelpers.GetUninitializedObject(typeof(T)));
        context.Add(value, copy!);
        copyMembers(ref value, ref copy, context);
        return copy;
    }

    private static CopyMembers Emit()
    {
        var method = new DynamicMethod($"Copy_{typeof(T).Name}", null, [typeof(T).MakeByRefType(), typeof(T).MakeByRefType(), typeof(CopyContext)], typeof(MemberCopier<T>).Module, skipVisibility: true);
        var il = method.GetILGenerator();
        foreach (var field in SerializedMembers.Of(typeof(T)))
        {
            LoadTarget(il, OpCodes.Ldarg_1);
            LoadTarget(il, OpCodes.Ldarg_0);
            il.Emit(OpCodes.Ldfld, field);
            if (!DeepCopier.IsImmutable(field.FieldType) && !SerializedMembers.IsPromisedImmutable(field))
            {
                il.Emit(OpCodes.Ldarg_2);
                il.Emit(OpCodes.Call, typeof(Copier<>).MakeGenericType(field.FieldType).GetMethod(nameof(CopyPart))!);
            }
            il.Emit(OpCodes.Stfld, field);
        }
        il.Emit(OpCodes.Ret);
        return method.CreateDelegate<CopyMembers>();

        static void LoadTarget(ILGenerator il, OpCode argument)
        {
            il.Emit(argument);
            if (!typeof(T).IsValueType) il.Emit(OpCodes.Ldind_Ref);
        }
    }
}

/// <summary>Which fields make up a value of a marked type.</summary>
internal static class SerializedMembers
{
    private const BindingFlags Declared = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    /// <summary>
    /// The fields, and the fields behind properties, that have an <see cref="IdAttribute"/>; those of a record's primary constructor; of tuples all.
    /// </summary>
    public static IEnumerable<FieldInfo> Of(Type type)
    {
        for (var declaring = type; declaring is not null && declaring != typeof(object) && declaring != typeof(ValueType); declaring = declaring.BaseType)
        {
            var isTuple = declaring.Namespace == nameof(System);
            var attribute = declaring.GetCustomAttribute<GenerateSerializerAttribute>(inherit: false);
            if (attribute is null && !isTuple) continue;
            var included = isTuple ? [] : PrimaryParameters(declaring, attribute!);
            foreach (var field in declaring.GetFields(Declared))
            {
                if (isTuple || field.IsDefined(typeof(IdAttribute)) || PropertyOf(field) is { } property
                    && (property.IsDefined(typeof(IdAttribute)) || included.Contains(property.Name) || IsNumberedByDefault(property, attribute!)))
                    yield return field;
            }
        }
    }

    public static bool IsPromisedImmutable(FieldInfo field) =>
        field.IsDefined(typeof(ImmutableAttribute)) || (PropertyOf(field)?.IsDefined(typeof(ImmutableAttribute)) ?? false);

    private static bool IsNumberedByDefault(PropertyInfo property, GenerateSerializerAttribute attribute) =>
        attribute.GenerateFieldIds == GenerateFieldIds.PublicProperties && property.GetMethod is { IsPublic: true } && property.SetMethod is { IsPublic: true };

    private static PropertyInfo? PropertyOf(FieldInfo field)
    {
        const string end = ">k__BackingField";
        return field.Name.StartsWith('<') && field.Name.EndsWith(end, StringComparison.Ordinal)
            ? field.DeclaringType!.GetProperty(field.Name[1..^end.Length], Declared)
            : null;
    }

    private static HashSet<string> PrimaryParameters(Type type, GenerateSerializerAttribute attribute)
    {
        // The compiler gives records a method of this name, and nobody else can.
        var isRecord = type.GetMethod("<Clone>$", Declared) is not null || (type.IsValueType && type.GetMethod("PrintMembers", Declared) is not null);
        if (!(attribute.PrimaryConstructorParameters ?? isRecord)) return [];
        return [.. type.GetConstructors(Declared).Where(candidate => !IsCopyConstructor(candidate, type))
            .OrderByDescending(candidate => candidate.GetParameters().Length).Take(1)
            .SelectMany(candidate => candidate.GetParameters()).Select(parameter => parameter.Name!)];
    }

    private static bool IsCopyConstructor(ConstructorInfo candidate, Type type) =>
        candidate.GetParameters() is [var only] && only.ParameterType == type;
}

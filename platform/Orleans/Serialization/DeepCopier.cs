using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Net;
using System.Numerics;
using System.Reflection;
using Orleans.Runtime;

namespace Orleans.Serialization;

/// <summary>
/// Copies what crosses a grain call, so that caller and grain never share what can change. What is refused here a real serializer would
/// refuse too: a type must be a basic one, a collection, or marked <see cref="GenerateSerializerAttribute"/>.
/// </summary>
internal static class DeepCopier
{
    private static readonly ConcurrentDictionary<Type, bool> Immutables = [];
    private static readonly ConcurrentDictionary<Type, Copier> Copiers = [];

    private static readonly FrozenSet<Type> Basic = new[]
    {
        typeof(string), typeof(decimal), typeof(DateTime), typeof(DateTimeOffset), typeof(TimeSpan), typeof(DateOnly), typeof(TimeOnly), typeof(Guid),
        typeof(Half), typeof(Int128), typeof(UInt128), typeof(BigInteger), typeof(Uri), typeof(Version), typeof(IPAddress), typeof(IPEndPoint), typeof(System.Text.Rune),
        typeof(CancellationToken), typeof(GrainId), typeof(GrainType), typeof(IdSpan), typeof(GrainInterfaceType), typeof(Nothing), typeof(DBNull),
    }.ToFrozenSet();

    private static readonly FrozenSet<Type> ImmutableOfImmutable = new[]
    {
        typeof(ImmutableArray<>), typeof(ImmutableList<>), typeof(ImmutableDictionary<,>), typeof(ImmutableHashSet<>), typeof(ImmutableSortedDictionary<,>),
        typeof(ImmutableSortedSet<>), typeof(ImmutableQueue<>), typeof(ImmutableStack<>), typeof(FrozenDictionary<,>), typeof(FrozenSet<>), typeof(KeyValuePair<,>), typeof(Nullable<>),
        typeof(Tuple<>), typeof(Tuple<,>), typeof(Tuple<,,>), typeof(Tuple<,,,>), typeof(Tuple<,,,,>), typeof(Tuple<,,,,,>), typeof(Tuple<,,,,,,>),
        typeof(ValueTuple<>), typeof(ValueTuple<,>), typeof(ValueTuple<,,>), typeof(ValueTuple<,,,>), typeof(ValueTuple<,,,,>), typeof(ValueTuple<,,,,,>), typeof(ValueTuple<,,,,,,>),
    }.ToFrozenSet();

    [ThreadStatic]
    private static CopyContext? spare;

    /// <summary>A copy that shares nothing with <paramref name="value"/> that can change.</summary>
    /// <exception cref="CodecNotFoundException">The value, or something in it, may not cross a grain call.</exception>
    public static T Copy<T>(T value)
    {
        if (Copier<T>.IsImmutable || value is null) return value;
        var context = spare ?? new CopyContext();
        spare = null;
        try
        {
            return Copier<T>.Instance.Copy(value, context);
        }
        finally
        {
            context.Clear();
            spare = context;
        }
    }

    /// <summary>Whether values of the type cannot change, or are promised not to.</summary>
    public static bool IsImmutable(Type type) => Immutables.GetOrAdd(type, static type =>
        type.IsPrimitive || type.IsEnum || Basic.Contains(type)
        || type.IsDefined(typeof(ImmutableAttribute), inherit: false)
        || type.IsAssignableTo(typeof(GrainReference))
        || type.IsAssignableTo(typeof(Exception))
        || type == typeof(Type) || type.FullName == "System.RuntimeType"
        || (type.IsGenericType && ImmutableOfImmutable.Contains(type.GetGenericTypeDefinition()) && Array.TrueForAll(type.GetGenericArguments(), IsImmutable)));

    public static Copier For(Type type) => Copiers.GetOrAdd(type, static type =>
        (Copier)typeof(Copier<>).MakeGenericType(type).GetProperty(nameof(Copier<int>.Instance), BindingFlags.Static | BindingFlags.Public)!
            .GetValue(null, BindingFlags.DoNotWrapExceptions, null, null, null)!);
}

/// <summary>What was copied so far: a thing that is reached twice is copied once, and cycles end.</summary>
internal sealed class CopyContext
{
    private readonly Dictionary<object, object> copies = new(ReferenceEqualityComparer.Instance);

    public bool TryGet(object original, out object? copy)
    {
        copy = null;
        return copies.Count > 0 && copies.TryGetValue(original, out copy);
    }

    public void Add(object original, object copy) => copies[original] = copy;

    public void Clear()
    {
        // A large one is left to the collector: the dictionary would keep its size.
        if (copies.Count > 0) copies.Clear();
        if (copies.EnsureCapacity(0) > 4096) copies.TrimExcess(16);
    }
}

internal abstract class Copier
{
    public abstract object CopyObject(object value, CopyContext context);
}

internal abstract class Copier<T> : Copier
{
    private static Copier<T>? instance;

    public static bool IsImmutable { get; } = DeepCopier.IsImmutable(typeof(T));

    public static Copier<T> Instance => instance ??= (Copier<T>)CopierFactory.Make(typeof(T));

    public abstract T Copy(T value, CopyContext context);

    public override object CopyObject(object value, CopyContext context) => Copy((T)value, context)!;

    /// <summary>Copies a part of something.</summary>
    public static T CopyPart(T value, CopyContext context) => IsImmutable || value is null ? value : Instance.Copy(value, context);
}

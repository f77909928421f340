using System.Collections.Immutable;
using Orleans.Concurrency;
using Orleans.Runtime;

namespace Orleans.Serialization;

/// <summary>Which copier a type has.</summary>
internal static class CopierFactory
{
    private static readonly Dictionary<Type, Type> Collections = new()
    {
        [typeof(List<>)] = typeof(ListCopier<>),
        [typeof(Dictionary<,>)] = typeof(DictionaryCopier<,>),
        [typeof(SortedDictionary<,>)] = typeof(SortedDictionaryCopier<,>),
        [typeof(SortedList<,>)] = typeof(SortedListCopier<,>),
        [typeof(HashSet<>)] = typeof(HashSetCopier<>),
        [typeof(SortedSet<>)] = typeof(SortedSetCopier<>),
        [typeof(Queue<>)] = typeof(QueueCopier<>),
        [typeof(Stack<>)] = typeof(StackCopier<>),
        [typeof(LinkedList<>)] = typeof(LinkedListCopier<>),
        [typeof(Memory<>)] = typeof(MemoryCopier<>),
        [typeof(ReadOnlyMemory<>)] = typeof(ReadOnlyMemoryCopier<>),
        [typeof(ArraySegment<>)] = typeof(ArraySegmentCopier<>),
        [typeof(KeyValuePair<,>)] = typeof(KeyValuePairCopier<,>),
        [typeof(Nullable<>)] = typeof(NullableCopier<>),
        [typeof(ImmutableArray<>)] = typeof(ImmutableArrayCopier<>),
        [typeof(ImmutableList<>)] = typeof(ImmutableListCopier<>),
        [typeof(ImmutableDictionary<,>)] = typeof(ImmutableDictionaryCopier<,>),
        [typeof(System.Collections.ObjectModel.ReadOnlyCollection<>)] = typeof(ReadOnlyCollectionCopier<>),
    };

    public static Copier Make(Type type)
    {
        if (DeepCopier.IsImmutable(type)) return Of(typeof(SameCopier<>), type);
        if (type.IsArray) return type.IsSZArray ? Of(typeof(ArrayCopier<>), type.GetElementType()!) : throw Refused(type, "use an array of arrays");
        if (type.IsAssignableTo(typeof(Delegate))) throw Refused(type, "a delegate cannot cross a grain call");
        if (type.IsInterface && type.IsAssignableTo(typeof(IAddressable))) return Of(typeof(ReferenceCopier<>), type);
        if (type.IsGenericType && Collections.TryGetValue(type.GetGenericTypeDefinition(), out var collection)) return Of(collection, type.GetGenericArguments());
        if (IsTuple(type) || type.IsDefined(typeof(GenerateSerializerAttribute), inherit: false)) return Of(typeof(MemberCopier<>), type);
        // What it is shows only at run time.
        if (type.IsInterface || type.IsAbstract || type == typeof(object)) return Of(typeof(RuntimeTypeCopier<>), type);
        throw Refused(type, "mark it with [GenerateSerializer] and its members with [Id]");
    }

    private static bool IsTuple(Type type) => type.IsAssignableTo(typeof(System.Runtime.CompilerServices.ITuple)) && type.Namespace == nameof(System);

    private static Copier Of(Type copier, params Type[] arguments) => (Copier)Activator.CreateInstance(copier.MakeGenericType(arguments))!;

    private static CodecNotFoundException Refused(Type type, string hint) => new($"Could not find a copier for type {type}: {hint}");
}

internal sealed class SameCopier<T> : Copier<T>
{
    public override T Copy(T value, CopyContext context) => value;
}

/// <summary>For interfaces, abstract classes and <see cref="object"/>: copies by what the value really is.</summary>
internal sealed class RuntimeTypeCopier<T> : Copier<T>
{
    public override T Copy(T value, CopyContext context)
    {
        var type = value!.GetType();
        return DeepCopier.IsImmutable(type) || type == typeof(object) ? value : (T)DeepCopier.For(type).CopyObject(value, context);
    }
}

/// <summary>For grain interfaces: a grain that hands out itself hands out a reference.</summary>
internal sealed class ReferenceCopier<T> : Copier<T>
{
    public override T Copy(T value, CopyContext context) => value is GrainReference ? value : ((IAddressable)value!).AsReference<T>();
}

internal sealed class ArrayCopier<T> : Copier<T[]>
{
    public override T[] Copy(T[] value, CopyContext context)
    {
        if (context.TryGet(value, out var known)) return (T[])known!;
        if (value.Length == 0) return value;
        var copy = (T[])value.Clone();
        context.Add(value, copy);
        if (Copier<T>.IsImmutable) return copy;
        for (var i = 0; i < copy.Length; i++) copy[i] = Copier<T>.CopyPart(copy[i], context);
        return copy;
    }
}

/// <summary>A collection that is a class: made empty, remembered, then filled.</summary>
internal abstract class CollectionCopier<T> : Copier<T> where T : class
{
    public override T Copy(T value, CopyContext context)
    {
        // A subclass may hold more than its base shows.
        if (value.GetType() != typeof(T)) return (T)DeepCopier.For(value.GetType()).CopyObject(value, context);
        if (context.TryGet(value, out var known)) return (T)known!;
        var copy = Empty(value);
        context.Add(value, copy);
        Fill(value, copy, context);
        return copy;
    }

    protected abstract T Empty(T value);

    protected abstract void Fill(T value, T copy, CopyContext context);
}

internal sealed class ListCopier<T> : CollectionCopier<List<T>>
{
    protected override List<T> Empty(List<T> value) => new(value.Count);

    protected override void Fill(List<T> value, List<T> copy, CopyContext context)
    {
        if (Copier<T>.IsImmutable) copy.AddRange(value);
        else foreach (var item in value) copy.Add(Copier<T>.CopyPart(item, context));
    }
}

internal sealed class DictionaryCopier<TKey, TValue> : CollectionCopier<Dictionary<TKey, TValue>> where TKey : notnull
{
    protected override Dictionary<TKey, TValue> Empty(Dictionary<TKey, TValue> value) => new(value.Count, value.Comparer);

    protected override void Fill(Dictionary<TKey, TValue> value, Dictionary<TKey, TValue> copy, CopyContext context)
    {
        foreach (var (key, item) in value) copy.Add(Copier<TKey>.CopyPart(key, context), Copier<TValue>.CopyPart(item, context));
    }
}

internal sealed class SortedDictionaryCopier<TKey, TValue> : CollectionCopier<SortedDictionary<TKey, TValue>> where TKey : notnull
{
    protected override SortedDictionary<TKey, TValue> Empty(SortedDictionary<TKey, TValue> value) => new(value.Comparer);

    protected override void Fill(SortedDictionary<TKey, TValue> value, SortedDictionary<TKey, TValue> copy, CopyContext context)
    {
        foreach (var (key, item) in value) copy.Add(Copier<TKey>.CopyPart(key, context), Copier<TValue>.CopyPart(item, context));
    }
}

internal sealed class SortedListCopier<TKey, TValue> : CollectionCopier<SortedList<TKey, TValue>> where TKey : notnull
{
    protected override SortedList<TKey, TValue> Empty(SortedList<TKey, TValue> value) => new(value.Count, value.Comparer);

    protected override void Fill(SortedList<TKey, TValue> value, SortedList<TKey, TValue> copy, CopyContext context)
    {
        foreach (var (key, item) in value) copy.Add(Copier<TKey>.CopyPart(key, context), Copier<TValue>.CopyPart(item, context));
    }
}

internal sealed class HashSetCopier<T> : CollectionCopier<HashSet<T>>
{
    protected override HashSet<T> Empty(HashSet<T> value) => new(value.Count, value.Comparer);

    protected override void Fill(HashSet<T> value, HashSet<T> copy, CopyContext context)
    {
        foreach (var item in value) copy.Add(Copier<T>.CopyPart(item, context));
    }
}

internal sealed class SortedSetCopier<T> : CollectionCopier<SortedSet<T>>
{
    protected override SortedSet<T> Empty(SortedSet<T> value) => new(value.Comparer);

    protected override void Fill(SortedSet<T> value, SortedSet<T> copy, CopyContext context)
    {
        foreach (var item in value) copy.Add(Copier<T>.CopyPart(item, context));
    }
}

internal sealed class QueueCopier<T> : CollectionCopier<Queue<T>>
{
    protected override Queue<T> Empty(Queue<T> value) => new(value.Count);

    protected override void Fill(Queue<T> value, Queue<T> copy, CopyContext context)
    {
        foreach (var item in value) copy.Enqueue(Copier<T>.CopyPart(item, context));
    }
}

internal sealed class StackCopier<T> : CollectionCopier<Stack<T>>
{
    protected override Stack<T> Empty(Stack<T> value) => new(value.Count);

    protected override void Fill(Stack<T> value, Stack<T> copy, CopyContext context)
    {
        foreach (var item in value.Reverse()) copy.Push(Copier<T>.CopyPart(item, context));
    }
}

internal sealed class LinkedListCopier<T> : CollectionCopier<LinkedList<T>>
{
    protected override LinkedList<T> Empty(LinkedList<T> value) => new();

    protected override void Fill(LinkedList<T> value, LinkedList<T> copy, CopyContext context)
    {
        foreach (var item in value) copy.AddLast(Copier<T>.CopyPart(item, context));
    }
}

internal sealed class MemoryCopier<T> : Copier<Memory<T>>
{
    public override Memory<T> Copy(Memory<T> value, CopyContext context) => Copier<T[]>.CopyPart(value.ToArray(), context);
}

internal sealed class ReadOnlyMemoryCopier<T> : Copier<ReadOnlyMemory<T>>
{
    public override ReadOnlyMemory<T> Copy(ReadOnlyMemory<T> value, CopyContext context) => Copier<T[]>.CopyPart(value.ToArray(), context);
}

internal sealed class ArraySegmentCopier<T> : Copier<ArraySegment<T>>
{
    public override ArraySegment<T> Copy(ArraySegment<T> value, CopyContext context) =>
        value.Array is null ? default : new(Copier<T[]>.CopyPart(value.ToArray(), context));
}

internal sealed class KeyValuePairCopier<TKey, TValue> : Copier<KeyValuePair<TKey, TValue>>
{
    public override KeyValuePair<TKey, TValue> Copy(KeyValuePair<TKey, TValue> value, CopyContext context) =>
        new(Copier<TKey>.CopyPart(value.Key, context), Copier<TValue>.CopyPart(value.Value, context));
}

internal sealed class NullableCopier<T> : Copier<T?> where T : struct
{
    public override T? Copy(T? value, CopyContext context) => value is { } some ? Copier<T>.CopyPart(some, context) : null;
}

internal sealed class ImmutableArrayCopier<T> : Copier<ImmutableArray<T>>
{
    public override ImmutableArray<T> Copy(ImmutableArray<T> value, CopyContext context) =>
        value.IsDefault ? value : ImmutableArray.CreateRange(value, static (item, context) => Copier<T>.CopyPart(item, context), context);
}

internal sealed class ImmutableListCopier<T> : Copier<ImmutableList<T>>
{
    public override ImmutableList<T> Copy(ImmutableList<T> value, CopyContext context) => [.. value.Select(item => Copier<T>.CopyPart(item, context))];
}

internal sealed class ImmutableDictionaryCopier<TKey, TValue> : Copier<ImmutableDictionary<TKey, TValue>> where TKey : notnull
{
    public override ImmutableDictionary<TKey, TValue> Copy(ImmutableDictionary<TKey, TValue> value, CopyContext context) =>
        value.ToImmutableDictionary(pair => Copier<TKey>.CopyPart(pair.Key, context), pair => Copier<TValue>.CopyPart(pair.Value, context), value.KeyComparer, value.ValueComparer);
}

internal sealed class ReadOnlyCollectionCopier<T> : Copier<System.Collections.ObjectModel.ReadOnlyCollection<T>>
{
    public override System.Collections.ObjectModel.ReadOnlyCollection<T> Copy(System.Collections.ObjectModel.ReadOnlyCollection<T> value, CopyContext context) =>
        new([.. value.Select(item => Copier<T>.CopyPart(item, context))]);
}

using System.Reflection;

namespace Vigil.Testing;

/// <summary>
/// Walks the grain interfaces, messages and stored states of an assembly and says what a real Orleans serializer or code generator would
/// refuse or silently leave out, or the bundled silo does not carry. It goes by the names of attributes, so that it reads the same with
/// the official packages and the bundled ones.
/// </summary>
public static class GrainContractCheck
{
    /// <summary>What is wrong, each as "where: what"; empty when all is well.</summary>
    public static IReadOnlyList<string> Problems(Assembly assembly) => Problems(assembly.GetTypes());

    /// <summary>The same for some types only.</summary>
    public static IReadOnlyList<string> Problems(params IEnumerable<Type> types)
    {
        var walk = new Walk();
        var all = types.ToArray();
        foreach (var type in all) walk.Type(type);
        walk.Aliases(all);
        return [.. walk.Problems.Distinct()];
    }

    private const BindingFlags Declared = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    // What [NonSerialized] becomes; the property that tells it is obsolete.
    private const FieldAttributes Unserialized = (FieldAttributes)0x80;

    private static readonly HashSet<string> Basic =
    [
        "System.String", "System.Decimal", "System.DateTime", "System.DateTimeOffset", "System.TimeSpan", "System.DateOnly", "System.TimeOnly", "System.Guid", "System.Half",
        "System.Int128", "System.UInt128", "System.Numerics.BigInteger", "System.Uri", "System.Version", "System.Type", "System.Object", "System.Net.IPAddress", "System.Net.IPEndPoint",
        "System.Collections.BitArray", "System.Globalization.CultureInfo", "Orleans.Runtime.GrainId", "Orleans.Runtime.GrainType", "Orleans.Runtime.TickStatus",
    ];

    private static readonly HashSet<string> Generic =
    [
        "System.Nullable`1", "System.Memory`1", "System.ReadOnlyMemory`1", "System.ArraySegment`1", "Orleans.Concurrency.Immutable`1",
        .. Named("System.Collections.Generic.", "List`1 Dictionary`2 SortedDictionary`2 SortedList`2 HashSet`1 SortedSet`1 Queue`1 Stack`1 LinkedList`1 KeyValuePair`2 "
            + "IEnumerable`1 ICollection`1 IReadOnlyCollection`1 IList`1 IReadOnlyList`1 ISet`1 IReadOnlySet`1 IDictionary`2 IReadOnlyDictionary`2"),
        .. Named("System.Collections.Immutable.", "ImmutableArray`1 ImmutableList`1 ImmutableDictionary`2 ImmutableHashSet`1 ImmutableSortedDictionary`2 ImmutableSortedSet`1 ImmutableQueue`1 ImmutableStack`1"),
        .. Named("System.Collections.ObjectModel.", "Collection`1 ReadOnlyCollection`1 ReadOnlyDictionary`2"),
        .. Named("System.Collections.Concurrent.", "ConcurrentDictionary`2 ConcurrentQueue`1"),
        .. Enumerable.Range(1, 8).SelectMany(count => new[] { $"System.ValueTuple`{count}", $"System.Tuple`{count}" }),
    ];

    private static IEnumerable<string> Named(string prefix, string names) => names.Split(' ').Select(name => prefix + name);

    private static bool Has(MemberInfo member, string attribute) => member.GetCustomAttributesData().Any(data => data.AttributeType.FullName == attribute);

    private static bool IsMarked(Type type) => Has(type.IsGenericType ? type.GetGenericTypeDefinition() : type, "Orleans.GenerateSerializerAttribute");

    private static bool IsAddressable(Type type) => type.FullName != "Orleans.Runtime.IAddressable" && type.GetInterfaces().Any(candidate => candidate.FullName == "Orleans.Runtime.IAddressable");

    private static bool IsOfOrleans(Type type) => type.Namespace == "Orleans" || (type.Namespace?.StartsWith("Orleans.", StringComparison.Ordinal) ?? false);

    private static uint? IdOf(MemberInfo member) =>
        member.GetCustomAttributesData().FirstOrDefault(data => data.AttributeType.FullName == "Orleans.IdAttribute") is { } id ? (uint)id.ConstructorArguments[0].Value! : null;

    private sealed class Walk
    {
        private readonly HashSet<Type> seen = [];

        public List<string> Problems { get; } = [];

        public void Type(Type type)
        {
            if (type.IsInterface && IsAddressable(type) && !IsOfOrleans(type)) Interface(type);
            if (IsMarked(type)) Marked(type);
            else if (!type.IsInterface && type.GetMembers(Declared).FirstOrDefault(member => IdOf(member) is not null) is { } stray)
                Problems.Add($"{type}.{stray.Name}: has [Id] but its type has no [GenerateSerializer]");
            foreach (var parameter in type.GetConstructors().SelectMany(constructor => constructor.GetParameters()))
            {
                if (parameter.GetCustomAttributesData().Any(data => data.AttributeType.FullName == "Orleans.Runtime.PersistentStateAttribute"))
                    Carried(parameter.ParameterType.GetGenericArguments()[0], $"{type}, stored state {parameter.Name}");
            }
        }

        public void Aliases(Type[] types)
        {
            static string? Alias(MemberInfo member) =>
                member.GetCustomAttributesData().FirstOrDefault(data => data.AttributeType.FullName == "Orleans.AliasAttribute")?.ConstructorArguments[0].Value as string;
            void Unique(IEnumerable<MemberInfo> members, string what)
            {
                foreach (var same in members.GroupBy(Alias).Where(group => group.Key is not null && group.Count() > 1))
                    Problems.Add($"{what} {string.Join(", ", same.Select(member => member.Name))}: share the alias \"{same.Key}\"");
            }
            Unique(types, "types");
            foreach (var type in types.Where(type => type.IsInterface && IsAddressable(type))) Unique(type.GetMethods(), $"{type}, methods");
        }

        private void Interface(Type type)
        {
            Reachable(type);
            foreach (var property in type.GetProperties()) Problems.Add($"{type}.{property.Name}: a grain interface has methods only, no properties");
            foreach (var raised in type.GetEvents()) Problems.Add($"{type}.{raised.Name}: a grain interface has methods only, no events");
            foreach (var method in type.GetMethods().Where(method => !method.IsSpecialName && !method.IsStatic)) Method(type, method);
        }

        private void Method(Type type, MethodInfo method)
        {
            var where = $"{type}.{method.Name}";
            if (method.IsGenericMethodDefinition) Problems.Add($"{where}: the bundled silo has no generic grain methods");
            Result(method, where);
            var tokens = 0;
            foreach (var parameter in method.GetParameters())
            {
                var at = $"{where}, parameter {parameter.Name}";
                if (parameter.ParameterType.IsByRef) Problems.Add($"{at}: is passed by reference");
                else if (parameter.ParameterType == typeof(CancellationToken)) tokens++;
                else Carried(parameter.ParameterType, at);
            }
            if (tokens > 1) Problems.Add($"{where}: takes more than one CancellationToken");
        }

        private void Result(MethodInfo method, string where)
        {
            var returned = method.ReturnType;
            if (returned == typeof(Task) || returned == typeof(ValueTask)) return;
            if (returned.IsGenericType && (returned.GetGenericTypeDefinition() == typeof(Task<>) || returned.GetGenericTypeDefinition() == typeof(ValueTask<>)))
            {
                Carried(returned.GetGenericArguments()[0], $"{where}, result");
                if (Has(method, "Orleans.Concurrency.OneWayAttribute")) Problems.Add($"{where}: is one-way, so it cannot have a result");
                return;
            }
            var streams = returned.IsGenericType && returned.GetGenericTypeDefinition() == typeof(IAsyncEnumerable<>);
            var why = streams || returned == typeof(void) ? "which the bundled silo does not carry" : "but must be a Task or ValueTask";
            Problems.Add($"{where}: returns {returned}, {why}");
        }

        private void Carried(Type type, string where)
        {
            if (type.IsPointer || type.IsByRefLike) Problems.Add($"{where}: {type} cannot leave the stack");
            else if (type.IsAssignableTo(typeof(Delegate))) Problems.Add($"{where}: {type} is a delegate");
            else if (type.GetInterfaces().Any(candidate => candidate.FullName == "Google.Protobuf.IMessage"))
                Problems.Add($"{where}: {type} is a protobuf message: map it to a type of the grain's own");
            else if (type.IsArray) Carried(type.GetElementType()!, where);
            else if (type.IsGenericParameter || type.IsPrimitive || type.IsEnum || Basic.Contains(type.FullName ?? "") || type.IsAssignableTo(typeof(Exception))) return;
            else if (IsAddressable(type)) Addressed(type, where);
            else if (type.IsGenericType && Generic.Contains(type.GetGenericTypeDefinition().FullName!)) Arguments(type, where);
            else if (IsMarked(type))
            {
                Arguments(type, where);
                Marked(type.IsGenericType ? type.GetGenericTypeDefinition() : type);
            }
            else Problems.Add($"{where}: {type} is not marked with [GenerateSerializer]");
        }

        private void Addressed(Type type, string where)
        {
            if (!type.IsInterface) Problems.Add($"{where}: {type} is a grain class: use its interface");
        }

        private void Arguments(Type type, string where)
        {
            foreach (var argument in type.GetGenericArguments()) Carried(argument, where);
        }

        private void Marked(Type type)
        {
            if (!seen.Add(type) || IsOfOrleans(type) || type.IsEnum) return;
            Reachable(type);
            if (type.BaseType is { } parent && parent != typeof(object) && parent != typeof(ValueType) && !IsMarked(parent) && !type.IsAssignableTo(typeof(Exception)))
                Problems.Add($"{type}: its base {parent} is not marked with [GenerateSerializer], so what that holds is lost");
            var members = Members(type).ToArray();
            foreach (var same in members.Where(member => member.Id is not null).GroupBy(member => member.Id).Where(group => group.Count() > 1))
                Problems.Add($"{type}: {string.Join(" and ", same.Select(member => member.Name))} share [Id({same.Key})]");
            foreach (var member in members)
            {
                if (member is { Id: null, IsImplicit: false }) Problems.Add($"{type}.{member.Name}: has no [Id], so it is lost");
                else Carried(member.Type, $"{type}.{member.Name}");
            }
        }

        private void Reachable(Type type)
        {
            for (var at = type; at is not null; at = at.DeclaringType)
            {
                if (at is { IsNestedPrivate: true } or { IsNestedFamily: true } or { IsNestedFamANDAssem: true })
                    Problems.Add($"{type}: generated code cannot reach it, as {at} is private or protected");
            }
        }

        private static IEnumerable<Member> Members(Type type)
        {
            var implicits = PrimaryParameters(type);
            foreach (var field in type.GetFields(Declared))
            {
                if (field.Attributes.HasFlag(Unserialized)) continue;
                const string end = ">k__BackingField";
                if (field.Name.EndsWith(end, StringComparison.Ordinal) && type.GetProperty(field.Name[1..^end.Length], Declared) is { } property)
                    yield return new Member(property.Name, property.PropertyType, IdOf(property), implicits.Contains(property.Name));
                // Parameters that a class captures are fields whose names no one can write.
                else if (!field.Name.StartsWith('<')) yield return new Member(field.Name, field.FieldType, IdOf(field), IsImplicit: false);
            }
        }

        private static HashSet<string> PrimaryParameters(Type type)
        {
            var isRecord = type.GetMethod("<Clone>$", Declared) is not null || (type.IsValueType && type.GetMethod("PrintMembers", Declared) is not null);
            var marked = type.GetCustomAttributesData().First(data => data.AttributeType.FullName == "Orleans.GenerateSerializerAttribute");
            var set = marked.NamedArguments.FirstOrDefault(argument => argument.MemberName == "IncludePrimaryConstructorParameters").TypedValue.Value as bool?;
            if (!(set ?? isRecord)) return [];
            return [.. type.GetConstructors(Declared).Where(constructor => constructor.GetParameters() is not [var only] || only.ParameterType != type)
                .OrderByDescending(constructor => constructor.GetParameters().Length).Take(1).SelectMany(constructor => constructor.GetParameters()).Select(parameter => parameter.Name!)];
        }

        private sealed record Member(string Name, Type Type, uint? Id, bool IsImplicit);
    }
}

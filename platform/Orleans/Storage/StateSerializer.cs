using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Orleans.Storage;

/// <summary>
/// Grain state as JSON. Members are public properties, and whatever has an <see cref="IdAttribute"/>, by name. A member that the text lacks
/// keeps its initial value and one that the type lacks is passed over, so that members can be added and taken away.
/// </summary>
internal static class StateSerializer
{
    private static readonly JsonSerializerOptions Options = new()
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        PreferredObjectCreationHandling = JsonObjectCreationHandling.Replace,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { AddNumberedMembers } },
    };

    public static string Serialize<T>(T state) => JsonSerializer.Serialize(state, Options);

    public static T? Deserialize<T>(string text) => JsonSerializer.Deserialize<T>(text, Options);

    private static void AddNumberedMembers(JsonTypeInfo info)
    {
        if (info.Kind != JsonTypeInfoKind.Object || !info.Type.IsDefined(typeof(GenerateSerializerAttribute), inherit: false)) return;
        var known = info.Properties.Select(property => property.AttributeProvider).OfType<MemberInfo>().Select(member => member.Name).ToHashSet();
        for (var type = info.Type; type is not null && type != typeof(object); type = type.BaseType)
        {
            foreach (var member in type.GetMembers(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            {
                if (member.IsDefined(typeof(IdAttribute)) && known.Add(member.Name)) Add(info, member);
            }
        }
        foreach (var property in info.Properties) AllowPrivateSetter(property);
        if (info.CreateObject is null && !HasUsableConstructor(info.Type)) info.CreateObject = () => RuntimeHelpers.GetUninitializedObject(info.Type);
    }

    private static void Add(JsonTypeInfo info, MemberInfo member)
    {
        var type = member switch
        {
            FieldInfo field => field.FieldType,
            PropertyInfo found => found.PropertyType,
            _ => null,
        };
        if (type is null) return;
        var property = info.CreateJsonPropertyInfo(type, member.Name);
        property.AttributeProvider = member;
        (property.Get, property.Set) = member switch
        {
            FieldInfo field => (field.GetValue, field.SetValue),
            PropertyInfo found => (found.GetValue, found.SetMethod is null ? null : found.SetValue),
            _ => (property.Get, property.Set),
        };
        info.Properties.Add(property);
    }

    private static void AllowPrivateSetter(JsonPropertyInfo property)
    {
        if (property.Set is null && property.AttributeProvider is PropertyInfo { SetMethod: not null } member && member.IsDefined(typeof(IdAttribute)))
            property.Set = member.SetValue;
    }

    private static bool HasUsableConstructor(Type type) =>
        type.IsValueType || type.GetConstructors() is { Length: > 0 } all && (all.Length == 1 || all.Any(candidate => candidate.GetParameters().Length == 0 || candidate.IsDefined(typeof(JsonConstructorAttribute))));
}

using System.Collections.Concurrent;

namespace Orleans.Runtime;

/// <summary>References to grains.</summary>
internal sealed partial class Silo
{
    private readonly ConcurrentDictionary<Type, ProxyFactory.Constructor> proxies = [];
    private readonly ConcurrentDictionary<(Type Interface, string? Prefix), GrainType> implementations = [];

    public TGrainInterface GetGrain<TGrainInterface>(Guid primaryKey, string? grainClassNamePrefix = null) where TGrainInterface : IGrainWithGuidKey =>
        Get<TGrainInterface>(GrainIdKeyExtensions.CreateGuidKey(primaryKey), grainClassNamePrefix);

    public TGrainInterface GetGrain<TGrainInterface>(long primaryKey, string? grainClassNamePrefix = null) where TGrainInterface : IGrainWithIntegerKey =>
        Get<TGrainInterface>(GrainIdKeyExtensions.CreateIntegerKey(primaryKey), grainClassNamePrefix);

    public TGrainInterface GetGrain<TGrainInterface>(string primaryKey, string? grainClassNamePrefix = null) where TGrainInterface : IGrainWithStringKey =>
        Get<TGrainInterface>(StringKey(primaryKey), grainClassNamePrefix);

    public TGrainInterface GetGrain<TGrainInterface>(Guid primaryKey, string keyExtension, string? grainClassNamePrefix = null) where TGrainInterface : IGrainWithGuidCompoundKey =>
        Get<TGrainInterface>(GrainIdKeyExtensions.CreateGuidKey(primaryKey, Extension(keyExtension)), grainClassNamePrefix);

    public TGrainInterface GetGrain<TGrainInterface>(long primaryKey, string keyExtension, string? grainClassNamePrefix = null) where TGrainInterface : IGrainWithIntegerCompoundKey =>
        Get<TGrainInterface>(GrainIdKeyExtensions.CreateIntegerKey(primaryKey, Extension(keyExtension)), grainClassNamePrefix);

    public IGrain GetGrain(Type grainInterfaceType, Guid grainPrimaryKey) => (IGrain)Get(grainInterfaceType, GrainIdKeyExtensions.CreateGuidKey(grainPrimaryKey), null);

    public IGrain GetGrain(Type grainInterfaceType, long grainPrimaryKey) => (IGrain)Get(grainInterfaceType, GrainIdKeyExtensions.CreateIntegerKey(grainPrimaryKey), null);

    public IGrain GetGrain(Type grainInterfaceType, string grainPrimaryKey) => (IGrain)Get(grainInterfaceType, StringKey(grainPrimaryKey), null);

    public TGrainInterface GetGrain<TGrainInterface>(GrainId grainId) where TGrainInterface : IAddressable => (TGrainInterface)(IAddressable)Reference(typeof(TGrainInterface), grainId);

    public IAddressable GetGrain(GrainId grainId) => new GrainReference(this, grainId);

    public GrainReference Reference(Type interfaceType, GrainId id) => proxies.GetOrAdd(interfaceType, ProxyFactory.For)(this, id);

    private T Get<T>(IdSpan key, string? prefix) => (T)(object)Get(typeof(T), key, prefix);

    private GrainReference Get(Type interfaceType, IdSpan key, string? prefix) =>
        Reference(interfaceType, new GrainId(implementations.GetOrAdd((interfaceType, prefix), static wanted => FindImplementation(wanted.Interface, wanted.Prefix)), key));

    private static GrainType FindImplementation(Type interfaceType, string? prefix)
    {
        ArgumentNullException.ThrowIfNull(interfaceType);
        var classes = GrainTypes.AllClasses().Where(candidate => candidate.IsAssignableTo(interfaceType)).ToArray();
        if (prefix is not null)
            classes = [.. classes.Where(candidate => candidate.FullName!.StartsWith(prefix, StringComparison.Ordinal) || candidate.Name.StartsWith(prefix, StringComparison.Ordinal))];
        // Of several, the one named like the interface without its I.
        if (classes.Length > 1 && classes.SingleOrDefault(candidate => candidate.Name == interfaceType.Name[1..]) is { } named) classes = [named];
        return classes.Length switch
        {
            1 => GrainClass.TypeName(classes[0]),
            0 => throw new ArgumentException($"Could not find an implementation for interface {interfaceType}{(prefix is null ? "" : $" with prefix {prefix}")}"),
            _ => throw new ArgumentException($"Several classes implement {interfaceType}: {string.Join(", ", (object[])classes)}. Name one by its prefix"),
        };
    }

    private static IdSpan StringKey(string key)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(key);
        return IdSpan.Create(key);
    }

    private static string Extension(string extension)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(extension);
        return extension;
    }
}

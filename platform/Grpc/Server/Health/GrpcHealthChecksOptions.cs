using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Grpc.AspNetCore.HealthChecks;

/// <summary>Which health checks stand for which service, and where the state comes from.</summary>
public sealed class GrpcHealthChecksOptions
{
    /// <summary>From a service's name to its checks. The empty name, the server as a whole, has all of them unless mapped otherwise.</summary>
    public ServiceMappingCollection Services { get; } = [];

    /// <summary>Whether Check answers with what was last published instead of running the checks.</summary>
    public bool UseHealthChecksCache { get; set; }

    /// <summary>Whether Watch calls stay open while the application stops; otherwise they end with NOT_SERVING.</summary>
    public bool SuppressCompletionOnShutdown { get; set; }
}

/// <summary>A health check as a mapping sees it.</summary>
public sealed class HealthCheckMapContext
{
    /// <summary>A check.</summary>
    public HealthCheckMapContext(string name, IEnumerable<string> tags)
    {
        Name = name;
        Tags = tags;
    }

    /// <summary>The check's name.</summary>
    public string Name { get; }

    /// <summary>The check's tags.</summary>
    public IEnumerable<string> Tags { get; }
}

/// <summary>A service's name and which checks stand for it.</summary>
public sealed class ServiceMapping
{
    /// <summary>A mapping.</summary>
    public ServiceMapping(string name, Func<HealthCheckMapContext, bool> predicate)
    {
        Name = name;
        HealthCheckPredicate = predicate;
    }

    /// <summary>The service's name.</summary>
    public string Name { get; }

    /// <summary>Says of each check whether it counts for the service.</summary>
    public Func<HealthCheckMapContext, bool>? HealthCheckPredicate { get; }
}

/// <summary>Mappings by service name.</summary>
public sealed class ServiceMappingCollection : ICollection<ServiceMapping>
{
    private readonly Dictionary<string, ServiceMapping> mappings = new(StringComparer.Ordinal);

    /// <inheritdoc />
    public int Count => mappings.Count;

    bool ICollection<ServiceMapping>.IsReadOnly => false;

    /// <summary>Maps a service, in place of an earlier mapping of the same name.</summary>
    public void Map(string name, Func<HealthCheckMapContext, bool> predicate) => mappings[name] = new ServiceMapping(name, predicate);

    /// <inheritdoc />
    /// <exception cref="ArgumentException">The name is mapped already.</exception>
    public void Add(ServiceMapping service) => mappings.Add(service.Name, service);

    /// <summary>Takes a mapping out.</summary>
    public void Remove(string name) => mappings.Remove(name);

    /// <inheritdoc />
    public void Clear() => mappings.Clear();

    /// <inheritdoc />
    public IEnumerator<ServiceMapping> GetEnumerator() => mappings.Values.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    bool ICollection<ServiceMapping>.Contains(ServiceMapping item) => mappings.ContainsValue(item);

    void ICollection<ServiceMapping>.CopyTo(ServiceMapping[] array, int arrayIndex) => mappings.Values.CopyTo(array, arrayIndex);

    bool ICollection<ServiceMapping>.Remove(ServiceMapping item) => mappings.ContainsValue(item) && mappings.Remove(item.Name);

    internal bool TryGet(string name, [NotNullWhen(true)] out ServiceMapping? mapping) => mappings.TryGetValue(name, out mapping);
}

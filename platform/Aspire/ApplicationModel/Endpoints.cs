using System.Net.Sockets;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>A place where a resource listens.</summary>
public sealed class EndpointAnnotation : IResourceAnnotation
{
    /// <summary>Describes the endpoint; without a name it is called like its scheme.</summary>
    public EndpointAnnotation(ProtocolType protocol, string? uriScheme = null, string? transport = null, string? name = null, int? port = null,
        int? targetPort = null, bool? isExternal = null, bool isProxied = true)
    {
        Protocol = protocol;
        UriScheme = uriScheme ?? protocol.ToString().ToLowerInvariant();
        Name = name ?? UriScheme;
        Transport = transport ?? (UriScheme is "http" or "https" ? "http" : UriScheme);
        Port = Checked(port, nameof(port));
        TargetPort = Checked(targetPort, nameof(targetPort));
        IsExternal = isExternal ?? false;
        IsProxied = isProxied;
    }

    /// <summary>Unique within the resource.</summary>
    public string Name { get; set; }

    /// <summary>TCP, or UDP.</summary>
    public ProtocolType Protocol { get; set; }

    /// <summary>The port that callers use, 1-65535; null for any free one.</summary>
    public int? Port { get; set; }

    /// <summary>The port that the process listens on. There is no proxy here: it counts only where <see cref="Port"/> is null.</summary>
    public int? TargetPort { get; set; }

    /// <summary>The first part of its URL.</summary>
    public string UriScheme { get; set; }

    /// <summary>The host in its URL.</summary>
    public string TargetHost { get; set; } = "127.0.0.1";

    /// <summary>"http", "http2", "tcp": a note for readers.</summary>
    public string Transport { get; set; }

    /// <summary>Whether people outside the system use it: a note for readers.</summary>
    public bool IsExternal { get; set; }

    /// <summary>Kept for compatibility: nothing is proxied here.</summary>
    public bool IsProxied { get; set; }

    /// <summary>Where the first replica listens, once allocated.</summary>
    public AllocatedEndpoint? AllocatedEndpoint => Allocated.Count > 0 ? Allocated[0] : null;

    /// <summary>Set by <c>env:</c>: the variable that tells the process its port.</summary>
    internal string? TargetPortEnvironmentVariable { get; set; }

    /// <summary>One for each replica.</summary>
    internal List<AllocatedEndpoint> Allocated { get; } = [];

    /// <summary>What the first replica must have, or null where any port will do.</summary>
    internal int? WantedPort => Port ?? TargetPort;

    private static int? Checked(int? port, string name) =>
        port is null or (>= 1 and <= 65535) ? port : throw new ArgumentOutOfRangeException(name, port, "a port is a number from 1 to 65535");
}

/// <summary>Where one replica listens.</summary>
public sealed class AllocatedEndpoint(EndpointAnnotation endpoint, string address, int port)
{
    /// <summary>The endpoint that this is an address of.</summary>
    public EndpointAnnotation Endpoint { get; } = endpoint;

    /// <summary>Host name or IP address.</summary>
    public string Address { get; } = address;

    /// <summary>The port, 1-65535.</summary>
    public int Port { get; } = port;

    /// <summary>The first part of the URL.</summary>
    public string UriScheme => Endpoint.UriScheme;

    /// <summary>host:port</summary>
    public string EndPointString => $"{Address}:{Port}";

    /// <summary>scheme://host:port</summary>
    public string UriString => $"{UriScheme}://{EndPointString}";

    /// <inheritdoc/>
    public override string ToString() => UriString;
}

/// <summary>A resource's endpoint, named before its address is known. Its value is the URL of the first replica.</summary>
public sealed class EndpointReference : IValueProvider
{
    /// <summary>Refers to an endpoint that may be declared later.</summary>
    public EndpointReference(IResourceWithEndpoints owner, string endpointName)
    {
        ArgumentNullException.ThrowIfNull(owner);
        ArgumentException.ThrowIfNullOrWhiteSpace(endpointName);
        Resource = owner;
        EndpointName = endpointName;
    }

    /// <summary>Refers to a declared endpoint.</summary>
    public EndpointReference(IResourceWithEndpoints owner, EndpointAnnotation endpoint) : this(owner, endpoint.Name) { }

    /// <summary>The resource that listens.</summary>
    public IResourceWithEndpoints Resource { get; }

    /// <summary>The endpoint's name.</summary>
    public string EndpointName { get; }

    /// <summary>Whether the resource has declared it.</summary>
    public bool Exists => Find() is not null;

    /// <summary>Whether its port is known.</summary>
    public bool IsAllocated => Find()?.AllocatedEndpoint is not null;

    /// <summary>The declaration.</summary>
    /// <exception cref="InvalidOperationException">The resource has no endpoint of that name.</exception>
    public EndpointAnnotation EndpointAnnotation =>
        Find() ?? throw new InvalidOperationException($"the resource '{Resource.Name}' has no endpoint '{EndpointName}'");

    /// <summary>Whether the scheme is http.</summary>
    public bool IsHttp => Scheme == "http";

    /// <summary>Whether the scheme is https.</summary>
    public bool IsHttps => Scheme == "https";

    /// <summary>The scheme.</summary>
    public string Scheme => EndpointAnnotation.UriScheme;

    /// <summary>The first replica's host.</summary>
    public string Host => Address.Address;

    /// <summary>The first replica's port.</summary>
    public int Port => Address.Port;

    /// <summary>The port that was asked for, if any.</summary>
    public int? TargetPort => EndpointAnnotation.TargetPort;

    /// <summary>The first replica's URL.</summary>
    public string Url => Address.UriString;

    private AllocatedEndpoint Address =>
        EndpointAnnotation.AllocatedEndpoint ?? throw new InvalidOperationException($"the endpoint '{EndpointName}' of '{Resource.Name}' has no port yet: they are given when the system starts");

    /// <summary>A part of the address, as a value.</summary>
    public EndpointReferenceExpression Property(EndpointProperty property) => new(this, property);

    /// <inheritdoc/>
    public ValueTask<string?> GetValueAsync(CancellationToken cancellationToken = default) => new(Url);

    private EndpointAnnotation? Find() =>
        Resource.Annotations.OfType<EndpointAnnotation>().FirstOrDefault(e => string.Equals(e.Name, EndpointName, StringComparison.OrdinalIgnoreCase));
}

/// <summary>A part of an endpoint's address.</summary>
public class EndpointReferenceExpression(EndpointReference endpointReference, EndpointProperty property) : IValueProvider
{
    /// <summary>The endpoint.</summary>
    public EndpointReference Endpoint { get; } = endpointReference;

    /// <summary>Which part.</summary>
    public EndpointProperty Property { get; } = property;

    /// <inheritdoc/>
    public ValueTask<string?> GetValueAsync(CancellationToken cancellationToken = default) => new(Property switch
    {
        EndpointProperty.Url => Endpoint.Url,
        EndpointProperty.Host or EndpointProperty.IPV4Host => Endpoint.Host,
        EndpointProperty.Port or EndpointProperty.TargetPort => Endpoint.Port.ToString(System.Globalization.CultureInfo.InvariantCulture),
        EndpointProperty.Scheme => Endpoint.Scheme,
        EndpointProperty.HostAndPort => $"{Endpoint.Host}:{Endpoint.Port}",
        _ => throw new InvalidOperationException($"an endpoint has no property '{Property}'"),
    });
}

/// <summary>The parts of an endpoint's address.</summary>
public enum EndpointProperty
{
    /// <summary>scheme://host:port</summary>
    Url,
    /// <summary>The host.</summary>
    Host,
    /// <summary>The host as an IPv4 address.</summary>
    IPV4Host,
    /// <summary>The port.</summary>
    Port,
    /// <summary>The scheme.</summary>
    Scheme,
    /// <summary>The port that the process listens on: the same, as nothing is proxied.</summary>
    TargetPort,
    /// <summary>host:port</summary>
    HostAndPort,
}

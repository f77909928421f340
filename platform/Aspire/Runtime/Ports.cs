using System.Net;
using System.Net.Sockets;
using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting.Runtime;

/// <summary>Gives each replica its ports, and says who has one that is wanted.</summary>
internal static class Ports
{
    /// <summary>Gives every endpoint its addresses: the first replica gets the port asked for, the others free ones.</summary>
    /// <exception cref="DistributedApplicationException">Two endpoints ask for the same port.</exception>
    public static void Allocate(IEnumerable<IResource> resources)
    {
        var all = resources.ToArray();
        var given = new Dictionary<int, string>();
        foreach (var (resource, endpoint) in Endpoints(all))
        {
            if (endpoint.WantedPort is not { } port) continue;
            if (given.TryGetValue(port, out var other))
                throw new DistributedApplicationException($"{other} and {resource.Name}/{endpoint.Name} both ask for port {port}: give one of them another");
            given[port] = $"{resource.Name}/{endpoint.Name}";
        }
        foreach (var (resource, endpoint) in Endpoints(all))
        {
            endpoint.Allocated.Clear();
            for (var replica = 0; replica < ReplicasOf(resource); replica++)
            {
                var port = replica == 0 ? endpoint.WantedPort ?? 0 : 0;
                while (port == 0 || (endpoint.Allocated.Count > 0 || endpoint.WantedPort is null) && !given.TryAdd(port, resource.Name)) port = Free();
                endpoint.Allocated.Add(new AllocatedEndpoint(endpoint, endpoint.TargetHost, port));
            }
        }
    }

    public static int ReplicasOf(IResource resource) => resource.Annotations.OfType<ReplicaAnnotation>().LastOrDefault()?.Replicas ?? 1;

    /// <summary>Whether a process could listen on the port of this machine's loopback address.</summary>
    public static bool IsFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            return true;
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.AddressAlreadyInUse or SocketError.AccessDenied)
        {
            return false;
        }
    }

    /// <summary>A sentence for the person: which port, for whom, who has it.</summary>
    public static string Taken(string instance, AllocatedEndpoint address)
    {
        var holder = Procfs.ListenerOn(address.Port);
        var by = holder is { } pid ? $"by process {pid} ({Shortened(Procfs.CommandLineOf(pid))})" : "by another process, which this system does not name";
        return $"port {address.Port}, which {instance} needs for its endpoint '{address.Endpoint.Name}', is taken {by}";
    }

    private static IEnumerable<(IResource, EndpointAnnotation)> Endpoints(IEnumerable<IResource> resources) =>
        resources.SelectMany(r => r.Annotations.OfType<EndpointAnnotation>().Select(e => (r, e)));

    private static int Free()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static string Shortened(string? text) => text is null or "" ? "?" : text.Length > 120 ? text[..120] + "..." : text;
}

using System.Diagnostics.CodeAnalysis;
using Vigil.Metrics.PromQL;

namespace Vigil.Metrics.Dependencies;

/// <summary>A condition by which a service's health is judged.</summary>
/// <param name="Name">Unique in its service.</param>
/// <param name="Text">PromQL: it holds where every value it yields is other than zero.</param>
/// <param name="Expr">The same, parsed.</param>
/// <param name="Required">The service is down where this one fails.</param>
internal sealed record HealthCheck(string Name, string Text, Expr Expr, bool Required);

/// <summary>A service and what it needs.</summary>
/// <param name="Name">Unique in the graph.</param>
/// <param name="Title">For people.</param>
/// <param name="DependsOn">Names of the services that it needs.</param>
/// <param name="Checks">How its health is judged.</param>
internal sealed record ServiceNode(string Name, string Title, IReadOnlyList<string> DependsOn, IReadOnlyList<HealthCheck> Checks);

/// <summary>Services and what they need. Without circles, and every name is declared: <see cref="DependencyFile"/> sees to it.</summary>
/// <param name="Services">In the order of the file.</param>
internal sealed record ServiceGraph(IReadOnlyList<ServiceNode> Services)
{
    /// <summary>No services.</summary>
    public static readonly ServiceGraph Empty = new([]);

    private readonly Dictionary<string, ServiceNode> byName = Services.ToDictionary(s => s.Name, StringComparer.Ordinal);

    /// <summary>The service with a name.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out ServiceNode? service) => byName.TryGetValue(name, out service);

    /// <summary>Everything that a service needs, directly or through others, each once, the nearest first.</summary>
    public IEnumerable<ServiceNode> Below(string name)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal) { name };
        var next = new Queue<string>();
        next.Enqueue(name);
        while (next.TryDequeue(out var current))
        {
            foreach (var needed in byName[current].DependsOn)
            {
                if (!seen.Add(needed)) continue;
                next.Enqueue(needed);
                yield return byName[needed];
            }
        }
    }
}

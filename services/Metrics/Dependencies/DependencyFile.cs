using Vigil.Metrics.PromQL;
using Vigil.ServiceDefaults.Yaml;
using YamlDotNet.RepresentationModel;

namespace Vigil.Metrics.Dependencies;

/// <summary>
/// Reads the graph of services: <c>services</c>, each with <c>name</c>, <c>title</c>, <c>depends_on</c> and <c>checks</c> of <c>name</c>,
/// <c>expr</c> and <c>required</c>. Names that nobody declares and circles are refused where they are written.
/// </summary>
internal static class DependencyFile
{
    /// <summary>Most services of a graph.</summary>
    public const int MaxServices = 1_000;

    /// <summary>Most checks of a service.</summary>
    public const int MaxChecks = 32;

    private const string All = "*";

    /// <summary>Reads a file's content.</summary>
    /// <param name="content">YAML.</param>
    /// <param name="report">Takes the findings; with an error among them the graph is empty.</param>
    public static ServiceGraph Parse(string content, YamlReport report)
    {
        if (YamlFile.Load<YamlMappingNode>(content, "a mapping with the key 'services'", report) is not { } node) return ServiceGraph.Empty;
        var root = new YamlMap(node, "", report);
        var maps = root.Maps("services").ToArray();
        root.RefuseUnknown();
        if (maps.Length > MaxServices) root.Error("services", $"{maps.Length:N0} services; at most {MaxServices:N0} are allowed");
        var services = new Dictionary<string, (YamlMap Map, ServiceNode Service)>(StringComparer.Ordinal);
        foreach (var map in maps)
        {
            var service = Read(map);
            if (service.Name.Length > 0 && !services.TryAdd(service.Name, (map, service))) map.Error("name", $"another service is named '{service.Name}'");
        }
        var names = services.Keys.ToArray();
        foreach (var (name, (map, service)) in services)
        {
            // All others, so that who watches everything need not be changed with every new service.
            var needed = service.DependsOn is [All] ? [.. names.Where(n => n != name)] : service.DependsOn;
            foreach (var unknown in needed.Where(n => !services.ContainsKey(n))) map.Error("depends_on", $"no service is named '{unknown}'");
            services[name] = (map, service with { DependsOn = needed });
        }
        if (!report.HasErrors) RefuseCircles(services);
        return report.HasErrors ? ServiceGraph.Empty : new ServiceGraph([.. services.Values.Select(s => s.Service)]);
    }

    private static ServiceNode Read(YamlMap map)
    {
        var name = map.Required("name", "the service's name");
        if (name.Length > 128 || name.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.'))) map.Error("name", $"'{name}' must be up to 128 of a-z, A-Z, 0-9, '-', '_' and '.'");
        var needed = map.Words("depends_on") ?? [];
        foreach (var twice in needed.GroupBy(n => n, StringComparer.Ordinal).Where(g => g.Count() > 1)) map.Error("depends_on", $"'{twice.Key}' stands in it twice");
        if (needed.Contains(All) && needed.Count > 1) map.Error("depends_on", $"'{All}' means all services: nothing may stand beside it");
        var checks = new List<HealthCheck>();
        foreach (var check in map.Maps("checks"))
        {
            var read = ReadCheck(check);
            check.RefuseUnknown();
            if (checks.Exists(c => c.Name == read.Name)) check.Error("name", $"another check of the service is named '{read.Name}'");
            checks.Add(read);
        }
        if (checks.Count > MaxChecks) map.Error("checks", $"{checks.Count} checks; at most {MaxChecks} are allowed");
        var service = new ServiceNode(name, map.Text("title") is { Length: > 0 } title ? title : name, needed, checks);
        map.RefuseUnknown();
        return service;
    }

    private static HealthCheck ReadCheck(YamlMap map)
    {
        var name = map.Required("name", "the check's name");
        var text = map.Required("expr", "PromQL that yields a value other than zero where all is well");
        var required = map.Flag("required") ?? false;
        if (text.Length == 0) return new HealthCheck(name, text, null!, required);
        if (!PromQlParser.TryParse(text, out var expr, out var error)) map.Error("expr", error.ToString());
        else if (expr.Type is not (ExprType.InstantVector or ExprType.Scalar)) map.Error("expr", "must yield an instant vector or a scalar");
        return new HealthCheck(name, text, expr!, required);
    }

    /// <summary>A walk into the depth, with its own stack: a chain of a thousand services must not end the process.</summary>
    private static void RefuseCircles(Dictionary<string, (YamlMap Map, ServiceNode Service)> services)
    {
        var done = new HashSet<string>(StringComparer.Ordinal);
        foreach (var start in services.Keys)
        {
            if (done.Contains(start)) continue;
            var path = new List<string> { start };
            var stack = new Stack<IEnumerator<string>>();
            stack.Push(services[start].Service.DependsOn.GetEnumerator());
            while (stack.TryPeek(out var rest))
            {
                if (!rest.MoveNext())
                {
                    stack.Pop().Dispose();
                    done.Add(path[^1]);
                    path.RemoveAt(path.Count - 1);
                    continue;
                }
                if (path.IndexOf(rest.Current) is >= 0 and var from)
                {
                    services[path[^1]].Map.Error("depends_on", $"goes in a circle: {string.Join(" -> ", path.Skip(from).Append(rest.Current))}");
                    continue;
                }
                if (done.Contains(rest.Current)) continue;
                path.Add(rest.Current);
                stack.Push(services[rest.Current].Service.DependsOn.GetEnumerator());
            }
        }
    }
}

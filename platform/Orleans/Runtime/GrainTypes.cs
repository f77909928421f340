using System.Reflection;

namespace Orleans.Runtime;

/// <summary>The grain classes of this process: those of all assemblies that use this one and are loaded, or referenced by one that is.</summary>
internal static class GrainTypes
{
    private static readonly Lock Gate = new();
    private static readonly HashSet<string> Seen = [];
    private static readonly List<Type> Classes = [];

    /// <summary>All grain classes known now. Assemblies loaded since the last look are looked at too.</summary>
    public static IReadOnlyList<Type> AllClasses()
    {
        lock (Gate)
        {
            var open = new Queue<Assembly>(AppDomain.CurrentDomain.GetAssemblies());
            while (open.TryDequeue(out var assembly))
            {
                if (assembly.IsDynamic || assembly.GetName() is not { Name: { } name } || IsFramework(name) || !Seen.Add(name)) continue;
                var references = assembly.GetReferencedAssemblies();
                foreach (var reference in references)
                {
                    if (!IsFramework(reference.Name!) && !Seen.Contains(reference.Name!) && TryLoad(reference) is { } loaded) open.Enqueue(loaded);
                }
                if (references.Any(reference => reference.Name == typeof(Grain).Assembly.GetName().Name))
                    Classes.AddRange(assembly.GetTypes().Where(IsGrainClass));
            }
            return [.. Classes];
        }
    }

    /// <summary>The application's grain interfaces of a class, most derived first.</summary>
    public static IEnumerable<Type> InterfacesOf(Type type)
    {
        var all = type.GetInterfaces().Where(candidate => candidate.IsAssignableTo(typeof(IAddressable)) && candidate.Assembly != typeof(Grain).Assembly).ToList();
        return all.OrderByDescending(candidate => candidate.GetInterfaces().Length);
    }

    private static bool IsGrainClass(Type type) =>
        type is { IsClass: true, IsAbstract: false, IsGenericTypeDefinition: false } && type.IsAssignableTo(typeof(IGrainBase));

    private static bool IsFramework(string name) =>
        name.StartsWith("System.", StringComparison.Ordinal) || name.StartsWith("Microsoft.", StringComparison.Ordinal)
        || name is "System" or "mscorlib" or "netstandard" or "WindowsBase";

    private static Assembly? TryLoad(AssemblyName name)
    {
        try
        {
            return Assembly.Load(name);
        }
        catch (Exception e) when (e is FileNotFoundException or FileLoadException or BadImageFormatException)
        {
            // Referenced but not deployed, as analyzers and optional parts are: nothing of it can run here.
            return null;
        }
    }
}

using System.Globalization;
using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting.Runtime;

/// <summary>Turns a resource's annotations into what one of its processes is started with.</summary>
internal static class LaunchPlan
{
    /// <summary>Stands for <c>service.instance.id=...</c> until the replica is known.</summary>
    public const string InstanceAttribute = "service.instance.id={instance}";

    /// <param name="resource">A project or a program.</param>
    /// <param name="replica">0 for the first.</param>
    /// <param name="instanceId">The process's name: the resource's, with a number where it has several replicas.</param>
    /// <param name="assembly">What was built, for a project.</param>
    /// <param name="tag">Marks the process as ours.</param>
    /// <param name="context">How the system is being run.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<Launch> ResolveAsync(IResource resource, int replica, string instanceId, string? assembly, RunTag tag,
        DistributedApplicationExecutionContext context, CancellationToken cancellationToken)
    {
        var values = new Dictionary<string, object>();
        SetEndpoints(resource, replica, values);
        var environment = new EnvironmentCallbackContext(context, resource, values, cancellationToken);
        foreach (var annotation in resource.Annotations.OfType<EnvironmentCallbackAnnotation>()) await annotation.Callback(environment).ConfigureAwait(false);
        var arguments = new CommandLineArgsCallbackContext([], resource, cancellationToken);
        foreach (var annotation in resource.Annotations.OfType<CommandLineArgsCallbackAnnotation>()) await annotation.Callback(arguments).ConfigureAwait(false);

        var resolvedEnvironment = new Dictionary<string, string> { [RunTag.Variable] = tag.ToString() };
        foreach (var (name, value) in values)
            resolvedEnvironment[name] = (await ValueOf(value, cancellationToken).ConfigureAwait(false)).Replace(InstanceAttribute, $"service.instance.id={instanceId}", StringComparison.Ordinal);
        var resolvedArguments = new List<string>();
        foreach (var argument in arguments.Args) resolvedArguments.Add(await ValueOf(argument, cancellationToken).ConfigureAwait(false));

        return resource switch
        {
            ProjectResource project => new Launch(Dotnet.Path, [assembly!, .. resolvedArguments], Path.GetDirectoryName(project.ProjectPath)!, resolvedEnvironment),
            ExecutableResource executable => new Launch(Find(executable), resolvedArguments, executable.WorkingDirectory, resolvedEnvironment),
            _ => throw new InvalidOperationException($"'{resource.Name}' is not something that can be started"),
        };
    }

    private static void SetEndpoints(IResource resource, int replica, Dictionary<string, object> values)
    {
        var urls = new List<string>();
        foreach (var endpoint in resource.Annotations.OfType<EndpointAnnotation>())
        {
            var address = endpoint.Allocated[replica];
            if (endpoint.TargetPortEnvironmentVariable is { } variable) values[variable] = address.Port.ToString(CultureInfo.InvariantCulture);
            else if (endpoint.UriScheme is "http" or "https") urls.Add(address.UriString);
        }
        // A project that is not told its ports one by one is told by the variable that every ASP.NET Core application reads.
        if (resource is ProjectResource && urls.Count > 0) values["ASPNETCORE_URLS"] = string.Join(';', urls);
    }

    private static async ValueTask<string> ValueOf(object value, CancellationToken cancellationToken) => value switch
    {
        string text => text,
        IValueProvider provider => await provider.GetValueAsync(cancellationToken).ConfigureAwait(false) ?? "",
        IResourceBuilder<IResource> { Resource: IValueProvider provider } => await provider.GetValueAsync(cancellationToken).ConfigureAwait(false) ?? "",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };

    private static string Find(ExecutableResource executable)
    {
        if (!executable.Command.Contains('/', StringComparison.Ordinal)) return executable.Command;
        return Path.GetFullPath(executable.Command, executable.WorkingDirectory);
    }
}

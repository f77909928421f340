using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.Configuration;

namespace Aspire.Hosting;

/// <summary>Adds .NET projects.</summary>
public static class ProjectResourceBuilderExtensions
{
    /// <summary>Adds a .NET project, which is built before the system starts.</summary>
    /// <param name="builder">The system.</param>
    /// <param name="name">Its name: service discovery, logs and telemetry use it.</param>
    /// <param name="projectPath">A project file, or a folder with exactly one; relative to the AppHost's folder.</param>
    /// <exception cref="DistributedApplicationException">There is no such project.</exception>
    public static IResourceBuilder<ProjectResource> AddProject(this IDistributedApplicationBuilder builder, string name, string projectPath)
    {
        var path = Path.GetFullPath(projectPath.Replace('\\', '/'), builder.AppHostDirectory);
        if (Directory.Exists(path))
        {
            var projects = Directory.GetFiles(path, "*.csproj");
            if (projects.Length != 1) throw new DistributedApplicationException($"the folder of '{name}' has {projects.Length} project files where one is needed: {path}");
            path = projects[0];
        }
        if (!File.Exists(path)) throw new DistributedApplicationException($"the project of '{name}' does not exist: {path}");
        return builder.AddResource(new ProjectResource(name) { ProjectPath = path }).WithOtlpExporter();
    }

    /// <summary>Runs several processes of the project, each on its own ports: the first has those asked for, the others free ones.</summary>
    public static IResourceBuilder<ProjectResource> WithReplicas(this IResourceBuilder<ProjectResource> builder, int replicas)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(replicas, 1);
        return builder.WithAnnotation(new ReplicaAnnotation(replicas), ResourceAnnotationMutationBehavior.Replace);
    }
}

/// <summary>Adds programs.</summary>
public static class ExecutableResourceBuilderExtensions
{
    /// <summary>Adds a program.</summary>
    /// <param name="builder">The system.</param>
    /// <param name="name">Its name.</param>
    /// <param name="command">A path, or a name that is looked up on PATH.</param>
    /// <param name="workingDirectory">Where it is started, relative to the AppHost's folder.</param>
    /// <param name="args">Its arguments.</param>
    public static IResourceBuilder<ExecutableResource> AddExecutable(this IDistributedApplicationBuilder builder, string name, string command,
        string workingDirectory, params string[]? args) =>
        builder.AddExecutable(name, command, workingDirectory, (object[]?)args);

    /// <summary>Adds a program whose arguments may be endpoints (their URL) and parameters.</summary>
    public static IResourceBuilder<ExecutableResource> AddExecutable(this IDistributedApplicationBuilder builder, string name, string command,
        string workingDirectory, params object[]? args)
    {
        var folder = Path.GetFullPath(workingDirectory, builder.AppHostDirectory);
        return builder.AddResource(new ExecutableResource(name, command, folder)).WithArgs(args ?? []);
    }
}

/// <summary>Adds values that are given from outside.</summary>
public static class ParameterResourceBuilderExtensions
{
    /// <summary>Adds a parameter: configuration key <c>Parameters:name</c>.</summary>
    public static IResourceBuilder<ParameterResource> AddParameter(this IDistributedApplicationBuilder builder, string name, bool secret = false) =>
        builder.AddParameter(name, () => builder.Configuration[$"Parameters:{name}"]
            ?? throw new MissingParameterValueException($"the parameter '{name}' has no value: configure Parameters:{name}"), secret: secret);

    /// <summary>Adds a parameter with a value.</summary>
    public static IResourceBuilder<ParameterResource> AddParameter(this IDistributedApplicationBuilder builder, string name, string value,
        bool publishValueAsDefault = false, bool secret = false) =>
        builder.AddParameter(name, () => value, publishValueAsDefault, secret);

    /// <summary>Adds a parameter whose value is found when it is first needed.</summary>
    public static IResourceBuilder<ParameterResource> AddParameter(this IDistributedApplicationBuilder builder, string name, Func<string> valueGetter,
        bool publishValueAsDefault = false, bool secret = false) =>
        builder.AddResource(new ParameterResource(name, valueGetter, secret));

    /// <summary>Adds a connection string: configuration key <c>ConnectionStrings:name</c>.</summary>
    public static IResourceBuilder<IResourceWithConnectionString> AddConnectionString(this IDistributedApplicationBuilder builder, string name,
        string? environmentVariableName = null) =>
        builder.AddResource(new ConnectionStringResource(name, () => builder.Configuration.GetConnectionString(name), environmentVariableName));
}

/// <summary>Telemetry of resources.</summary>
public static class OtlpConfigurationExtensions
{
    /// <summary>
    /// Tells the resource who it is and where telemetry goes, by the variables of the OpenTelemetry specification; the exporter's address
    /// (OTEL_EXPORTER_OTLP_ENDPOINT, with its protocol and headers) is passed on where the AppHost has one. Projects have it from the start.
    /// </summary>
    public static IResourceBuilder<T> WithOtlpExporter<T>(this IResourceBuilder<T> builder) where T : IResourceWithEnvironment =>
        builder.WithEnvironment(context =>
        {
            context.EnvironmentVariables["OTEL_SERVICE_NAME"] = builder.Resource.Name;
            // The instance is filled in for each replica by Runtime/LaunchPlan.cs.
            context.EnvironmentVariables["OTEL_RESOURCE_ATTRIBUTES"] = Runtime.LaunchPlan.InstanceAttribute;
            foreach (var key in (string[])["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_HEADERS"])
                if (builder.ApplicationBuilder.Configuration[key] is { Length: > 0 } value) context.EnvironmentVariables[key] = value;
        });
}

using System.Reflection;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Runtime;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Aspire.Hosting;

/// <summary>Describes a system: which resources it has, and how they hang together.</summary>
public interface IDistributedApplicationBuilder
{
    /// <summary>The AppHost's own configuration: appsettings, environment, command line.</summary>
    ConfigurationManager Configuration { get; }

    /// <summary>The folder that relative paths start from.</summary>
    string AppHostDirectory { get; }

    /// <summary>The AppHost's assembly.</summary>
    Assembly? AppHostAssembly { get; }

    /// <summary>The AppHost's environment.</summary>
    IHostEnvironment Environment { get; }

    /// <summary>The AppHost's own services; hosted services run beside the system.</summary>
    IServiceCollection Services { get; }

    /// <summary>How the system is being run.</summary>
    DistributedApplicationExecutionContext ExecutionContext { get; }

    /// <summary>What has been added.</summary>
    IResourceCollection Resources { get; }

    /// <summary>Adds a resource.</summary>
    /// <exception cref="DistributedApplicationException">There is one of that name already.</exception>
    IResourceBuilder<T> AddResource<T>(T resource) where T : IResource;

    /// <summary>Goes on describing a resource without adding it.</summary>
    IResourceBuilder<T> CreateResourceBuilder<T>(T resource) where T : IResource;

    /// <summary>Ends the description.</summary>
    DistributedApplication Build();
}

/// <summary>What a builder starts from.</summary>
public sealed class DistributedApplicationOptions
{
    /// <summary>The command line.</summary>
    public string[]? Args { get; set; }

    /// <summary>The AppHost's assembly; the entry assembly when not given.</summary>
    public string? AssemblyName { get; set; }

    /// <summary>The folder that relative paths start from; else the assembly's metadata "AppHostProjectPath", else the current folder.</summary>
    public string? ProjectDirectory { get; set; }
}

/// <summary>What the description is used for.</summary>
public enum DistributedApplicationOperation
{
    /// <summary>The system is run. The bundled implementation does nothing else.</summary>
    Run,
    /// <summary>A deployment is described.</summary>
    Publish,
}

/// <summary>How the system is being run.</summary>
public class DistributedApplicationExecutionContext(DistributedApplicationOperation operation)
{
    /// <summary>Run, always, in the bundled implementation.</summary>
    public DistributedApplicationOperation Operation { get; } = operation;

    /// <summary>Whether a deployment is described.</summary>
    public bool IsPublishMode => Operation == DistributedApplicationOperation.Publish;

    /// <summary>Whether the system is run.</summary>
    public bool IsRunMode => Operation == DistributedApplicationOperation.Run;
}

/// <summary>The description is wrong, or the system cannot be started.</summary>
public class DistributedApplicationException : Exception
{
    /// <summary>Without a message.</summary>
    public DistributedApplicationException() { }

    /// <summary>With a message for the person who starts the system.</summary>
    public DistributedApplicationException(string message) : base(message) { }

    /// <summary>With a message and a cause.</summary>
    public DistributedApplicationException(string message, Exception inner) : base(message, inner) { }
}

/// <summary>A parameter has no value; the message names the key.</summary>
public class MissingParameterValueException(string message) : DistributedApplicationException(message);

internal sealed class DistributedApplicationBuilder : IDistributedApplicationBuilder
{
    private readonly HostApplicationBuilder host;
    private readonly ResourceCollection resources = [];

    public DistributedApplicationBuilder(DistributedApplicationOptions options)
    {
        AppHostAssembly = options.AssemblyName is { } name ? Assembly.Load(name) : Assembly.GetEntryAssembly();
        AppHostDirectory = Path.GetFullPath(options.ProjectDirectory
            ?? AppHostAssembly?.GetCustomAttributes<AssemblyMetadataAttribute>().FirstOrDefault(a => string.Equals(a.Key, "AppHostProjectPath", StringComparison.OrdinalIgnoreCase))?.Value
            ?? Directory.GetCurrentDirectory());
        host = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings
        {
            Args = options.Args,
            ContentRootPath = Directory.Exists(AppHostDirectory) ? AppHostDirectory : null,
        });
        host.Logging.ClearProviders();
        host.Logging.AddFilter("Microsoft", LogLevel.Warning);
        host.Services.AddSingleton<ILoggerProvider, TerminalLoggerProvider>();
        host.Services.TryAddSingleton(TimeProvider.System);
        host.Services.AddSingleton(_ => Terminal.ForConsole());
        host.Services.AddSingleton(ExecutionContext);
        host.Services.AddSingleton<IResourceCollection>(resources);
        host.Services.AddSingleton<ResourceNotificationService>();
        host.Services.AddSingleton(services => new Orchestrator(services, AppHostDirectory,
            AppHostAssembly?.GetCustomAttribute<AssemblyConfigurationAttribute>()?.Configuration ?? "Debug"));
        // First, so that it is also the last to stop: whoever watches the system sees it through to the end.
        host.Services.AddHostedService(services => services.GetRequiredService<Orchestrator>());
        host.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(60));
        host.Services.Configure<ConsoleLifetimeOptions>(o => o.SuppressStatusMessages = true);
    }

    public ConfigurationManager Configuration => host.Configuration;

    public string AppHostDirectory { get; }

    public Assembly? AppHostAssembly { get; }

    public IHostEnvironment Environment => host.Environment;

    public IServiceCollection Services => host.Services;

    public DistributedApplicationExecutionContext ExecutionContext { get; } = new(DistributedApplicationOperation.Run);

    public IResourceCollection Resources => resources;

    public IResourceBuilder<T> AddResource<T>(T resource) where T : IResource
    {
        if (resources.Any(r => string.Equals(r.Name, resource.Name, StringComparison.OrdinalIgnoreCase)))
            throw new DistributedApplicationException($"there is already a resource '{resource.Name}'");
        resources.Add(resource);
        return CreateResourceBuilder(resource);
    }

    public IResourceBuilder<T> CreateResourceBuilder<T>(T resource) where T : IResource => new ResourceBuilder<T>(this, resource);

    public DistributedApplication Build() => new(host.Build());
}

using System.Collections.ObjectModel;
using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting.ApplicationModel
{
    /// <summary>One thing of the system: a project, a program, a value. What is known of it is in its annotations.</summary>
    public interface IResource
    {
        /// <summary>Unique among the resources of one builder, whatever the case of its letters.</summary>
        string Name { get; }

        /// <summary>What extension methods noted about it, in order.</summary>
        ResourceAnnotationCollection Annotations { get; }
    }

    /// <summary>A resource that takes environment variables.</summary>
    public interface IResourceWithEnvironment : IResource;

    /// <summary>A resource that takes command line arguments.</summary>
    public interface IResourceWithArgs : IResource;

    /// <summary>A resource that listens somewhere.</summary>
    public interface IResourceWithEndpoints : IResource;

    /// <summary>A resource that can wait for others before it starts.</summary>
    public interface IResourceWithWaitSupport : IResource;

    /// <summary>A resource that is a connection string, or has one.</summary>
    public interface IResourceWithConnectionString : IResource, IValueProvider
    {
        /// <summary>The connection string, or null where none is configured.</summary>
        ValueTask<string?> GetConnectionStringAsync(CancellationToken cancellationToken = default);

        /// <summary>The environment variable that carries it; null for <c>ConnectionStrings__name</c>.</summary>
        string? ConnectionStringEnvironmentVariable => null;

        ValueTask<string?> IValueProvider.GetValueAsync(CancellationToken cancellationToken) => GetConnectionStringAsync(cancellationToken);
    }

    /// <summary>A value that is known only once the system starts: an endpoint's URL, a parameter.</summary>
    public interface IValueProvider
    {
        /// <summary>The value, or null where there is none.</summary>
        ValueTask<string?> GetValueAsync(CancellationToken cancellationToken = default);
    }

    /// <summary>Something noted about a resource.</summary>
    public interface IResourceAnnotation;

    /// <summary>The notes about one resource.</summary>
    public sealed class ResourceAnnotationCollection : Collection<IResourceAnnotation>;

    /// <summary>The resources of one builder.</summary>
    public interface IResourceCollection : IList<IResource>;

    internal sealed class ResourceCollection : Collection<IResource>, IResourceCollection;

    /// <summary>A resource with a name.</summary>
    public abstract class Resource : IResource
    {
        /// <summary>Takes the name; letters, digits and hyphens, a letter first, 64 characters at most.</summary>
        /// <exception cref="ArgumentException">The name has other characters or is too long.</exception>
        protected Resource(string name)
        {
            ArgumentException.ThrowIfNullOrWhiteSpace(name);
            if (name.Length > 64 || !char.IsAsciiLetter(name[0]) || name[^1] == '-' || name.Contains("--", StringComparison.Ordinal) || !name.All(c => char.IsAsciiLetterOrDigit(c) || c == '-'))
                throw new ArgumentException($"'{name}' is not a resource name: it takes letters, digits and single hyphens, starts with a letter and has at most 64 characters", nameof(name));
            Name = name;
        }

        /// <inheritdoc/>
        public virtual string Name { get; }

        /// <inheritdoc/>
        public virtual ResourceAnnotationCollection Annotations { get; } = [];
    }

    /// <summary>A .NET project that is built and started.</summary>
    public class ProjectResource(string name) : Resource(name), IResourceWithEnvironment, IResourceWithArgs, IResourceWithServiceDiscovery, IResourceWithWaitSupport
    {
        internal string ProjectPath { get; init; } = "";
    }

    /// <summary>A program that is started.</summary>
    public class ExecutableResource(string name, string command, string workingDirectory)
        : Resource(name), IResourceWithEnvironment, IResourceWithArgs, IResourceWithEndpoints, IResourceWithWaitSupport
    {
        /// <summary>A path, or a name that is looked up on PATH.</summary>
        public string Command { get; } = command;

        /// <summary>The folder it is started in.</summary>
        public string WorkingDirectory { get; } = workingDirectory;
    }

    /// <summary>A value given from outside: configuration key <c>Parameters:name</c>.</summary>
    public class ParameterResource : Resource, IValueProvider
    {
        private readonly Lazy<string> value;

        /// <summary>Takes what finds the value; it runs once, when the value is first asked for.</summary>
        public ParameterResource(string name, Func<string> callback, bool secret = false) : base(name)
        {
            value = new Lazy<string>(callback);
            Secret = secret;
        }

        /// <summary>Whether the value must never be shown.</summary>
        public bool Secret { get; }

        /// <inheritdoc/>
        public ValueTask<string?> GetValueAsync(CancellationToken cancellationToken = default) => new(value.Value);
    }

    internal sealed class ConnectionStringResource(string name, Func<string?> value, string? environmentVariable) : Resource(name), IResourceWithConnectionString
    {
        public string? ConnectionStringEnvironmentVariable => environmentVariable;

        public ValueTask<string?> GetConnectionStringAsync(CancellationToken cancellationToken = default) => new(value());
    }
}

namespace Aspire.Hosting
{
    /// <summary>A resource that others find by name: <c>services__name__endpoint__0</c>.</summary>
    public interface IResourceWithServiceDiscovery : IResourceWithEndpoints;
}

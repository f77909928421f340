using System.Reflection;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>
/// Makes an object for each call: from DI where its type is registered (DI then also disposes it), else by its constructor.
/// What needs nothing from DI is made without the cost of a scope.
/// </summary>
internal sealed class Activation<T> where T : class
{
    private readonly Func<HttpContext, T> create;

    public Activation(ServerEnvironment environment, Type type, object[] arguments)
    {
        if (arguments.Length == 0 && environment.IsRegistered(type))
        {
            create = http => (T)http.RequestServices.GetRequiredService(type);
            return;
        }
        // Only what was made here is disposed here.
        Disposes = typeof(IDisposable).IsAssignableFrom(type) || typeof(IAsyncDisposable).IsAssignableFrom(type);
        if (type.GetConstructors(BindingFlags.Public | BindingFlags.Instance) is [var only] && only.GetParameters().Length == 0)
        {
            var bare = ActivatorUtilities.CreateFactory(type, Type.EmptyTypes);
            create = _ => (T)bare(NoServices.Instance, null);
            return;
        }
        var factory = ActivatorUtilities.CreateFactory(type, [.. arguments.Select(a => a.GetType())]);
        create = http => (T)factory(http.RequestServices, arguments);
    }

    /// <summary>Whether <see cref="ReleaseAsync"/> must be called after the call.</summary>
    public bool Disposes { get; }

    public T Create(HttpContext http) => create(http);

    public static ValueTask ReleaseAsync(T instance)
    {
        if (instance is IAsyncDisposable asyncDisposable) return asyncDisposable.DisposeAsync();
        (instance as IDisposable)?.Dispose();
        return default;
    }

    private sealed class NoServices : IServiceProvider
    {
        public static readonly NoServices Instance = new();

        public object? GetService(Type serviceType) => null;
    }
}

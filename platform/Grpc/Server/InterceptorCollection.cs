using System.Collections.ObjectModel;
using Grpc.Core.Interceptors;

namespace Grpc.AspNetCore.Server;

/// <summary>Interceptors by type, outermost first. Each call gets its own instance unless the type is registered in DI.</summary>
public class InterceptorCollection : Collection<InterceptorRegistration>
{
    /// <summary>Adds an interceptor; <paramref name="args"/> go to its constructor, DI gives the rest.</summary>
    public void Add<TInterceptor>(params object[] args) where TInterceptor : Interceptor => Add(typeof(TInterceptor), args);

    /// <summary>Adds an interceptor; <paramref name="args"/> go to its constructor, DI gives the rest.</summary>
    /// <exception cref="ArgumentException">The type is no <see cref="Interceptor"/>, or an argument is null.</exception>
    public void Add(Type interceptorType, params object[] args)
    {
        ArgumentNullException.ThrowIfNull(interceptorType);
        if (!interceptorType.IsSubclassOf(typeof(Interceptor)))
            throw new ArgumentException($"Type must inherit from {typeof(Interceptor).FullName}.", nameof(interceptorType));
        Add(new InterceptorRegistration(interceptorType, args));
    }
}

/// <summary>An interceptor's type and the arguments that DI does not give.</summary>
public class InterceptorRegistration
{
    internal InterceptorRegistration(Type type, object[] arguments)
    {
        if (arguments.Any(a => a is null))
            throw new ArgumentException("Interceptor arguments contains a null value. Null interceptor arguments are not supported.", nameof(arguments));
        Type = type;
        Arguments = arguments;
    }

    /// <summary>The interceptor.</summary>
    public Type Type { get; }

    /// <summary>Arguments for its constructor.</summary>
    public IReadOnlyList<object> Arguments { get; }
}

using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>What every method of this server shares.</summary>
internal sealed class ServerEnvironment(IServiceProvider services, ILoggerFactory loggers, GrpcServerMetrics metrics, IOptions<GrpcServiceOptions> options)
{
    private readonly IServiceProviderIsService? registered = services.GetService<IServiceProviderIsService>();

    public TimeProvider Time { get; } = services.GetService<TimeProvider>() ?? TimeProvider.System;

    public ILogger Logger { get; } = loggers.CreateLogger("Grpc.AspNetCore.Server.ServerCallHandler");

    public GrpcServerMetrics Metrics { get; } = metrics;

    public GrpcServiceOptions Options { get; } = options.Value;

    public bool IsRegistered(Type type) => registered?.IsService(type) ?? false;

    public MethodState State<TService>(IMethod method) where TService : class =>
        new(method, MethodSettings.Create(Options, services.GetRequiredService<IOptions<GrpcServiceOptions<TService>>>().Value), this);

    public MethodState State(IMethod method) => new(method, MethodSettings.Create(Options, Options), this);
}

/// <summary>What every call of one method shares.</summary>
internal sealed class MethodState(IMethod method, MethodSettings settings, ServerEnvironment environment)
{
    public IMethod Method { get; } = method;

    public MethodSettings Settings { get; } = settings;

    public ServerEnvironment Environment { get; } = environment;

    public ILogger Logger => Environment.Logger;

    /// <summary>Whether requests are a stream, so that a body may last for ever and have any size.</summary>
    public bool StreamsRequests { get; } = method.Type is MethodType.ClientStreaming or MethodType.DuplexStreaming;

    public bool StreamsResponses { get; } = method.Type is MethodType.ServerStreaming or MethodType.DuplexStreaming;

    /// <summary>Boxed once for tags: service, method.</summary>
    public KeyValuePair<string, object?> ServiceTag { get; } = new("rpc.service", method.ServiceName);

    public KeyValuePair<string, object?> MethodTag { get; } = new("rpc.method", method.Name);
}

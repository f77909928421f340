using System.Net.Http.Headers;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Vigil.ServiceDefaults;

/// <summary>gRPC channels to the other services.</summary>
public static class ServiceChannels
{
    private const int MaxMessage = 16 << 20;

    /// <summary>
    /// Registers the channel to a service, under its name: take it as <c>[FromKeyedServices("metrics")] GrpcChannel</c>. Every call carries this
    /// service's token (<c>Auth:Token</c>). It is made at first use, when the address must be configured: see <see cref="IServiceDirectory"/>.
    /// </summary>
    /// <param name="services">Where to register.</param>
    /// <param name="service">E.g. <c>metrics</c>.</param>
    /// <param name="idempotent">
    /// What may be sent again after UNAVAILABLE, at most three times with growing pauses: <c>package.Service</c> for all of a service's methods or
    /// <c>package.Service/Method</c>. Of a streaming call only the part before the first answer is.
    /// </param>
    public static IServiceCollection AddServiceChannel(this IServiceCollection services, string service, params string[] idempotent) =>
        services.AddKeyedSingleton(service, (provider, _) => Create(
            provider.GetRequiredService<IServiceDirectory>().Find(service, "grpc"),
            provider.GetRequiredService<IOptions<AuthOptions>>().Value.Token,
            idempotent,
            provider.GetRequiredService<IOptions<ChannelOptions>>().Value,
            provider.GetRequiredService<ILoggerFactory>()));

    internal static GrpcChannel Create(Uri address, string? token, IReadOnlyList<string> idempotent, ChannelOptions options, ILoggerFactory? logs) =>
        GrpcChannel.ForAddress(address, new GrpcChannelOptions
        {
            HttpHandler = new TokenHandler(token)
            {
                InnerHandler = new SocketsHttpHandler
                {
                    ConnectTimeout = TimeSpan.FromSeconds(5),
                    EnableMultipleHttp2Connections = true,
                    KeepAlivePingDelay = options.KeepAlivePingDelay,
                    KeepAlivePingTimeout = options.KeepAlivePingTimeout,
                    PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
                    UseProxy = false,
                },
            },
            DisposeHttpClient = true,
            LoggerFactory = logs,
            MaxReceiveMessageSize = MaxMessage,
            MaxSendMessageSize = MaxMessage,
            ServiceConfig = idempotent.Count == 0 ? null : Retrying(idempotent),
        });

    private static ServiceConfig Retrying(IReadOnlyList<string> idempotent)
    {
        var method = new MethodConfig
        {
            RetryPolicy = new RetryPolicy
            {
                MaxAttempts = 4,
                InitialBackoff = TimeSpan.FromMilliseconds(100),
                MaxBackoff = TimeSpan.FromSeconds(2),
                BackoffMultiplier = 3,
                RetryableStatusCodes = { StatusCode.Unavailable },
            },
        };
        foreach (var name in idempotent)
        {
            var slash = name.IndexOf('/');
            method.Names.Add(slash < 0 ? new MethodName { Service = name } : new MethodName { Service = name[..slash], Method = name[(slash + 1)..] });
        }
        return new ServiceConfig { MethodConfigs = { method } };
    }

    // A handler, not call credentials: those are only sent over TLS.
    private sealed class TokenHandler(string? token) : DelegatingHandler
    {
        private readonly AuthenticationHeaderValue? authorization = string.IsNullOrEmpty(token) ? null : new("Bearer", token);

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.Headers.Authorization ??= authorization;
            return base.SendAsync(request, cancellationToken);
        }
    }
}

using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.Client;
using Grpc.Net.Client.Configuration;
using Vigil.Metrics.V1;

namespace Vigil.Client;

/// <summary>
/// The way into Vigil for other teams: streams metrics, asks PromQL, follows values. Thread-safe; keep one per process and
/// dispose it at the end.
/// </summary>
public sealed class VigilClient : IDisposable
{
    private readonly VigilClientOptions options;
    private readonly GrpcChannel metrics;
    private readonly Lazy<GrpcChannel> alerting;

    /// <summary>Makes a client; nothing is connected until the first call.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A time of the keep-alive pings is under a second.</exception>
    public VigilClient(VigilClientOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        this.options = options;
        metrics = Open(options.MetricsAddress);
        alerting = new Lazy<GrpcChannel>(() => Open(options.AlertingAddress));
        MetricsInvoker = WithToken(metrics);
    }

    /// <summary>A call invoker to the Metrics service that carries the token: for generated clients of vigil.metrics.v1.</summary>
    public CallInvoker MetricsInvoker { get; }

    /// <summary>A call invoker to the Alerting service that carries the token: for generated clients of vigil.alerting.v1.</summary>
    public CallInvoker AlertingInvoker => WithToken(alerting.Value);

    /// <summary>Opens a stream of metrics. It connects in the background and reconnects until it is disposed.</summary>
    public MetricsPusher OpenPusher(MetricsPusherOptions pusherOptions) =>
        new(new MetricsIngest.MetricsIngestClient(MetricsInvoker), pusherOptions, options.TimeProvider);

    /// <summary>Evaluates a PromQL expression once, at <paramref name="at"/> or now.</summary>
    /// <exception cref="RpcException">
    /// <see cref="StatusCode.InvalidArgument"/> names the position of a mistake in the expression; <see cref="StatusCode.Unavailable"/>:
    /// Metrics cannot be reached.
    /// </exception>
    public async Task<QueryResult> QueryAsync(string expression, DateTimeOffset? at = null, CancellationToken cancellationToken = default)
    {
        var request = new QueryRequest { Expr = expression, TimeUnixMs = at?.ToUnixTimeMilliseconds() ?? 0 };
        var deadline = options.TimeProvider.GetUtcNow().UtcDateTime.AddSeconds(30);
        var response = await new MetricsQuery.MetricsQueryClient(MetricsInvoker)
            .QueryAsync(request, deadline: deadline, cancellationToken: cancellationToken).ConfigureAwait(false);
        return QueryResult.From(response);
    }

    /// <summary>
    /// Follows an expression: its value now, whenever it changes, and at every heartbeat. The stream ends with an exception when
    /// the connection breaks: the caller then knows nothing about the value.
    /// </summary>
    /// <param name="expression">PromQL that yields an instant vector or a scalar.</param>
    /// <param name="heartbeat">100 ms to 60 s.</param>
    /// <param name="cancellationToken">Ends the watch.</param>
    public async IAsyncEnumerable<WatchedValue> WatchAsync(string expression, TimeSpan heartbeat,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var call = new MetricsQuery.MetricsQueryClient(MetricsInvoker).Watch(cancellationToken: cancellationToken);
        await call.RequestStream.WriteAsync(new WatchRequest
        {
            Register = new WatchRegister { WatchId = "1", Expr = expression, HeartbeatMs = (uint)heartbeat.TotalMilliseconds },
        }, cancellationToken).ConfigureAwait(false);
        while (await call.ResponseStream.MoveNext(cancellationToken).ConfigureAwait(false))
            yield return WatchedValue.From(call.ResponseStream.Current);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        metrics.Dispose();
        if (alerting.IsValueCreated) alerting.Value.Dispose();
    }

    private CallInvoker WithToken(GrpcChannel channel)
    {
        if (options.Token is not { Length: > 0 } token) return channel.CreateCallInvoker();
        return channel.Intercept(metadata =>
        {
            metadata.Add("authorization", "Bearer " + token);
            return metadata;
        });
    }

    private GrpcChannel Open(Uri address) => GrpcChannel.ForAddress(address, new GrpcChannelOptions
    {
        HttpHandler = new SocketsHttpHandler
        {
            EnableMultipleHttp2Connections = true,
            KeepAlivePingDelay = options.KeepAlivePingDelay,
            KeepAlivePingTimeout = options.KeepAlivePingTimeout,
            AllowAutoRedirect = false,
            UseCookies = false,
            // A proxy carries HTTP/2 only inside TLS.
            UseProxy = address.Scheme == Uri.UriSchemeHttps,
        },
        DisposeHttpClient = true,
        // Reads only: a stream is never retried by the channel, since the pusher resends by itself what was not acknowledged.
        ServiceConfig = new ServiceConfig
        {
            MethodConfigs =
            {
                new MethodConfig
                {
                    Names = { new MethodName { Service = "vigil.metrics.v1.MetricsQuery", Method = "Query" } },
                    RetryPolicy = new RetryPolicy
                    {
                        MaxAttempts = 3,
                        InitialBackoff = TimeSpan.FromMilliseconds(100),
                        MaxBackoff = TimeSpan.FromSeconds(1),
                        BackoffMultiplier = 2,
                        RetryableStatusCodes = { StatusCode.Unavailable },
                    },
                },
            },
        },
    });
}

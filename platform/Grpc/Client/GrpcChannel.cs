using System.Collections.Concurrent;
using System.IO.Compression;
using System.Net;
using Grpc.Core;
using Grpc.Core.Internal;
using Grpc.Net.Client.Configuration;
using Grpc.Net.Client.Internal;
using Grpc.Net.Compression;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Grpc.Net.Client;

/// <summary>
/// A server as its clients see it. Making a channel connects to nothing; connections are made as calls need them, are shared by
/// all clients of the channel, and are many where one is full. Channels are meant to live long and may be used from any thread.
/// </summary>
public sealed class GrpcChannel : ChannelBase, IDisposable
{
    private const int MaxSpares = 128;

    private readonly Lock gate = new();
    private readonly ConcurrentDictionary<IMethod, MethodTarget> targets = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<(string?, string?), RetryPlan> retryPlans = [];
    private readonly ICompressionProvider[] compression;
    private readonly Uri address;
    private readonly HttpMessageInvoker invoker;
    private readonly bool ownsInvoker;
    private readonly Connectivity? connectivity;
    private readonly bool isSecure;
    private readonly Stack<CallParts> spares = new();
    private HttpCall? running;
    private bool disposed;

    private GrpcChannel(Uri address, GrpcChannelOptions options) : base(address.Authority)
    {
        this.address = address;
        Logger = (options.LoggerFactory ?? (ILoggerFactory?)options.ServiceProvider?.GetService(typeof(ILoggerFactory)) ?? NullLoggerFactory.Instance).CreateLogger<GrpcChannel>();
        Time = options.TimeProvider;
        var credentials = new ChannelCredentialsReader(options.UnsafeUseInsecureChannelCallCredentials);
        isSecure = address.Scheme == Uri.UriSchemeHttps;
        if (options.Credentials is not null)
        {
            options.Credentials.InternalPopulateConfiguration(credentials, options.Credentials);
            if (credentials.IsSecure != isSecure)
                throw new InvalidOperationException($"Channel is configured with {(credentials.IsSecure ? "secure" : "insecure")} channel credentials and can't use a '{address.Scheme}' address.");
        }
        CallCredentials = credentials.CallCredentials;
        SendsCallCredentials = isSecure || options.UnsafeUseInsecureChannelCallCredentials;
        MaxSendMessageSize = options.MaxSendMessageSize;
        MaxReceiveMessageSize = options.MaxReceiveMessageSize;
        MaxRetryBufferPerCallSize = options.MaxRetryBufferPerCallSize;
        ThrowOperationCanceledOnCancellation = options.ThrowOperationCanceledOnCancellation;
        HttpVersion = options.HttpVersion ?? System.Net.HttpVersion.Version20;
        HttpVersionPolicy = options.HttpVersionPolicy ?? System.Net.Http.HttpVersionPolicy.RequestVersionExact;
        InitialReconnectBackoff = options.InitialReconnectBackoff;
        MaxReconnectBackoff = options.MaxReconnectBackoff;
        compression = [.. options.CompressionProviders ?? [new GzipCompressionProvider(CompressionLevel.Fastest)]];
        AcceptEncoding = string.Join(',', compression.Select(c => c.EncodingName).Prepend(GrpcProtocol.Identity).Distinct());
        RetryBudget = new RetryBudget(Checked(options.ServiceConfig?.RetryThrottling), options.MaxRetryBufferSize);
        AddRetryPlans(options);
        if (address.AbsolutePath != "/") ClientLog.PathIgnored(Logger, address);

        ownsInvoker = options.DisposeHttpClient || (options.HttpClient is null && options.HttpHandler is null);
        if (options.HttpClient is not null)
        {
            invoker = options.HttpClient;
        }
        else if (options.HttpHandler is not null)
        {
            invoker = new HttpMessageInvoker(options.HttpHandler, disposeHandler: true);
        }
        else
        {
            connectivity = new Connectivity(new DnsEndPoint(address.IdnHost, address.Port), isSecure, Time, InitialReconnectBackoff, MaxReconnectBackoff);
            invoker = new HttpMessageInvoker(CreateHandler(connectivity));
        }
    }

    internal ILogger Logger { get; }
    internal TimeProvider Time { get; }
    internal Random Random { get; } = Random.Shared;
    internal IReadOnlyList<CallCredentials> CallCredentials { get; }
    internal bool SendsCallCredentials { get; }
    internal string AcceptEncoding { get; }
    internal int? MaxSendMessageSize { get; }
    internal int? MaxReceiveMessageSize { get; }
    internal long? MaxRetryBufferPerCallSize { get; }
    internal bool ThrowOperationCanceledOnCancellation { get; }
    internal Version HttpVersion { get; }
    internal HttpVersionPolicy HttpVersionPolicy { get; }
    internal TimeSpan InitialReconnectBackoff { get; }
    internal TimeSpan? MaxReconnectBackoff { get; }
    internal RetryBudget RetryBudget { get; }

    /// <summary>A channel to <paramref name="address"/> with default options.</summary>
    /// <exception cref="ArgumentException">The address is not an absolute http or https address.</exception>
    public static GrpcChannel ForAddress(string address) => ForAddress(address, new GrpcChannelOptions());

    /// <inheritdoc cref="ForAddress(Uri, GrpcChannelOptions)"/>
    public static GrpcChannel ForAddress(string address, GrpcChannelOptions channelOptions) => ForAddress(new Uri(address), channelOptions);

    /// <inheritdoc cref="ForAddress(string)"/>
    public static GrpcChannel ForAddress(Uri address) => ForAddress(address, new GrpcChannelOptions());

    /// <summary>A channel to <paramref name="address"/>, which is http (HTTP/2 without TLS) or https. Its path is not used.</summary>
    /// <exception cref="ArgumentException">The address is not an absolute http or https address, or two HTTP callers are configured.</exception>
    /// <exception cref="InvalidOperationException">Credentials do not fit the address, or the service config is not valid.</exception>
    public static GrpcChannel ForAddress(Uri address, GrpcChannelOptions channelOptions)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(channelOptions);
        if (!address.IsAbsoluteUri || (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps) || address.Host.Length == 0)
            throw new ArgumentException($"Address '{address.OriginalString}' must have the scheme http or https and a host, as in 'http://localhost:4317'.", nameof(address));
        if (channelOptions.HttpClient is not null && channelOptions.HttpHandler is not null)
            throw new ArgumentException($"{nameof(GrpcChannelOptions.HttpClient)} and {nameof(GrpcChannelOptions.HttpHandler)} have been configured. Only one HTTP caller can be specified.");
        return new GrpcChannel(address, channelOptions);
    }

    internal static SocketsHttpHandler CreateHandler(Connectivity connectivity) => new()
    {
        // A second connection is opened when the first has as many calls as the server allows (Kestrel: 100).
        EnableMultipleHttp2Connections = true,
        // A peer that vanished without a word is found after a minute and a half at most, also under a silent stream.
        KeepAlivePingDelay = TimeSpan.FromSeconds(60),
        KeepAlivePingTimeout = TimeSpan.FromSeconds(30),
        KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
        AllowAutoRedirect = false,
        UseCookies = false,
        // A proxy cannot carry HTTP/2 without TLS; with TLS the environment's proxy is used.
        UseProxy = connectivity.MayUseProxy,
        ConnectCallback = connectivity.ConnectAsync,
    };

    private static RetryThrottlingPolicy? Checked(RetryThrottlingPolicy? throttling)
    {
        if (throttling is null) return null;
        if (throttling.MaxTokens is not (>= 1 and <= 1000)) throw new InvalidOperationException("Retry throttling: MaxTokens must be from 1 to 1000.");
        if (throttling.TokenRatio is not > 0) throw new InvalidOperationException("Retry throttling: TokenRatio must be above zero.");
        return throttling;
    }

    private void AddRetryPlans(GrpcChannelOptions options)
    {
        foreach (var config in options.ServiceConfig?.MethodConfigs ?? [])
        {
            var plan = config.RetryPolicy is { } policy ? RetryPlan.Create(policy, options.MaxRetryAttempts) : null;
            foreach (var name in config.Names)
            {
                if (name.Service is null && name.Method is not null) throw new InvalidOperationException($"The method name '{name.Method}' needs a service.");
                if (plan is not null && !retryPlans.TryAdd((name.Service, name.Method), plan))
                    throw new InvalidOperationException($"Duplicate method config found. Service: '{name.Service}', method: '{name.Method}'.");
            }
        }
    }

    internal ICompressionProvider? CompressionFor(string encoding) => Array.Find(compression, c => c.EncodingName == encoding);

    internal MethodTarget TargetOf(IMethod method) => targets.TryGetValue(method, out var known) ? known : targets.GetOrAdd(method, CreateTarget);

    private MethodTarget CreateTarget(IMethod method)
    {
        var plan = retryPlans.GetValueOrDefault((method.ServiceName, method.Name))
            ?? retryPlans.GetValueOrDefault((method.ServiceName, null))
            ?? retryPlans.GetValueOrDefault((null, null));
        return new MethodTarget(new Uri(address, method.FullName), method.FullName, plan);
    }

    internal Task<HttpResponseMessage> Invoke(HttpRequestMessage request, CancellationToken cancellationToken) => invoker is HttpClient client
        ? client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken)
        : invoker.SendAsync(request, cancellationToken);

    /// <summary>Whether requests may serve one call after another: a handler that was given may keep them, or change them in its own way.</summary>
    internal bool ReusesRequests => connectivity is not null && HttpVersion.Major == 2;

    /// <summary>Lists a call among those that run, and gives it what an earlier one left.</summary>
    internal CallParts Add(HttpCall call)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            call.Next = running;
            if (running is not null) running.Previous = call;
            running = call;
            return spares.TryPop(out var spare) ? spare : new CallParts();
        }
    }

    /// <summary>Takes a call off the list, and its parts back where they can serve another.</summary>
    internal void Remove(HttpCall call, CallParts? unused)
    {
        lock (gate)
        {
            if (unused is not null && spares.Count < MaxSpares) spares.Push(unused);
            if (call.Previous is not null) call.Previous.Next = call.Next;
            else if (running == call) running = call.Next;
            if (call.Next is not null) call.Next.Previous = call.Previous;
            call.Previous = call.Next = null;
        }
    }

    /// <summary>What generated clients make their calls with.</summary>
    public override CallInvoker CreateCallInvoker()
    {
        lock (gate) ObjectDisposedException.ThrowIf(disposed, this);
        return new HttpCallInvoker(this);
    }

    /// <summary>Whether the channel has a connection. Only for a channel that made its own HTTP handler.</summary>
    /// <exception cref="InvalidOperationException">The channel was given a handler or a client: its connections are not known.</exception>
    public ConnectivityState State => Known.State;

    /// <summary>Connects without a call, trying until it succeeds; the first call then finds the connection made.</summary>
    /// <inheritdoc cref="State" path="/exception"/>
    public Task ConnectAsync(CancellationToken cancellationToken = default) => Known.WarmUpAsync(cancellationToken);

    /// <summary>Done when <see cref="State"/> is another than <paramref name="lastObservedState"/>.</summary>
    /// <inheritdoc cref="State" path="/exception"/>
    public Task WaitForStateChangedAsync(ConnectivityState lastObservedState, CancellationToken cancellationToken = default) =>
        Known.WaitForChangeAsync(lastObservedState, cancellationToken);

    private Connectivity Known => connectivity
        ?? throw new InvalidOperationException("The channel was given its HTTP handler or client, so its connections are not known here.");

    /// <summary>Ends all calls of the channel and closes its connections.</summary>
    public void Dispose()
    {
        var calls = new List<HttpCall>();
        lock (gate)
        {
            if (disposed) return;
            disposed = true;
            for (var call = running; call is not null; call = call.Next) calls.Add(call);
        }
        foreach (var call in calls) call.Dispose();
        if (ownsInvoker) invoker.Dispose();
        connectivity?.Dispose();
    }

    /// <inheritdoc/>
    protected override Task ShutdownAsyncCore()
    {
        Dispose();
        return Task.CompletedTask;
    }
}

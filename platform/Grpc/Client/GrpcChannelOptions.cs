using Grpc.Core;
using Grpc.Net.Client.Configuration;
using Grpc.Net.Compression;
using Microsoft.Extensions.Logging;

namespace Grpc.Net.Client;

/// <summary>How a <see cref="GrpcChannel"/> reaches its server and what it allows.</summary>
public sealed class GrpcChannelOptions
{
    /// <summary>
    /// Credentials of the channel. They must fit the address: <see cref="ChannelCredentials.Insecure"/> for http,
    /// <see cref="ChannelCredentials.SecureSsl"/> for https. Null: as the address says.
    /// </summary>
    public ChannelCredentials? Credentials { get; set; }

    /// <summary>The longest message sent, in bytes; a longer one fails with RESOURCE_EXHAUSTED. Null (the default): no limit.</summary>
    public int? MaxSendMessageSize { get; set; }

    /// <summary>The longest message accepted, in bytes, unpacked; a longer one fails with RESOURCE_EXHAUSTED. Default 4 MiB; null: no limit.</summary>
    public int? MaxReceiveMessageSize { get; set; } = 4 * 1024 * 1024;

    /// <summary>Caps <see cref="RetryPolicy.MaxAttempts"/>. Default 5; null: no cap.</summary>
    public int? MaxRetryAttempts { get; set; } = 5;

    /// <summary>Bytes of sent messages all calls of the channel together may keep for retries. Past it a call is no longer retried. Default 16 MiB; null: no limit.</summary>
    public long? MaxRetryBufferSize { get; set; } = 16 * 1024 * 1024;

    /// <summary>Bytes of sent messages one call may keep for retries. Past it the call is no longer retried. Default 1 MiB; null: no limit.</summary>
    public long? MaxRetryBufferPerCallSize { get; set; } = 1024 * 1024;

    /// <summary>The message encodings of the channel; the first of a name wins. Null: gzip.</summary>
    public IList<ICompressionProvider>? CompressionProviders { get; set; }

    /// <summary>Where the channel logs. Null: taken from <see cref="ServiceProvider"/>, or nowhere.</summary>
    public ILoggerFactory? LoggerFactory { get; set; }

    /// <summary>The client that makes the HTTP calls. Excludes <see cref="HttpHandler"/>. Not disposed with the channel unless <see cref="DisposeHttpClient"/> is set.</summary>
    public HttpClient? HttpClient { get; set; }

    /// <summary>The handler that makes the HTTP calls. Excludes <see cref="HttpClient"/>. Not disposed with the channel unless <see cref="DisposeHttpClient"/> is set.</summary>
    public HttpMessageHandler? HttpHandler { get; set; }

    /// <summary>Whether <see cref="HttpClient"/> or <see cref="HttpHandler"/> is disposed with the channel. One that the channel made itself always is.</summary>
    public bool DisposeHttpClient { get; set; }

    /// <summary>Whether a cancelled call, or one past its deadline, throws <see cref="OperationCanceledException"/> instead of <see cref="RpcException"/>.</summary>
    public bool ThrowOperationCanceledOnCancellation { get; set; }

    /// <summary>Whether <see cref="CallCredentials"/> are used on a channel without TLS. Off, they are ignored there: they would travel in the clear.</summary>
    public bool UnsafeUseInsecureChannelCallCredentials { get; set; }

    /// <summary>Retry rules per method.</summary>
    public ServiceConfig? ServiceConfig { get; set; }

    /// <summary>Asked for an <see cref="ILoggerFactory"/> when <see cref="LoggerFactory"/> is null.</summary>
    public IServiceProvider? ServiceProvider { get; set; }

    /// <summary>The HTTP version of calls. Default 2.0.</summary>
    public Version? HttpVersion { get; set; }

    /// <summary>How <see cref="HttpVersion"/> is negotiated. Default <see cref="System.Net.Http.HttpVersionPolicy.RequestVersionExact"/>, so that http addresses need no switch.</summary>
    public HttpVersionPolicy? HttpVersionPolicy { get; set; }

    /// <summary>The first wait of a call that waits for a connection (<see cref="CallOptions.WithWaitForReady"/>), and of <see cref="GrpcChannel.ConnectAsync"/>; above zero. Default 1 s; it grows by 1.6 from try to try.</summary>
    public TimeSpan InitialReconnectBackoff
    {
        get;
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(value, TimeSpan.Zero);
            field = value;
        }
    } = TimeSpan.FromSeconds(1);

    /// <summary>The longest such wait; above zero. Default 120 s; null: no limit.</summary>
    public TimeSpan? MaxReconnectBackoff
    {
        get;
        set
        {
            if (value <= TimeSpan.Zero) throw new ArgumentOutOfRangeException(nameof(value), value, "must be above zero");
            field = value;
        }
    } = TimeSpan.FromSeconds(120);

    /// <summary>The clock of deadlines and waits: set by tests.</summary>
    internal TimeProvider TimeProvider { get; set; } = TimeProvider.System;
}

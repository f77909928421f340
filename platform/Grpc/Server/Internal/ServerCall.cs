using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Grpc.Core;
using Grpc.Core.Internal;
using Grpc.Net.Compression;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>One call on one HTTP request: what the handler sees as its context, and how its end becomes a status.</summary>
[SuppressMessage("Design", "CA1001", Justification = "EndAsync, with which every call ends, disposes the deadline.")]
internal sealed class ServerCall : ServerCallContext
{
    private const int CancelHttp2 = 0x8;
    private const int CancelHttp3 = 0x10c;

    private static readonly AuthContext Anonymous = new(null, []);

    private Metadata? requestHeaders;
    private Metadata? trailers;
    private AuthContext? authContext;
    private Status status;
    private Deadline? deadline;
    private ICompressionProvider? compression;
    private long started;
    private bool measured;
    private bool responded;

    public ServerCall(HttpContext http, MethodState state)
    {
        Http = http;
        State = state;
        Requests = new RequestReader(this, http.Request.BodyReader);
    }

    public HttpContext Http { get; }

    public MethodState State { get; }

    public RequestReader Requests { get; }

    /// <summary>Guards who may answer: the handler, or the deadline.</summary>
    public Lock Gate { get; } = new();

    /// <summary>Whether the deadline has answered, so that nothing more may be written. Read under <see cref="Gate"/> before writing.</summary>
    public bool Expired => deadline?.Expired ?? false;

    /// <summary>Whether data waits for the peer to make room.</summary>
    public bool Flushing { get; private set; }

    protected override string MethodCore => State.Method.FullName;

    protected override string HostCore => Http.Request.Host.Value ?? "";

    protected override string PeerCore
    {
        get
        {
            var (address, port) = (Http.Connection.RemoteIpAddress, Http.Connection.RemotePort);
            return address?.AddressFamily switch
            {
                null => "unknown",
                AddressFamily.InterNetwork => $"ipv4:{address}:{port}",
                AddressFamily.InterNetworkV6 => $"ipv6:[{address}]:{port}",
                _ => $"unknown:{address}:{port}",
            };
        }
    }

    protected override DateTime DeadlineCore => deadline?.Utc ?? DateTime.MaxValue;

    protected override Metadata RequestHeadersCore => requestHeaders ??= ReadHeaders();

    protected override CancellationToken CancellationTokenCore => deadline?.Token ?? Http.RequestAborted;

    protected override Metadata ResponseTrailersCore => trailers ??= [];

    protected override Status StatusCore { get => status; set => status = value; }

    protected override WriteOptions? WriteOptionsCore { get; set; }

    protected override AuthContext AuthContextCore => authContext ??= ReadAuthContext(Http.Connection.ClientCertificate);

    protected override IDictionary<object, object> UserStateCore => Http.Items!;

    /// <summary>Sets up headers, limits and the deadline.</summary>
    public void Start()
    {
        var metrics = State.Environment.Metrics;
        if (metrics.Enabled)
        {
            measured = true;
            started = State.Environment.Time.GetTimestamp();
            metrics.Started(State);
        }
        Http.Response.ContentType = GrpcProtocol.ContentType;
        LiftLimits();
        if (State.Settings.ResponseCompression is { } wanted && Accepts(wanted.EncodingName))
        {
            compression = wanted;
            Http.Response.Headers.GrpcEncoding = wanted.EncodingName;
        }
        var timeout = Http.Request.Headers.GrpcTimeout;
        if (timeout.Count == 0) return;
        if (timeout.Count > 1 || !GrpcProtocol.TryDecodeTimeout(timeout.ToString(), out var wait))
        {
            GrpcServerLog.InvalidTimeout(State.Logger, timeout.ToString());
            return;
        }
        deadline = new Deadline(this, State.Environment.Time, wait);
        deadline.Arm();
    }

    /// <summary>An error of the caller's message, as the exception that ends the call with it.</summary>
    public RpcException Refuse(StatusCode code, string detail, Exception? cause = null)
    {
        GrpcServerLog.MessageRefused(State.Logger, State.Method.FullName, detail, cause);
        if (cause is not null && State.Settings.DetailedErrors) detail = $"{detail} {cause.GetType().Name}: {cause.Message}";
        return new RpcException(new Status(code, detail, cause));
    }

    /// <summary>Writes the one response of a call without response stream; it leaves together with the trailers.</summary>
    public void Respond<T>(T? response, Action<T, SerializationContext> serializer) where T : class
    {
        if (response is null) throw new RpcException(new Status(StatusCode.Cancelled, "No message returned from method."));
        if (deadline is not null && !deadline.TryComplete()) return;
        // The response is not started here: headers, message and trailers then leave in one piece when the request ends. Even
        // what a failing marshaller left behind is a body, behind which the status belongs.
        responded = true;
        FrameSerializer.Write(response, serializer, Http.Response.BodyWriter, State.Settings.MaxSendSize, MessageCompression(), State.Settings.ResponseCompressionLevel);
    }

    /// <summary>Writes one message of a response stream, and waits for room for the next.</summary>
    public ValueTask WriteAsync<T>(T message, Action<T, SerializationContext> serializer, CancellationToken cancellationToken) where T : class
    {
        if (!Http.Response.HasStarted || cancellationToken.CanBeCanceled) return SlowAsync();
        var flush = SerializeAndFlush(message, serializer, cancellationToken);
        if (!flush.IsCompletedSuccessfully) return AwaitFlushAsync(flush);
        return default;

        async ValueTask SlowAsync()
        {
            // A message is half sent or not at all: to take one back, the call must be cancelled.
            using var registration = cancellationToken.UnsafeRegister(static call => ((ServerCall)call!).Reset(), this);
            if (!Http.Response.HasStarted)
            {
                Task start;
                lock (Gate)
                {
                    ThrowIfExpired();
                    start = Http.Response.StartAsync(CancellationToken.None);
                }
                await start.ConfigureAwait(false);
            }
            await AwaitFlushAsync(SerializeAndFlush(message, serializer, cancellationToken)).ConfigureAwait(false);
        }

        async ValueTask AwaitFlushAsync(ValueTask<System.IO.Pipelines.FlushResult> flush)
        {
            try
            {
                await flush.ConfigureAwait(false);
            }
            finally
            {
                Flushing = false;
            }
        }
    }

    /// <summary>Turns what a handler, or the reading of its request, threw into the call's status.</summary>
    public void Fail(Exception exception)
    {
        var method = State.Method.FullName;
        if (Expired)
        {
            GrpcServerLog.LateError(State.Logger, method, exception);
            return;
        }
        if (exception is RpcException refused)
        {
            GrpcServerLog.CallRefused(State.Logger, method, refused.StatusCode, refused.Status.Detail, refused.Status.DebugException);
            foreach (var entry in refused.Trailers) ResponseTrailers.Add(entry);
            status = refused.Status;
            return;
        }
        if (exception is OperationCanceledException or IOException && Http.RequestAborted.IsCancellationRequested)
        {
            GrpcServerLog.CallCancelled(State.Logger, method, exception);
            status = new Status(StatusCode.Cancelled, "The call was cancelled by the caller.", exception);
            return;
        }
        GrpcServerLog.HandlerFailed(State.Logger, method, exception);
        var detail = "Exception was thrown by handler.";
        if (State.Settings.DetailedErrors) detail += $" {exception.GetType().Name}: {exception.Message}";
        status = new Status(StatusCode.Unknown, detail, exception);
    }

    /// <summary>Sends the status, unless the deadline has; traces and counts the call.</summary>
    public ValueTask EndAsync()
    {
        Requests.Release();
        if (deadline is not null) return EndDeadlineAsync(deadline);
        WriteStatus(status);
        Account();
        return default;
    }

    private async ValueTask EndDeadlineAsync(Deadline ended)
    {
        if (ended.TryComplete()) WriteStatus(status);
        else status = new Status(StatusCode.DeadlineExceeded, "Deadline Exceeded");
        await ended.AnsweredAsync().ConfigureAwait(false);
        await ended.DisposeAsync().ConfigureAwait(false);
        Account();
    }

    private void Account()
    {
        Trace();
        if (measured) State.Environment.Metrics.Ended(State, status.StatusCode, State.Environment.Time.GetElapsedTime(started));
    }

    /// <summary>Puts trailers and status behind the response, or, where nothing was sent yet, into its headers.</summary>
    public void WriteStatus(Status result)
    {
        var response = Http.Response;
        var destination = response.HasStarted || responded
            ? Http.Features.Get<IHttpResponseTrailersFeature>()?.Trailers ?? throw new InvalidOperationException("Trailers are not supported for this response.")
            : response.Headers;
        if (trailers is not null && !Expired)
        {
            foreach (var entry in trailers)
            {
                if (IsSendable(entry))
                {
                    destination.Append(entry.Key, GrpcProtocol.EncodeValue(entry));
                    continue;
                }
                GrpcServerLog.InvalidTrailer(State.Logger, State.Method.FullName, entry.Key);
                if (result.StatusCode == StatusCode.OK) result = status = new Status(StatusCode.Internal, $"Trailer '{entry.Key}' has characters that cannot be sent.");
            }
        }
        HttpErrors.SetStatus(destination, result);
    }

    /// <summary>Resets the stream: the caller sees the call cancelled, the handler its token.</summary>
    public void Reset()
    {
        if (Http.Features.Get<IHttpResetFeature>() is { } reset) reset.Reset(HttpProtocol.IsHttp3(Http.Request.Protocol) ? CancelHttp3 : CancelHttp2);
        else Http.Abort();
    }

    protected override Task WriteResponseHeadersAsyncCore(Metadata responseHeaders)
    {
        ArgumentNullException.ThrowIfNull(responseHeaders);
        lock (Gate)
        {
            ThrowIfExpired();
            if (Http.Response.HasStarted) throw new InvalidOperationException("Response headers can only be sent once per call.");
            foreach (var entry in responseHeaders)
            {
                if (entry.Key == GrpcProtocol.InternalEncodingRequest)
                {
                    compression = entry.Value == GrpcProtocol.Identity ? null : State.Settings.Compression.GetValueOrDefault(entry.Value)
                        ?? throw new InvalidOperationException($"There is no compression provider for '{entry.Value}'.");
                    Http.Response.Headers.GrpcEncoding = entry.Value;
                    continue;
                }
                if (!IsSendable(entry)) throw new InvalidOperationException($"Error adding response header '{entry.Key}'.");
                Http.Response.Headers.Append(entry.Key, GrpcProtocol.EncodeValue(entry));
            }
        }
        return Http.Response.BodyWriter.FlushAsync(CancellationToken.None).AsTask();
    }

    protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options)
    {
        options ??= ContextPropagationOptions.Default;
        return new CallPropagationToken(
            options.IsPropagateDeadline ? deadline?.Utc : null, options.IsPropagateCancellation ? CancellationToken : CancellationToken.None);
    }

    /// <summary>HTTP/2 refuses, or would garble, anything but printable ASCII in a text value.</summary>
    private static bool IsSendable(Metadata.Entry entry) => entry.IsBinary || !entry.Value.AsSpan().ContainsAnyExceptInRange(' ', '~');

    private static bool IsTransportHeader(string key) => key.StartsWith(':') || key.ToLowerInvariant() is GrpcProtocol.Encoding or GrpcProtocol.AcceptEncoding
        or GrpcProtocol.Timeout or "content-encoding" or "content-type" or "te" or "host" or "accept-encoding";

    private static AuthContext ReadAuthContext(X509Certificate2? certificate)
    {
        if (certificate is null) return Anonymous;
        const string AlternativeName = "x509_subject_alternative_name", CommonName = "x509_common_name";
        var properties = new Dictionary<string, List<AuthProperty>>();
        var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(e => e.EnumerateDnsNames());
        foreach (var name in names) Add(AlternativeName, name);
        Add(CommonName, certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false));
        return new AuthContext(properties.ContainsKey(AlternativeName) ? AlternativeName : CommonName, properties);

        void Add(string key, string value)
        {
            if (!properties.TryGetValue(key, out var values)) properties[key] = values = [];
            values.Add(AuthProperty.Create(key, Encoding.UTF8.GetBytes(value)));
        }
    }

    private ValueTask<System.IO.Pipelines.FlushResult> SerializeAndFlush<T>(T message, Action<T, SerializationContext> serializer, CancellationToken cancellationToken)
    {
        lock (Gate)
        {
            ThrowIfExpired();
            var body = Http.Response.BodyWriter;
            FrameSerializer.Write(message, serializer, body, State.Settings.MaxSendSize, MessageCompression(), State.Settings.ResponseCompressionLevel);
            if (WriteOptionsCore is { } options && options.Flags.HasFlag(WriteFlags.BufferHint)) return default;
            var flush = body.FlushAsync(cancellationToken);
            Flushing = !flush.IsCompleted;
            return flush;
        }
    }

    private ICompressionProvider? MessageCompression() =>
        compression is not null && WriteOptionsCore is { } options && options.Flags.HasFlag(WriteFlags.NoCompress) ? null : compression;

    private void ThrowIfExpired()
    {
        if (Expired) throw new OperationCanceledException("The deadline has passed.", CancellationTokenCore);
    }

    private bool Accepts(string encoding)
    {
        foreach (var line in Http.Request.Headers.GrpcAcceptEncoding)
            foreach (var part in line.AsSpan().Split(','))
                if (line.AsSpan()[part].Trim().SequenceEqual(encoding)) return true;
        return false;
    }

    private Metadata ReadHeaders()
    {
        var metadata = new Metadata();
        foreach (var (key, values) in Http.Request.Headers)
        {
            if (IsTransportHeader(key)) continue;
            foreach (var value in values)
                if (!GrpcProtocol.AddReceived(metadata, key, value ?? "")) throw Refuse(StatusCode.Internal, $"Request header '{key}' is not valid base64.");
        }
        return metadata;
    }

    /// <summary>A stream may take any time and any size; what bounds a message is MaxReceiveMessageSize. A single request keeps to the server's limits too.</summary>
    private void LiftLimits()
    {
        if (State.StreamsRequests)
        {
            if (Http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size) size.MaxRequestBodySize = null;
        }
        if (State.StreamsRequests && Http.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate) rate.MinDataRate = null;
        if ((State.StreamsRequests || State.StreamsResponses) && Http.Features.Get<IHttpRequestTimeoutFeature>() is { } timeout
            && Http.GetEndpoint()?.Metadata.GetMetadata<RequestTimeoutAttribute>() is null) timeout.DisableTimeout();
    }

    private void Trace()
    {
        if (Activity.Current is null || Http.Features.Get<IHttpActivityFeature>()?.Activity is not { IsAllDataRequested: true } activity) return;
        activity.SetTag("rpc.system", "grpc");
        activity.SetTag("rpc.service", State.Method.ServiceName);
        activity.SetTag("rpc.method", State.Method.Name);
        activity.SetTag("rpc.grpc.status_code", State.Environment.Metrics.Code(status.StatusCode));
        // The server's fault, by OpenTelemetry's conventions; what is the caller's leaves the span as it is.
        if (status.StatusCode is StatusCode.Unknown or StatusCode.DeadlineExceeded or StatusCode.Unimplemented or StatusCode.Internal or StatusCode.Unavailable or StatusCode.DataLoss)
            activity.SetStatus(ActivityStatusCode.Error, status.Detail);
    }
}

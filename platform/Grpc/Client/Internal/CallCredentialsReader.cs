using Grpc.Core;

namespace Grpc.Net.Client.Internal;

/// <summary>Takes credentials apart into the interceptors that make their metadata.</summary>
internal sealed class CallCredentialsReader : CallCredentialsConfiguratorBase
{
    private readonly List<AsyncAuthInterceptor> interceptors = [];

    private CallCredentialsReader() { }

    public static List<AsyncAuthInterceptor> Read(CallCredentials? call, IReadOnlyList<CallCredentials> channel)
    {
        var reader = new CallCredentialsReader();
        call?.InternalPopulateConfiguration(reader, null);
        foreach (var credentials in channel) credentials.InternalPopulateConfiguration(reader, null);
        return reader.interceptors;
    }

    public override void SetCompositeCredentials(object? state, IReadOnlyList<CallCredentials> credentials)
    {
        foreach (var part in credentials) part.InternalPopulateConfiguration(this, null);
    }

    public override void SetAsyncAuthInterceptorCredentials(object? state, AsyncAuthInterceptor interceptor) => interceptors.Add(interceptor);
}

/// <summary>Takes a channel's credentials apart: TLS or not, and what each call adds.</summary>
internal sealed class ChannelCredentialsReader(bool allowInsecure) : ChannelCredentialsConfiguratorBase
{
    public bool IsSecure { get; private set; }

    public List<CallCredentials> CallCredentials { get; } = [];

    public override void SetInsecureCredentials(object state) => IsSecure = false;

    public override void SetSslCredentials(object state, string? rootCertificates, KeyCertificatePair? keyCertificatePair, VerifyPeerCallback? verifyPeerCallback)
    {
        if (!string.IsNullOrEmpty(rootCertificates) || keyCertificatePair is not null || verifyPeerCallback is not null)
            throw new InvalidOperationException("SslCredentials with non-null arguments is not supported by GrpcChannel. Configure the handler's SslOptions instead.");
        IsSecure = true;
    }

    public override void SetCompositeCredentials(object state, ChannelCredentials channelCredentials, CallCredentials callCredentials)
    {
        channelCredentials.InternalPopulateConfiguration(this, state);
        if (!IsSecure && !allowInsecure)
            throw new InvalidOperationException("CallCredentials can't be composed with InsecureCredentials. Set UnsafeUseInsecureChannelCallCredentials to send them without TLS.");
        CallCredentials.Add(callCredentials);
    }
}

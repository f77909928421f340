namespace Vigil.Client;

/// <summary>Where Vigil is and who is asking.</summary>
public sealed record VigilClientOptions
{
    /// <summary>The Metrics service's gRPC endpoint. Default: http://127.0.0.1:4317.</summary>
    public Uri MetricsAddress { get; init; } = new("http://127.0.0.1:4317");

    /// <summary>The Alerting service's gRPC endpoint. Default: http://127.0.0.1:6102.</summary>
    public Uri AlertingAddress { get; init; } = new("http://127.0.0.1:6102");

    /// <summary>
    /// The bearer token that every call carries, or null for none. Pushing needs the scope "ingest", everything that reads needs
    /// "read".
    /// </summary>
    public string? Token { get; init; }

    /// <summary>How long nothing may come on a connection before it is pinged, at least 1 s. Default 30 s.</summary>
    public TimeSpan KeepAlivePingDelay { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long the answer may take, at least 1 s, before the connection is given up: its calls fail then, and a pusher reconnects. Default
    /// 10 s: with <see cref="KeepAlivePingDelay"/>, a network that died without a word is found within 40 s, also where nothing is to be sent.
    /// </summary>
    public TimeSpan KeepAlivePingTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The clock of reconnects and of samples recorded without a time.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;
}

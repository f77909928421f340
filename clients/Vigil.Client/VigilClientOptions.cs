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

    /// <summary>The clock of reconnects and of samples recorded without a time.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;
}

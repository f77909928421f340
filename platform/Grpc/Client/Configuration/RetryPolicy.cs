using Grpc.Core;

namespace Grpc.Net.Client.Configuration;

/// <summary>
/// When a failed call is made again (gRPC proposal A6). A call is retried only while no response headers have come, so the
/// caller never sees two answers; whether the method may run twice on the server is for the caller to know.
/// </summary>
public sealed class RetryPolicy
{
    /// <summary>How often a call is tried in all, the first time included; from 2. The channel's <see cref="GrpcChannelOptions.MaxRetryAttempts"/> caps it.</summary>
    public int? MaxAttempts { get; set; }

    /// <summary>The longest wait before the second attempt; above zero. Each wait is a random share of its longest.</summary>
    public TimeSpan? InitialBackoff { get; set; }

    /// <summary>What the longest wait never grows past; above zero.</summary>
    public TimeSpan? MaxBackoff { get; set; }

    /// <summary>By how much the longest wait grows from attempt to attempt; above zero.</summary>
    public double? BackoffMultiplier { get; set; }

    /// <summary>The statuses worth another attempt; at least one.</summary>
    public IList<StatusCode> RetryableStatusCodes { get; } = [];
}

/// <summary>
/// Stops retries while the server fails too often (gRPC proposal A6): each failure takes a token, each success gives back
/// <see cref="TokenRatio"/>; at half of <see cref="MaxTokens"/> or less nothing is retried.
/// </summary>
public sealed class RetryThrottlingPolicy
{
    /// <summary>Tokens at the start, and at most; 1 to 1000.</summary>
    public int? MaxTokens { get; set; }

    /// <summary>Tokens given back by a success; above zero.</summary>
    public double? TokenRatio { get; set; }
}

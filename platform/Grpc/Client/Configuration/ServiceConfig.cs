namespace Grpc.Net.Client.Configuration;

/// <summary>What a channel does for a service's methods without being asked at each call: which are retried, and when.</summary>
public sealed class ServiceConfig
{
    /// <summary>Rules per method. The most specific name wins: method, then service, then <see cref="MethodName.Default"/>.</summary>
    public IList<MethodConfig> MethodConfigs { get; } = [];

    /// <summary>Stops retries while too many calls of the channel fail. Null: never.</summary>
    public RetryThrottlingPolicy? RetryThrottling { get; set; }
}

/// <summary>The rules for the methods in <see cref="Names"/>.</summary>
public sealed class MethodConfig
{
    /// <summary>The methods these rules are for. A name may stand in one <see cref="MethodConfig"/> of a channel only.</summary>
    public IList<MethodName> Names { get; } = [];

    /// <summary>How calls of these methods are retried. Null: not at all.</summary>
    public RetryPolicy? RetryPolicy { get; set; }
}

/// <summary>Names one method, all methods of a service (no <see cref="Method"/>), or everything (neither).</summary>
public sealed class MethodName
{
    /// <summary>Every method of every service.</summary>
    public static readonly MethodName Default = new();

    /// <summary>The full name of the service with its package, such as <c>vigil.metrics.v1.MetricsQuery</c>; case matters.</summary>
    public string? Service { get; set; }

    /// <summary>The method's name; needs <see cref="Service"/>.</summary>
    public string? Method { get; set; }
}

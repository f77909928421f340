namespace Vigil.ServiceDefaults;

/// <summary>Section <c>Channels</c>: the gRPC channels to other services.</summary>
public sealed class ChannelOptions : IValidatedOptions
{
    /// <summary>Section name.</summary>
    public const string Section = "Channels";

    /// <summary>How long nothing may come on a connection before it is pinged, 1 s to 1 hour. Default 30 s.</summary>
    public TimeSpan KeepAlivePingDelay { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long the answer may take before the connection is given up and its calls end with UNAVAILABLE, 1 s to 1 hour. Default 10 s: with
    /// <see cref="KeepAlivePingDelay"/>, a peer that vanished without closing is found within 40 s, also under a silent stream.
    /// </summary>
    public TimeSpan KeepAlivePingTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <inheritdoc />
    public IEnumerable<OptionFault> Validate()
    {
        if (!KeepAlive.IsAllowed(KeepAlivePingDelay)) yield return new(nameof(KeepAlivePingDelay), KeepAlivePingDelay, KeepAlive.Allowed);
        if (!KeepAlive.IsAllowed(KeepAlivePingTimeout)) yield return new(nameof(KeepAlivePingTimeout), KeepAlivePingTimeout, KeepAlive.Allowed);
    }
}

/// <summary>What is allowed of keep-alive pings, whoever sends them.</summary>
internal static class KeepAlive
{
    public const string Allowed = "00:00:01 to 01:00:00";

    public static bool IsAllowed(TimeSpan time) => time >= TimeSpan.FromSeconds(1) && time <= TimeSpan.FromHours(1);
}

namespace Vigil.ServiceDefaults;

/// <summary>What a service is, and the ports it takes when configuration names no others.</summary>
/// <param name="Name">Lower-case name, e.g. <c>metrics</c>: also the database's name and the value of <c>service.name</c> after <c>vigil-</c>.</param>
/// <param name="GrpcPort">Default gRPC port.</param>
/// <param name="HttpPort">Default HTTP port.</param>
public sealed record ServiceIdentity(string Name, int GrpcPort, int HttpPort)
{
    /// <summary><c>service.name</c> in telemetry, e.g. <c>vigil-metrics</c>.</summary>
    public string TelemetryName => "vigil-" + Name;

    /// <summary>Version of the running program.</summary>
    public string Version { get; } = typeof(ServiceIdentity).Assembly.GetName().Version?.ToString(3) ?? "0";
}

using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Vigil.ServiceDefaults;

/// <summary>Section <c>Listen</c>: where the service listens.</summary>
public sealed class EndpointOptions : IValidatedOptions
{
    /// <summary>Section name.</summary>
    public const string Section = "Listen";

    /// <summary>IP address; <c>0.0.0.0</c> or <c>::</c> for all. Default 127.0.0.1.</summary>
    public string Address { get; set; } = "127.0.0.1";

    /// <summary>gRPC port, 0 for any free one. Default: the service's own.</summary>
    public int? GrpcPort { get; set; }

    /// <summary>HTTP port, 0 for any free one. Default: the service's own.</summary>
    public int? HttpPort { get; set; }

    /// <summary>Further ports that answer as the HTTP port does, at most 8: for callers who expect a protocol on its default port, such as OTLP/HTTP on 4318. None by default.</summary>
    public int[] MoreHttpPorts { get; set; } = [];

    /// <summary>TLS; plain text when no certificate is named.</summary>
    public TlsOptions Tls { get; set; } = new();

    /// <summary>Open connections on both ports together, 10 to 1,000,000. Default 10,000.</summary>
    public long MaxConnections { get; set; } = 10_000;

    /// <summary>Bytes of one HTTP request's body (gRPC messages have their own limit), 1 KiB to 1 GiB. Default 32 MiB.</summary>
    public long MaxRequestBytes { get; set; } = 32 << 20;

    /// <summary>How long calls in progress may go on after a request to stop, 0 to 5 minutes. Default 10 s.</summary>
    public TimeSpan ShutdownTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long nothing may come on an HTTP/2 connection before the caller is pinged, 1 s to 1 hour. Default 30 s.</summary>
    public TimeSpan KeepAlivePingDelay { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long the answer may take before the connection is closed and its calls are cancelled, 1 s to 1 hour. Default 20 s. Callers that
    /// vanished without closing are found by it, whose streams would otherwise hold memory for hours.
    /// </summary>
    public TimeSpan KeepAlivePingTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <inheritdoc />
    public IEnumerable<OptionFault> Validate()
    {
        if (!IPAddress.TryParse(Address, out _)) yield return new(nameof(Address), Address, "an IP address, e.g. 127.0.0.1, 0.0.0.0 or ::");
        if (GrpcPort is < 0 or > 65535) yield return new(nameof(GrpcPort), GrpcPort, "0 to 65535");
        if (HttpPort is < 0 or > 65535) yield return new(nameof(HttpPort), HttpPort, "0 to 65535");
        if (GrpcPort is > 0 && GrpcPort == HttpPort) yield return new(nameof(HttpPort), HttpPort, $"another port than {Section}:{nameof(GrpcPort)}");
        if (MoreHttpPorts.Length > 8) yield return new(nameof(MoreHttpPorts), MoreHttpPorts.Length, "at most 8 ports");
        foreach (var port in MoreHttpPorts)
        {
            if (port is < 0 or > 65535) yield return new(nameof(MoreHttpPorts), port, "0 to 65535");
            else if (port > 0 && (port == GrpcPort || port == HttpPort || MoreHttpPorts.Count(p => p == port) > 1)) yield return new(nameof(MoreHttpPorts), port, "ports that nothing else listens on");
        }
        if (MaxConnections is < 10 or > 1_000_000) yield return new(nameof(MaxConnections), MaxConnections, "10 to 1000000");
        if (MaxRequestBytes is < 1024 or > 1 << 30) yield return new(nameof(MaxRequestBytes), MaxRequestBytes, "1024 to 1073741824");
        if (ShutdownTimeout < TimeSpan.Zero || ShutdownTimeout > TimeSpan.FromMinutes(5)) yield return new(nameof(ShutdownTimeout), ShutdownTimeout, "00:00:00 to 00:05:00");
        if (!KeepAlive.IsAllowed(KeepAlivePingDelay)) yield return new(nameof(KeepAlivePingDelay), KeepAlivePingDelay, KeepAlive.Allowed);
        if (!KeepAlive.IsAllowed(KeepAlivePingTimeout)) yield return new(nameof(KeepAlivePingTimeout), KeepAlivePingTimeout, KeepAlive.Allowed);
        foreach (var fault in Tls.Validate()) yield return fault with { Property = $"{nameof(Tls)}.{fault.Property}" };
    }
}

/// <summary>Section <c>Listen:Tls</c>.</summary>
public sealed class TlsOptions
{
    /// <summary>PEM file with the certificate, and the chain after it.</summary>
    public string? CertificatePath { get; set; }

    /// <summary>PEM file with the private key; the certificate's own file when not set.</summary>
    public string? KeyPath { get; set; }

    /// <summary>PEM file with the authorities of client certificates. When set, every client must show one.</summary>
    public string? ClientCaPath { get; set; }

    private string? Unreadable(string name, string path)
    {
        try
        {
            if (name == nameof(CertificatePath)) X509Certificate2.CreateFromPemFile(path, KeyPath).Dispose();
            else if (name == nameof(ClientCaPath)) new X509Certificate2Collection().ImportFromPemFile(path);
            return null;
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            return name == nameof(CertificatePath) ? $"a PEM certificate with its key in it or in KeyPath ({e.Message})" : $"PEM certificates ({e.Message})";
        }
    }

    internal IEnumerable<OptionFault> Validate()
    {
        if (CertificatePath is null && (KeyPath ?? ClientCaPath) is not null)
            yield return new(nameof(CertificatePath), null, "a PEM file, when KeyPath or ClientCaPath is set");
        foreach (var (name, path) in new[] { (nameof(CertificatePath), CertificatePath), (nameof(KeyPath), KeyPath), (nameof(ClientCaPath), ClientCaPath) })
        {
            if (path is null) continue;
            if (!File.Exists(path)) yield return new(name, path, "a file that exists and can be read");
            else if (Unreadable(name, path) is { } why) yield return new(name, path, why);
        }
    }
}

using System.Diagnostics.CodeAnalysis;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Metrics.Scrape;

/// <summary>What TLS takes.</summary>
/// <param name="InsecureSkipVerify">Any certificate will do.</param>
/// <param name="ServerName">The name that it must be for, where it is not the address'; null otherwise.</param>
/// <param name="CaFile">PEM file of the authorities that are trusted instead of the machine's; null otherwise.</param>
/// <param name="CertFile">PEM file of the certificate that is shown to servers; null for none.</param>
/// <param name="KeyFile">PEM file of its private key.</param>
/// <param name="Protocols">The versions that are spoken.</param>
internal sealed record TlsSettings(
    bool InsecureSkipVerify = false, string? ServerName = null, string? CaFile = null, string? CertFile = null, string? KeyFile = null, SslProtocols Protocols = SslProtocols.None)
{
    private static readonly (string Name, SslProtocols Protocol)[] Versions =
    [
#pragma warning disable CA5397, SYSLIB0039 // Old versions are spoken only where the configuration says so, by Prometheus' own words.
        ("TLS10", SslProtocols.Tls), ("TLS11", SslProtocols.Tls11), ("TLS12", SslProtocols.Tls12), ("TLS13", SslProtocols.Tls13),
#pragma warning restore CA5397, SYSLIB0039
    ];

    /// <summary>Reads <c>tls_config</c>, where there is one.</summary>
    /// <param name="entry">The job.</param>
    /// <param name="folder">Paths are relative to it.</param>
    public static TlsSettings Read(YamlMap entry, string folder)
    {
        if (entry.Map("tls_config") is not { } tls) return new TlsSettings();
        var settings = new TlsSettings(tls.Flag("insecure_skip_verify") ?? false, tls.Text("server_name"), ScrapeFile.PathOf(tls.Text("ca_file"), folder),
            ScrapeFile.PathOf(tls.Text("cert_file"), folder), ScrapeFile.PathOf(tls.Text("key_file"), folder), ReadProtocols(tls));
        if ((settings.CertFile is null) != (settings.KeyFile is null)) tls.Error(settings.CertFile is null ? "key_file" : "cert_file", "needs 'cert_file' and 'key_file', both of them");
        else if (settings.CertFile is not null) Check(tls, "cert_file", () => settings.Certificate().Dispose());
        if (settings.CaFile is not null) Check(tls, "ca_file", () => settings.Authorities());
        tls.RefuseUnknown();
        return settings;
    }

    /// <summary>The same for a connection. The client's certificate is read again for each: what renews it need not tell.</summary>
    [SuppressMessage("Security", "CA5359", Justification = "Only where the configuration says insecure_skip_verify, Prometheus' own key.")]
    public SslClientAuthenticationOptions ToOptions()
    {
        var options = new SslClientAuthenticationOptions { TargetHost = ServerName, EnabledSslProtocols = Protocols };
        if (InsecureSkipVerify) options.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
        if (CertFile is not null) options.LocalCertificateSelectionCallback = (_, _, _, _, _) => Certificate();
        if (CaFile is null) return options;
        options.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        options.CertificateChainPolicy.CustomTrustStore.AddRange(Authorities());
        return options;
    }

    /// <summary>
    /// Has a request ask for <see cref="ServerName"/>. HTTP clients here take the name that they ask for in TLS, and that the certificate must be for, from the header Host or the address,
    /// whatever the options of the connection say.
    /// </summary>
    public void Name(HttpRequestMessage request)
    {
        if (ServerName is not null && request.RequestUri is { Scheme: "https" } url) request.Headers.Host ??= $"{ServerName}:{url.Port}";
    }

    private X509Certificate2 Certificate() => X509Certificate2.CreateFromPemFile(CertFile!, KeyFile);

    private X509Certificate2Collection Authorities()
    {
        var trusted = new X509Certificate2Collection();
        trusted.ImportFromPemFile(CaFile!);
        return trusted;
    }

    private static void Check(YamlMap tls, string key, Action read)
    {
        try
        {
            read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            tls.Error(key, $"cannot be read: {e.Message}");
        }
    }

    private static SslProtocols ReadProtocols(YamlMap tls)
    {
        var (lowest, highest) = (Version(tls, "min_version"), Version(tls, "max_version"));
        if (lowest is null && highest is null) return SslProtocols.None;
        if (lowest > highest) tls.Error("max_version", "is below 'min_version'");
        // Below 1.2 nothing is spoken that nobody asked for.
        return Versions.Where((_, i) => i >= (lowest ?? Math.Min(2, highest ?? 2)) && i <= (highest ?? Versions.Length - 1)).Aggregate(SslProtocols.None, (all, v) => all | v.Protocol);
    }

    private static int? Version(YamlMap tls, string key)
    {
        if (tls.Text(key) is not { } text) return null;
        var at = Array.FindIndex(Versions, v => v.Name == text);
        if (at >= 0) return at;
        tls.Error(key, $"'{text}' is none of {string.Join(", ", Versions.Select(v => v.Name))}");
        return null;
    }
}

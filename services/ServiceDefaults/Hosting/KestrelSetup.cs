using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Vigil.ServiceDefaults;

/// <summary>Two listeners: one for gRPC (HTTP/2 without negotiation, so that plain text works) and one for everything else.</summary>
internal static class KestrelSetup
{
    public static void AddListeners(this WebApplicationBuilder builder, ServiceIdentity identity)
    {
        builder.Services.AddValidatedOptions<EndpointOptions>(EndpointOptions.Section);
        // The host asks for this before the options are checked; a bad value is reported there, not here.
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout =
            TimeSpan.TryParse(builder.Configuration[$"{EndpointOptions.Section}:{nameof(EndpointOptions.ShutdownTimeout)}"], CultureInfo.InvariantCulture, out var timeout) && timeout >= TimeSpan.Zero
                ? timeout
                : new EndpointOptions().ShutdownTimeout);
        builder.Services.AddSingleton<ConnectionDrain>();
        builder.Services.AddSingleton<IStartupFilter>(services => services.GetRequiredService<ConnectionDrain>());
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.Services.AddOptions<KestrelServerOptions>().Configure<IOptions<EndpointOptions>, ConnectionDrain>((kestrel, endpoints, drain) =>
        {
            try
            {
                Configure(kestrel, endpoints.Value, identity, drain);
            }
            catch (OptionsValidationException)
            {
                // The server is made while the host is built, where a throw would be a crash. The options are checked again at start, before
                // anything listens, and the fault is told there.
            }
        });
    }

    private static void Configure(KestrelServerOptions kestrel, EndpointOptions endpoints, ServiceIdentity identity, ConnectionDrain drain)
    {
        kestrel.AddServerHeader = false;
        var limits = kestrel.Limits;
        limits.MaxConcurrentConnections = endpoints.MaxConnections;
        limits.MaxRequestBodySize = endpoints.MaxRequestBytes;
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
        limits.KeepAliveTimeout = TimeSpan.FromMinutes(2);
        limits.Http2.MaxStreamsPerConnection = 1000;
        limits.Http2.InitialStreamWindowSize = 1 << 20;
        limits.Http2.InitialConnectionWindowSize = 4 << 20;
        limits.Http2.KeepAlivePingDelay = endpoints.KeepAlivePingDelay;
        limits.Http2.KeepAlivePingTimeout = endpoints.KeepAlivePingTimeout;

        var address = IPAddress.Parse(endpoints.Address);
        var tls = Tls(endpoints.Tls);
        kestrel.Listen(address, endpoints.GrpcPort ?? identity.GrpcPort, listen =>
        {
            listen.Use(drain.Watch);
            listen.Protocols = HttpProtocols.Http2;
            if (tls is not null) listen.UseHttps(tls);
        });
        foreach (var port in endpoints.MoreHttpPorts.Prepend(endpoints.HttpPort ?? identity.HttpPort))
        {
            kestrel.Listen(address, port, listen =>
            {
                listen.Use(drain.Watch);
                // Without TLS there is nothing to negotiate HTTP/2 with.
                listen.Protocols = tls is null ? HttpProtocols.Http1 : HttpProtocols.Http1AndHttp2;
                if (tls is not null) listen.UseHttps(tls);
            });
        }
    }

    private static HttpsConnectionAdapterOptions? Tls(TlsOptions options)
    {
        if (options.CertificatePath is null) return null;
        var https = new HttpsConnectionAdapterOptions();
        https.ServerCertificate = X509Certificate2.CreateFromPemFile(options.CertificatePath, options.KeyPath);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(options.CertificatePath);
        chain.RemoveAt(0);
        https.ServerCertificateChain = chain;
        if (options.ClientCaPath is not null)
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(options.ClientCaPath);
            https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
            https.ClientCertificateValidation = (certificate, _, _) => IsSignedBy(certificate, authorities);
        }
        return https;
    }

    private static bool IsSignedBy(X509Certificate2 certificate, X509Certificate2Collection authorities)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.2")); // client authentication
        return chain.Build(certificate);
    }
}

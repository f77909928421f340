using System.Diagnostics.CodeAnalysis;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Vigil.Metrics.Scrape;

namespace Vigil.Metrics.Probes;

/// <summary>Looks at the certificates that a server shows while TLS decides about them: when the first of them ends is told also where they are refused.</summary>
internal sealed class CertificateWatch(TlsSettings settings, TimeProvider clock)
{
    private DateTime? earliest;

    /// <summary>TLS as configured, watched.</summary>
    /// <param name="host">The name that the certificate must be for, unless the configuration says another.</param>
    [SuppressMessage("Security", "CA5359", Justification = "What .NET found is the answer, except where the configuration says insecure_skip_verify.")]
    public SslClientAuthenticationOptions Options(string? host)
    {
        var options = settings.ToOptions();
        options.TargetHost ??= host;
        options.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
        {
            if (certificate is X509Certificate2 own) Note(own);
            foreach (var element in chain?.ChainElements ?? Enumerable.Empty<X509ChainElement>()) Note(element.Certificate);
            return settings.InsecureSkipVerify || errors == SslPolicyErrors.None;
        };
        return options;
    }

    /// <summary>Adds what was seen, if any.</summary>
    public void Report(List<ProbeSample> found)
    {
        if (earliest is not { } end) return;
        found.Add(new ProbeSample("probe_ssl_earliest_cert_expiry", new DateTimeOffset(end).ToUnixTimeSeconds()));
        found.Add(new ProbeSample("probe_certificate_days_left", (end - clock.GetUtcNow().UtcDateTime).TotalDays));
    }

    private void Note(X509Certificate2 certificate)
    {
        var end = certificate.NotAfter.ToUniversalTime();
        if (earliest is null || end < earliest) earliest = end;
    }
}

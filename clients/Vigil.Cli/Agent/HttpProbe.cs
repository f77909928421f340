using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Vigil.Client;
using Vigil.Metrics.V1;

namespace Vigil.Cli.Agent;

/// <summary>A URL to ask again and again, and the service it stands for.</summary>
/// <param name="Url">http or https.</param>
/// <param name="Job">The label job of its series.</param>
internal sealed record ProbeTarget(Uri Url, string Job)
{
    /// <summary>Reads <c>URL</c> or <c>URL=JOB</c>; null where it is neither. The job is the host name by default.</summary>
    public static ProbeTarget? Parse(string text)
    {
        // A job has no slash, so that the '=' of a query string is not taken for the separator.
        var split = text.LastIndexOf('=');
        var hasJob = split > 0 && split < text.Length - 1 && !text[(split + 1)..].Contains('/', StringComparison.Ordinal) && text.IndexOf('?', StringComparison.Ordinal) is var q && (q < 0 || text.IndexOf('=', q) < split);
        var url = ConnectionOptions.TryAddress(hasJob ? text[..split] : text);
        return url is null ? null : new ProbeTarget(url, hasJob ? text[(split + 1)..] : url.Host);
    }
}

/// <summary>What one probe found.</summary>
/// <param name="Success">An answer with a status below 400 came in time.</param>
/// <param name="Seconds">From the start to the end of the body.</param>
/// <param name="StatusCode">0 where no answer came.</param>
/// <param name="CertificateDaysLeft">Until the server's certificate ends, negative afterwards; null without TLS.</param>
/// <param name="Failure">Why it failed; null on success.</param>
internal sealed record ProbeResult(bool Success, double Seconds, int StatusCode, double? CertificateDaysLeft, string? Failure);

/// <summary>
/// Probes one URL over a connection of its own each time, so that a probe meets what a new user would meet: DNS, TCP, TLS and the answer.
/// </summary>
internal sealed class HttpProbe(ProbeTarget target, TimeSpan timeout, TimeProvider time)
{
    private const int MaxBody = 10 * 1024 * 1024;

    [SuppressMessage("Security", "CA5359", Justification = "A certificate that is not valid fails the probe below; its days are still reported.")]
    public async Task<ProbeResult> ProbeAsync(CancellationToken cancellationToken)
    {
        double? daysLeft = null;
        var certificateErrors = SslPolicyErrors.None;
        using var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = true,
            MaxAutomaticRedirections = 5,
            PooledConnectionLifetime = TimeSpan.Zero,
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
                {
                    if (certificate is X509Certificate2 c) daysLeft = (c.NotAfter.ToUniversalTime() - time.GetUtcNow().UtcDateTime).TotalDays;
                    certificateErrors |= errors;
                    return true;
                },
            },
        };
        using var client = new HttpClient(handler) { MaxResponseContentBufferSize = MaxBody };
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        using var request = new HttpRequestMessage(HttpMethod.Get, target.Url);
        request.Headers.UserAgent.ParseAdd("vigil-agent");
        var start = time.GetTimestamp();
        try
        {
            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseContentRead, limit.Token).ConfigureAwait(false);
            var status = (int)response.StatusCode;
            var failure = status >= (int)HttpStatusCode.BadRequest ? $"status {status}"
                : certificateErrors != SslPolicyErrors.None ? $"certificate: {certificateErrors}"
                : null;
            return new ProbeResult(failure is null, Elapsed(), status, daysLeft, failure);
        }
        catch (HttpRequestException e)
        {
            return new ProbeResult(false, Elapsed(), 0, daysLeft, e.Message);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new ProbeResult(false, Elapsed(), 0, daysLeft, $"no answer within {timeout.TotalSeconds:0.#} s");
        }

        double Elapsed() => time.GetElapsedTime(start).TotalSeconds;
    }
}

/// <summary>Records the results of one target's probes.</summary>
internal sealed class ProbeSeries
{
    private readonly MetricsPusher pusher;
    private readonly SeriesHandle success, up, duration, status;
    private readonly Lazy<SeriesHandle> certificate;

    public ProbeSeries(MetricsPusher pusher, ProbeTarget target)
    {
        this.pusher = pusher;
        KeyValuePair<string, string>[] labels = [KeyValuePair.Create("job", target.Job), KeyValuePair.Create("instance", target.Url.ToString())];
        success = pusher.Declare("probe_success", labels, SeriesKind.Gauge, "1", "1 when the last probe was answered with a status below 400 in time.");
        up = pusher.Declare("up", labels, SeriesKind.Gauge, "1", "1 when the service could be reached.");
        duration = pusher.Declare("probe_duration_seconds", labels, SeriesKind.Gauge, "s", "How long the probe took.");
        status = pusher.Declare("probe_http_status_code", labels, SeriesKind.Gauge, "1", "Status of the answer; 0 without one.");
        certificate = new Lazy<SeriesHandle>(() => pusher.Declare("probe_certificate_days_left", labels, SeriesKind.Gauge, "d", "Days until the server's certificate ends."));
    }

    public void Record(ProbeResult result, DateTimeOffset now)
    {
        pusher.Record(success, result.Success ? 1 : 0, now);
        pusher.Record(up, result.Success ? 1 : 0, now);
        pusher.Record(duration, result.Seconds, now);
        pusher.Record(status, result.StatusCode, now);
        if (result.CertificateDaysLeft is { } days) pusher.Record(certificate.Value, days, now);
    }
}

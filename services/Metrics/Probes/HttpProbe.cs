using System.Globalization;
using System.Net;
using System.Text;
using Vigil.Metrics.Scrape;

namespace Vigil.Metrics.Probes;

/// <summary>Asks a URL, and looks at status, body and certificate.</summary>
internal static class HttpProbe
{
    private const int MaxBody = 10 * 1024 * 1024;
    private const int MaxRedirects = 10;

    public static async Task RunAsync(ScrapeTarget target, HttpProbeSettings settings, List<ProbeSample> found, TimeProvider clock, CancellationToken ct)
    {
        var watch = new CertificateWatch(target.Job.Tls, clock);
        using var handler = new SocketsHttpHandler
        {
            // Followed below, where they are counted.
            AllowAutoRedirect = false,
            PooledConnectionLifetime = TimeSpan.Zero,
            AutomaticDecompression = DecompressionMethods.All,
            UseProxy = false,
            UseCookies = false,
            SslOptions = watch.Options(null),
        };
        using var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan, MaxResponseContentBufferSize = MaxBody };
        var url = new Uri(target.Address);
        var redirects = 0;
        var status = 0;
        try
        {
            while (true)
            {
                using var request = await RequestAsync(url, settings, ct).ConfigureAwait(false);
                // Not of servers that it sends us to.
                if (redirects == 0) target.Job.Tls.Name(request);
                using var response = await client.SendAsync(request, HttpCompletionOption.ResponseContentRead, ct).ConfigureAwait(false);
                status = (int)response.StatusCode;
                if (settings.FollowRedirects && status is 301 or 302 or 303 or 307 or 308 && response.Headers.Location is { } location)
                {
                    if (++redirects > MaxRedirects) throw new ProbeException($"more than {MaxRedirects} redirections");
                    var next = new Uri(url, location);
                    if (next.Scheme is not ("http" or "https")) throw new ProbeException($"redirected to {next.Scheme}:");
                    // Who asks is shown only to the server that was named.
                    if (next.Host != url.Host || next.Port != url.Port) settings = settings with { Auth = null };
                    url = next;
                    continue;
                }
                await JudgeAsync(response, url, settings, found, ct).ConfigureAwait(false);
                return;
            }
        }
        finally
        {
            found.Add(new ProbeSample("probe_http_status_code", status));
            found.Add(new ProbeSample("probe_http_redirects", redirects));
            found.Add(new ProbeSample("probe_http_ssl", url.Scheme == "https" && status > 0 ? 1 : 0));
            watch.Report(found);
        }
    }

    private static async Task<HttpRequestMessage> RequestAsync(Uri url, HttpProbeSettings settings, CancellationToken ct)
    {
        var request = new HttpRequestMessage(new HttpMethod(settings.Method), url);
        request.Headers.TryAddWithoutValidation("User-Agent", "Vigil");
        if (settings.Body is { } body) request.Content = new StringContent(body, Encoding.UTF8);
        foreach (var (name, value) in settings.Headers)
        {
            if (request.Headers.TryAddWithoutValidation(name, value)) continue;
            request.Content?.Headers.Remove(name);
            request.Content?.Headers.TryAddWithoutValidation(name, value);
        }
        request.Headers.Authorization ??= await PageFetcher.AuthorizeAsync(settings.Auth, ct).ConfigureAwait(false);
        return request;
    }

    private static async Task JudgeAsync(HttpResponseMessage response, Uri url, HttpProbeSettings settings, List<ProbeSample> found, CancellationToken ct)
    {
        var status = (int)response.StatusCode;
        var body = await response.Content.ReadAsByteArrayAsync(ct).ConfigureAwait(false);
        found.Add(new ProbeSample("probe_http_content_length", response.Content.Headers.ContentLength ?? -1));
        found.Add(new ProbeSample("probe_http_uncompressed_body_length", body.Length));
        found.Add(new ProbeSample("probe_http_version", double.Parse(response.Version.ToString(2), CultureInfo.InvariantCulture)));
        var failed = BodyFault(body, settings);
        if (settings.BodyMustMatch.Count + settings.BodyMustNotMatch.Count > 0) found.Add(new ProbeSample("probe_failed_due_to_regex", failed is null ? 0 : 1));
        var valid = settings.ValidStatusCodes.Count == 0 ? status is >= 200 and < 300 : settings.ValidStatusCodes.Contains(status);
        if (!valid) throw new ProbeException($"status {status}");
        if (settings.FailIfNotTls && url.Scheme != "https") throw new ProbeException("the answer did not come over TLS");
        if (failed is not null) throw new ProbeException(failed);
    }

    private static string? BodyFault(byte[] body, HttpProbeSettings settings)
    {
        if (settings.BodyMustMatch.Count + settings.BodyMustNotMatch.Count == 0) return null;
        var text = Encoding.UTF8.GetString(body);
        if (settings.BodyMustMatch.FirstOrDefault(p => !p.IsMatch(text)) is not null) return "the body does not match fail_if_body_not_matches_regexp";
        return settings.BodyMustNotMatch.FirstOrDefault(p => p.IsMatch(text)) is not null ? "the body matches fail_if_body_matches_regexp" : null;
    }
}

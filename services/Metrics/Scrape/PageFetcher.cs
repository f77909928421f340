using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Vigil.Metrics.Api;
using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Metrics.Scrape;

/// <summary>What fetching a page came to.</summary>
/// <param name="Error">Why there is none; null where there is.</param>
/// <param name="Fault">The same for the counter.</param>
/// <param name="Format">Its format.</param>
internal readonly record struct FetchedPage(string? Error, ScrapeFault Fault, PageFormat Format);

/// <summary>Fetches pages of metrics.</summary>
internal static class PageFetcher
{
    private const int ChunkBytes = 16 * 1024;

    /// <summary>
    /// A client for one job. Connections live on between scrapes. It is not disposed when the job changes: a scrape under way would fail for no
    /// fault of the target, and idle connections end by themselves.
    /// </summary>
    public static HttpClient CreateClient(TargetJob job) => new(new SocketsHttpHandler
    {
        AllowAutoRedirect = job.FollowRedirects,
        MaxAutomaticRedirections = 10,
        AutomaticDecompression = job.Compression ? DecompressionMethods.GZip : DecompressionMethods.None,
        PooledConnectionIdleTimeout = TimeSpan.FromMinutes(2),
        UseCookies = false,
        UseProxy = false,
        SslOptions = job.Tls.ToOptions(),
    })
    { Timeout = Timeout.InfiniteTimeSpan };

    /// <summary>The header that shows who asks; null for nobody.</summary>
    /// <exception cref="IOException">A file with a secret cannot be read.</exception>
    public static async Task<AuthenticationHeaderValue?> AuthorizeAsync(HttpAuth? auth, CancellationToken ct)
    {
        if (auth is null) return null;
        var file = auth.PasswordFile ?? auth.CredentialsFile;
        var secret = file is null ? auth.Password ?? auth.Credentials ?? "" : (await File.ReadAllTextAsync(file, ct).ConfigureAwait(false)).Trim();
        return auth.User is null ? new AuthenticationHeaderValue(auth.Scheme, secret) : new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{auth.User}:{secret}")));
    }

    /// <summary>Fetches a target's page.</summary>
    /// <param name="target">Whose.</param>
    /// <param name="client">Its job's.</param>
    /// <param name="maxBytes">What a page may have, unpacked, where the job allows no less: <see cref="ScrapeOptions.MaxScrapeBytes"/>.</param>
    /// <param name="body">Takes the page.</param>
    /// <param name="clock">Measures the target's timeout.</param>
    public static async Task<FetchedPage> FetchAsync(ScrapeTarget target, HttpClient client, long maxBytes, PooledBytes body, TimeProvider clock)
    {
        using var timeout = new CancellationTokenSource(target.Timeout, clock);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, target.Address);
            request.Headers.TryAddWithoutValidation("Accept", target.Job.Protocols.Accept);
            request.Headers.TryAddWithoutValidation("User-Agent", "Vigil");
            request.Headers.TryAddWithoutValidation("X-Prometheus-Scrape-Timeout-Seconds", target.Timeout.TotalSeconds.ToString(System.Globalization.CultureInfo.InvariantCulture));
            target.Job.Tls.Name(request);
            request.Headers.Authorization = await AuthorizeAsync(target.Job.Auth, timeout.Token).ConfigureAwait(false);
            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, timeout.Token).ConfigureAwait(false);
            if (response.StatusCode != HttpStatusCode.OK) return new($"server returned HTTP status {(int)response.StatusCode} {response.ReasonPhrase}", ScrapeFault.Status, default);
            await using var stream = await response.Content.ReadAsStreamAsync(timeout.Token).ConfigureAwait(false);
            var (limit, key) = target.Job.Limits.BodyBytes is > 0 and var own && own <= maxBytes ? (own, "body_size_limit") : (maxBytes, $"Metrics:{nameof(ScrapeOptions.MaxScrapeBytes)}");
            if (!await ReadAsync(stream, body, limit, timeout.Token).ConfigureAwait(false)) return new($"the body is larger than {limit} bytes ({key})", ScrapeFault.TooLarge, default);
            return new(null, ScrapeFault.None, PageProtocols.FormatOf(response.Content.Headers.ContentType));
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested)
        {
            return new($"no answer within {PrometheusDuration.Format(target.Timeout)}", ScrapeFault.Timeout, default);
        }
        // InvalidDataException: what should be gzip is none.
        catch (Exception e) when (e is HttpRequestException or IOException or InvalidDataException or UnauthorizedAccessException)
        {
            return new(Plain(e), e is InvalidDataException ? ScrapeFault.Malformed : ScrapeFault.Unreachable, default);
        }
    }

    /// <summary>The failure's own words and those of what caused it.</summary>
    public static string Plain(Exception e) => e.InnerException is { } inner && !e.Message.Contains(inner.Message, StringComparison.Ordinal) ? $"{e.Message} {Plain(inner)}" : e.Message;

    // False where there is more than that.
    private static async Task<bool> ReadAsync(Stream stream, PooledBytes body, long maxBytes, CancellationToken ct)
    {
        var chunk = System.Buffers.ArrayPool<byte>.Shared.Rent(ChunkBytes);
        try
        {
            while (await stream.ReadAsync(chunk, ct).ConfigureAwait(false) is > 0 and var length)
            {
                if (body.Length + length > maxBytes) return false;
                chunk.AsSpan(0, length).CopyTo(body.Extend(length));
            }
            return true;
        }
        finally
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(chunk);
        }
    }
}

using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting.Runtime;

/// <summary>Asks a resource's health endpoints.</summary>
internal sealed class HealthProbe : IDisposable
{
    private readonly HttpClient client = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, ConnectTimeout = TimeSpan.FromSeconds(1) }) { Timeout = TimeSpan.FromSeconds(2) };

    /// <summary>The URLs that tell of one replica, each with the status that means healthy.</summary>
    public static IReadOnlyList<(Uri Url, int Status)> UrlsOf(IResource resource, int replica) =>
        [.. resource.Annotations.OfType<HttpHealthAnnotation>().Select(check =>
        {
            var endpoints = resource.Annotations.OfType<EndpointAnnotation>();
            var endpoint = (check.EndpointName is { } name ? endpoints.FirstOrDefault(e => string.Equals(e.Name, name, StringComparison.OrdinalIgnoreCase)) : endpoints.FirstOrDefault(e => e.UriScheme == "http"))
                ?? throw new DistributedApplicationException($"the health check of '{resource.Name}' needs the endpoint '{check.EndpointName ?? "http"}', which is not declared");
            return (new Uri(endpoint.Allocated[replica].UriString + check.Path), check.StatusCode);
        })];

    /// <summary>Null where all is well, else what is wrong.</summary>
    public async Task<string?> AskAsync(IReadOnlyList<(Uri Url, int Status)> checks, CancellationToken cancellationToken)
    {
        foreach (var (url, status) in checks)
        {
            try
            {
                using var response = await client.GetAsync(url, cancellationToken).ConfigureAwait(false);
                if ((int)response.StatusCode == status) continue;
                var body = await response.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false);
                return $"{url} answers {(int)response.StatusCode}: {(body.Length > 200 ? body[..200] + "..." : body).ReplaceLineEndings(" ").Trim()}";
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !cancellationToken.IsCancellationRequested)
            {
                return $"{url}: {e.InnerException?.Message ?? e.Message}";
            }
        }
        return null;
    }

    public void Dispose() => client.Dispose();
}

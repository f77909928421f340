using System.Net;
using System.Net.Http.Headers;

namespace Vigil.Alerting.Notify;

/// <summary>Posts each page to an address, in Alertmanager's format, with its idempotency key as a header.</summary>
internal sealed class WebhookChannel : IChannel
{
    private readonly HttpClient http;
    private readonly WebhookOptions options;
    private readonly Uri url;
    private readonly string externalUrl;
    private readonly TimeProvider clock;

    public WebhookChannel(string name, WebhookOptions options, HttpClient http, string externalUrl, TimeProvider clock)
    {
        Name = name;
        this.options = options;
        this.http = http;
        this.externalUrl = externalUrl;
        this.clock = clock;
        url = new Uri(options.Url);
        Severities = [.. options.Severities];
        // The path of a webhook often is its secret.
        Target = url.GetLeftPart(UriPartial.Authority);
        if (url.UserInfo.Length > 0) Target = $"{url.Scheme}://{url.Authority[(url.Authority.IndexOf('@') + 1)..]}";
    }

    public string Name { get; }

    public string Kind => "webhook";

    public string Target { get; }

    public IReadOnlyCollection<string> Severities { get; }

    public async Task<SendResult> SendAsync(Page page, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, url);
        request.Content = new ReadOnlyMemoryContent(WebhookPayload.Body(page, Name, externalUrl));
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.UserAgent.Add(new ProductInfoHeaderValue("Vigil", "0.1"));
        request.Headers.Add("Idempotency-Key", page.IdempotencyKey);
        foreach (var (name, value) in options.Headers) request.Headers.TryAddWithoutValidation(name, value);
        using var timeout = new CancellationTokenSource(options.Timeout, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(ct, timeout.Token);
        try
        {
            // The answer's body is of no interest, and may never end.
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, both.Token).ConfigureAwait(false);
            return Judge(response);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return SendResult.Retry("timeout", $"no answer within {options.Timeout.TotalSeconds:0.###} s");
        }
        catch (HttpRequestException e)
        {
            return SendResult.Retry("connection", e.Message);
        }
    }

    /// <summary>Trying again helps against overload and outages, not against a request that the other side does not want.</summary>
    private SendResult Judge(HttpResponseMessage response)
    {
        if (response.IsSuccessStatusCode) return SendResult.Ok;
        var status = (int)response.StatusCode;
        var detail = $"answered {status} {response.ReasonPhrase}";
        var retryable = response.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout || status >= 500;
        if (!retryable) return SendResult.Refused($"status_{status}", detail);
        var after = response.Headers.RetryAfter switch
        {
            { Delta: { } delta } => delta,
            { Date: { } date } => date - clock.GetUtcNow(),
            _ => (TimeSpan?)null,
        };
        return SendResult.Retry($"status_{status}", detail, after);
    }
}

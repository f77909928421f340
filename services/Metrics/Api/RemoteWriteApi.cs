using System.Globalization;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>
/// The way in for Prometheus: remote write 1.0 and 2.0, <c>POST /api/v1/write</c>. 204: all of it is durable. 400: what the body names must not be sent
/// again, all else is durable. 5xx: to be sent again; what of it is stored is recognised then. Senders drop what is answered with 429, so that limits which pass are 503.
/// </summary>
internal sealed class RemoteWriteApi(
    SeriesCache cache, SeriesRouter router, SeriesRules rules, StreamLimits limits, IOptions<MetricsOptions> settings, TimeProvider clock, MetricsInstruments instruments)
{
    private const int RetryAfterSeconds = 5;

    private readonly MetricsOptions options = settings.Value;

    /// <summary>Maps the endpoint.</summary>
    public static void Map(IEndpointRouteBuilder endpoints)
    {
        var api = ActivatorUtilities.CreateInstance<RemoteWriteApi>(endpoints.ServiceProvider);
        endpoints.MapPost("/api/v1/write", api.WriteAsync).RequireScope(Scope.Ingest);
    }

    private async Task WriteAsync(HttpContext context)
    {
        var (status, reason, message) = (StatusCodes.Status204NoContent, "", "");
        WriteOutcome? outcome = null;
        var version2 = false;
        try
        {
            using var place = limits.EnterWrite();
            var format = FormatOf(context.Request);
            version2 = format.HasSymbols;
            using var packed = await RequestBody.ReadAsync(context.Request, options.MaxBodyBytes, context.RequestAborted).ConfigureAwait(false);
            using var body = RequestBody.Unsnap(packed, options.MaxBodyBytes);
            outcome = await StoreAsync(body, format).ConfigureAwait(false);
            if (outcome.Refused > 0) (status, message) = (StatusCodes.Status400BadRequest, $"{outcome.Refused} of {outcome.Refused + outcome.Samples + outcome.Histograms} samples are refused and must not be sent again: {outcome.Message}");
        }
        catch (BodyException e)
        {
            (status, reason, message) = (e.Status, e.Reason, e.Message);
        }
        catch (RefusalException e)
        {
            (status, reason, message) = (StatusCodes.Status503ServiceUnavailable, RefusalStatus.Reason(e.Refusal.Kind), e.Message);
        }
        if (reason.Length > 0) instruments.RefuseRequest(Door.RemoteWrite, reason);
        await AnswerAsync(context.Response, status, message, version2, outcome).ConfigureAwait(false);
    }

    private async Task<WriteOutcome> StoreAsync(PooledBytes body, RemoteWriteFormat format)
    {
        var request = new RemoteWriteRequest(body.Segment, format, cache);
        if (!request.TryParse()) throw new BodyException(StatusCodes.Status400BadRequest, "malformed", "the body is no message of the content type's kind");
        var now = clock.GetUtcNow();
        var session = new RemoteWriteSession(request, cache, router, rules, options, instruments, now.ToUnixTimeMilliseconds() * 1000 + now.Microsecond);
        await session.StoreAsync().ConfigureAwait(false);
        return session.Outcome;
    }

    private static RemoteWriteFormat FormatOf(HttpRequest request)
    {
        if (!MediaTypeHeaderValue.TryParse(request.ContentType, out var type) || !type.MediaType.Equals("application/x-protobuf", StringComparison.OrdinalIgnoreCase))
            throw Unsupported("content_type", $"content type \"{request.ContentType}\": application/x-protobuf is needed");
        var encoding = request.Headers.ContentEncoding.ToString();
        if (encoding.Length > 0 && !encoding.Equals("snappy", StringComparison.OrdinalIgnoreCase)) throw Unsupported("content_encoding", $"content encoding \"{encoding}\": snappy is needed");
        var proto = type.Parameters.FirstOrDefault(p => p.Name.Equals("proto", StringComparison.OrdinalIgnoreCase))?.Value.ToString() ?? "prometheus.WriteRequest";
        return HeaderUtilities.RemoveQuotes(proto).ToString() switch
        {
            "prometheus.WriteRequest" => RemoteWriteFormat.V1,
            "io.prometheus.write.v2.Request" => RemoteWriteFormat.V2,
            _ => throw Unsupported("content_type", $"message {proto}: prometheus.WriteRequest or io.prometheus.write.v2.Request is needed"),
        };
    }

    private static BodyException Unsupported(string reason, string message) => new(StatusCodes.Status415UnsupportedMediaType, reason, message);

    private static async Task AnswerAsync(HttpResponse response, int status, string message, bool version2, WriteOutcome? outcome)
    {
        response.StatusCode = status;
        if (status == StatusCodes.Status503ServiceUnavailable) response.Headers.RetryAfter = RetryAfterSeconds.ToString(CultureInfo.InvariantCulture);
        // Senders of 2.0 take an answer without them for that of a receiver of 1.0.
        if (version2)
        {
            response.Headers["X-Prometheus-Remote-Write-Samples-Written"] = (outcome?.Samples ?? 0).ToString(CultureInfo.InvariantCulture);
            response.Headers["X-Prometheus-Remote-Write-Histograms-Written"] = (outcome?.Histograms ?? 0).ToString(CultureInfo.InvariantCulture);
            response.Headers["X-Prometheus-Remote-Write-Exemplars-Written"] = "0";
        }
        if (message.Length == 0) return;
        response.ContentType = "text/plain; charset=utf-8";
        await response.WriteAsync(message).ConfigureAwait(false);
    }
}

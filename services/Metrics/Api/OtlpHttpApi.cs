using System.Globalization;
using System.Text;
using Google.Protobuf;
using Google.Rpc;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;
using OpenTelemetry.Proto.Collector.Metrics.V1;
using Vigil.Metrics.Grains;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>
/// The way in for OpenTelemetry over HTTP: <c>POST /v1/metrics</c>, protobuf or JSON, plain or gzip. Answers and errors come in the request's own format;
/// an error is a google.rpc.Status, and exporters send again what was answered with 429, 502, 503 or 504.
/// </summary>
/// <remarks>Format: <see href="https://opentelemetry.io/docs/specs/otlp/#otlphttp"/>.</remarks>
internal sealed class OtlpHttpApi(OtlpIntake intake, StreamLimits limits, IOptions<MetricsOptions> settings, MetricsInstruments instruments)
{
    private const int RetryAfterSeconds = 5;

    // Receivers ignore what they do not know. The depth is the binary parser's too.
    private static readonly JsonParser Json = new(JsonParser.Settings.Default.WithIgnoreUnknownFields(true));

    private readonly int maxBytes = settings.Value.MaxBodyBytes;

    /// <summary>Maps the endpoint.</summary>
    public static void Map(IEndpointRouteBuilder endpoints)
    {
        var api = ActivatorUtilities.CreateInstance<OtlpHttpApi>(endpoints.ServiceProvider);
        endpoints.MapPost("/v1/metrics", api.ExportAsync).RequireScope(Scope.Ingest).WithErrorFormat(OtlpErrorFormat.Instance);
    }

    private async Task ExportAsync(HttpContext context)
    {
        EdgeError error;
        try
        {
            using var place = limits.EnterWrite();
            using var sent = await RequestBody.ReadAsync(context.Request, maxBytes, context.RequestAborted).ConfigureAwait(false);
            var response = await intake.TakeAsync(Read(context.Request, sent)).ConfigureAwait(false);
            await OtlpErrorFormat.WriteAsync(context, response).ConfigureAwait(false);
            return;
        }
        catch (BodyException e)
        {
            error = new EdgeError(Grpc.Core.StatusCode.InvalidArgument, e.Status, e.Reason, e.Message, []);
        }
        catch (RefusalException e)
        {
            error = EdgeError.From(e.Refusal);
        }
        instruments.RefuseRequest(Door.Otlp, error.Reason);
        context.Response.StatusCode = error.Http;
        if (error.Http is StatusCodes.Status429TooManyRequests or StatusCodes.Status503ServiceUnavailable)
            context.Response.Headers.RetryAfter = RetryAfterSeconds.ToString(CultureInfo.InvariantCulture);
        await OtlpErrorFormat.Instance.WriteAsync(context, error).ConfigureAwait(false);
    }

    private ExportMetricsServiceRequest Read(HttpRequest request, PooledBytes sent)
    {
        if (OtlpErrorFormat.FormatOf(request) is not { } json)
            throw new BodyException(StatusCodes.Status415UnsupportedMediaType, "content_type", $"content type \"{request.ContentType}\": application/x-protobuf or application/json is needed");
        switch (request.Headers.ContentEncoding.ToString().ToLowerInvariant())
        {
            case "" or "identity":
                return Parse(sent, json);
            case "gzip":
                using (var body = RequestBody.Gunzip(sent, maxBytes)) return Parse(body, json);
            case var other:
                throw new BodyException(StatusCodes.Status415UnsupportedMediaType, "content_encoding", $"content encoding \"{other}\": gzip or none is needed");
        }
    }

    private static ExportMetricsServiceRequest Parse(PooledBytes body, bool json)
    {
        try
        {
            return json ? Json.Parse<ExportMetricsServiceRequest>(Encoding.UTF8.GetString(body.Span)) : ExportMetricsServiceRequest.Parser.ParseFrom(body.Span);
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or InvalidJsonException)
        {
            throw new BodyException(StatusCodes.Status400BadRequest, "malformed", $"the body is no ExportMetricsServiceRequest: {e.Message}");
        }
    }
}

/// <summary>Answers of OTLP/HTTP: in JSON to those who sent JSON, in protobuf to all others.</summary>
internal sealed class OtlpErrorFormat : IHttpErrorFormat
{
    public static readonly OtlpErrorFormat Instance = new();

    public Task WriteAsync(HttpContext context, EdgeError error) => WriteAsync(context, new Google.Rpc.Status { Code = (int)error.Grpc, Message = error.Message });

    /// <summary>True for JSON, false for protobuf, null for anything else.</summary>
    public static bool? FormatOf(HttpRequest request)
    {
        if (!MediaTypeHeaderValue.TryParse(request.ContentType, out var type)) return null;
        if (type.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase)) return true;
        return type.MediaType.Equals("application/x-protobuf", StringComparison.OrdinalIgnoreCase) ? false : null;
    }

    /// <summary>Writes a message; the status is set already.</summary>
    public static async Task WriteAsync(HttpContext context, IMessage message)
    {
        var json = FormatOf(context.Request) == true;
        var bytes = json ? Encoding.UTF8.GetBytes(JsonFormatter.Default.Format(message)) : message.ToByteArray();
        context.Response.ContentType = json ? "application/json" : "application/x-protobuf";
        context.Response.ContentLength = bytes.Length;
        await context.Response.Body.WriteAsync(bytes, context.RequestAborted).ConfigureAwait(false);
    }
}

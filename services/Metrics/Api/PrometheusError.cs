using System.Text.Json;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>An error of the Prometheus API: what is thrown in it ends as <c>{"status":"error","errorType":...,"error":...}</c>.</summary>
/// <param name="status">HTTP status.</param>
/// <param name="type">Prometheus' error type: bad_data, execution, timeout, canceled, internal, not_found, unavailable.</param>
/// <param name="message">For the caller.</param>
internal sealed class PrometheusException(int status, string type, string message) : Exception(message)
{
    /// <summary>HTTP status.</summary>
    public int Status { get; } = status;

    /// <summary>Prometheus' error type.</summary>
    public string Type { get; } = type;

    public static PrometheusException BadData(string message) => new(StatusCodes.Status400BadRequest, "bad_data", message);

    public static PrometheusException BadParameter(string name, string message) => BadData($"invalid parameter \"{name}\": {message}");

    public static PrometheusException Execution(string message) => new(StatusCodes.Status422UnprocessableEntity, "execution", message);

    public static PrometheusException TimedOut() => new(StatusCodes.Status503ServiceUnavailable, "timeout", "query timed out in expression evaluation");

    /// <summary>What a refusal of the layers below is in this API's terms.</summary>
    public static PrometheusException From(Refusal refusal) => refusal.Kind switch
    {
        RefusalKind.InvalidArgument => BadData(refusal.Message),
        RefusalKind.Timeout => new(StatusCodes.Status503ServiceUnavailable, "timeout", refusal.Message),
        RefusalKind.Unavailable => new(StatusCodes.Status503ServiceUnavailable, "unavailable", refusal.Message),
        RefusalKind.NotFound => new(StatusCodes.Status404NotFound, "not_found", refusal.Message),
        _ => Execution(refusal.Message),
    };
}

/// <summary>Errors that never reach the API's own code, such as a missing token, in the API's form.</summary>
internal sealed class PrometheusErrorFormat : IHttpErrorFormat
{
    public static readonly PrometheusErrorFormat Instance = new();

    public Task WriteAsync(HttpContext context, EdgeError error) => WriteAsync(context, error.Http switch
    {
        400 => "bad_data",
        404 => "not_found",
        422 => "execution",
        503 => "unavailable",
        500 => "internal",
        _ => error.Reason,
    }, error.Message);

    public static async Task WriteAsync(HttpContext context, string type, string message)
    {
        context.Response.ContentType = "application/json";
        await using var json = new Utf8JsonWriter(context.Response.BodyWriter, PrometheusJson.Options);
        json.WriteStartObject();
        json.WriteString("status", "error");
        json.WriteString("errorType", type);
        json.WriteString("error", message);
        json.WriteEndObject();
    }
}

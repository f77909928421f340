using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Vigil.ServiceDefaults;

/// <summary>How the errors of some HTTP endpoints look, where they are not RFC 9457 problems: e.g. those of the Prometheus API.</summary>
public interface IHttpErrorFormat
{
    /// <summary>Writes the body (and its content type); the status is set already.</summary>
    Task WriteAsync(HttpContext context, EdgeError error);
}

/// <summary>Error formats on endpoints.</summary>
public static class HttpErrorFormatExtensions
{
    /// <summary>Writes the errors of these endpoints, also missing tokens, in a format of their own.</summary>
    public static TBuilder WithErrorFormat<TBuilder>(this TBuilder builder, IHttpErrorFormat format) where TBuilder : IEndpointConventionBuilder
    {
        builder.Add(endpoint => endpoint.Metadata.Add(format));
        return builder;
    }
}

/// <summary>Writes an error in the caller's protocol.</summary>
internal static class EdgeErrors
{
    public static bool IsGrpc(HttpContext context) =>
        context.Request.ContentType?.StartsWith("application/grpc", StringComparison.OrdinalIgnoreCase) ?? false;

    public static Task WriteAsync(HttpContext context, EdgeError error)
    {
        if (IsGrpc(context))
        {
            // "Trailers-Only" of the gRPC protocol: an empty body, and the status among the headers.
            context.Response.StatusCode = StatusCodes.Status200OK;
            context.Response.ContentType = "application/grpc";
            context.Response.Headers["grpc-status"] = ((int)error.Grpc).ToString(CultureInfo.InvariantCulture);
            context.Response.Headers["grpc-message"] = PercentEncode(error.Message);
            return Task.CompletedTask;
        }
        context.Response.StatusCode = error.Http;
        context.Response.Headers.CacheControl = "no-store";
        return context.GetEndpoint()?.Metadata.GetMetadata<IHttpErrorFormat>() is { } format ? format.WriteAsync(context, error) : WriteProblemAsync(context, error);
    }

    private static async Task WriteProblemAsync(HttpContext context, EdgeError error)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("title", error.Reason);
            json.WriteNumber("status", error.Http);
            json.WriteString("detail", error.Message);
            if (error.Id is not null) json.WriteString("errorId", error.Id);
            if (error.Fields.Count > 0)
            {
                json.WriteStartArray("errors");
                foreach (var field in error.Fields)
                {
                    json.WriteStartObject();
                    json.WriteString("field", field.Field);
                    json.WriteString("detail", field.Description);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
            }
            json.WriteEndObject();
        }
        context.Response.ContentType = "application/problem+json";
        await context.Response.Body.WriteAsync(buffer.GetBuffer().AsMemory(0, (int)buffer.Length), context.RequestAborted).ConfigureAwait(false);
    }

    // Percent-encoding of grpc-message: everything but printable ASCII, and the percent sign, as %XX of its UTF-8 bytes.
    private static string PercentEncode(string message)
    {
        var encoded = new StringBuilder(message.Length);
        foreach (var b in Encoding.UTF8.GetBytes(message))
        {
            if (b is >= 0x20 and <= 0x7E and not (byte)'%') encoded.Append((char)b);
            else encoded.Append(CultureInfo.InvariantCulture, $"%{b:X2}");
        }
        return encoded.ToString();
    }
}

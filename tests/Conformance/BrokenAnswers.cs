using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Vigil.Conformance;

/// <summary>Responses that no gRPC server should send, by name.</summary>
public static class BrokenAnswers
{
    public static async Task WriteAsync(HttpContext context)
    {
        var response = context.Response;
        response.ContentType = "application/grpc";
        var what = (string?)context.Request.RouteValues["what"];
        byte[] body = what switch
        {
            "flag" => [7, 0, 0, 0, 0],
            "length" => [0, 0x10, 0, 0, 0],
            "truncated" => [0, 0, 0, 0, 9, 1, 2],
            "protobuf" => [0, 0, 0, 0, 3, 0xff, 0xff, 0xff],
            "packed" => [1, 0, 0, 0, 3, 1, 2, 3],
            "twice" => [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            _ => [],
        };
        switch (what)
        {
            case "html":
                response.ContentType = "text/html";
                await response.WriteAsync("<html>");
                return;
            case "404" or "401" or "403" or "503":
                response.StatusCode = int.Parse(what, System.Globalization.CultureInfo.InvariantCulture);
                return;
            case "reset":
                context.Features.GetRequiredFeature<IHttpResetFeature>().Reset(0x7);
                return;
            case "cancel":
                context.Features.GetRequiredFeature<IHttpResetFeature>().Reset(0x8);
                return;
            case "calm":
                context.Features.GetRequiredFeature<IHttpResetFeature>().Reset(0xb);
                return;
        }
        await response.BodyWriter.WriteAsync(body);
        if (what != "nostatus") response.AppendTrailer("grpc-status", what == "number" ? "abc" : what == "unknown" ? "77" : "0");
    }
}

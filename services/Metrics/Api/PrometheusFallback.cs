using Microsoft.AspNetCore.Routing.Template;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>
/// What the Prometheus API answers where it has no endpoint, or none for the method, and what browsers ask before they let a page send a token. Needs no token:
/// a caller who may read is not to be told that an unknown address needs one.
/// </summary>
internal sealed class PrometheusFallback(PrometheusCors cors, EndpointDataSource endpoints)
{
    private const string Root = "/api/v1/";

    /// <summary>Maps all addresses that no other endpoint has.</summary>
    public void Map(IEndpointRouteBuilder builder) => builder.Map(Root + "{**path}", AnswerAsync).WithoutToken();

    private Task AnswerAsync(HttpContext context)
    {
        if (HttpMethods.IsOptions(context.Request.Method)) return cors.PreflightAsync(context);
        var methods = MethodsAt(context.Request.Path);
        context.Response.ContentType = "text/plain; charset=utf-8";
        if (methods.Count == 0)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return context.Response.WriteAsync("404 page not found\n", context.RequestAborted);
        }
        context.Response.Headers.Allow = string.Join(", ", methods.Append(HttpMethods.Options).Order(StringComparer.Ordinal));
        context.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
        return context.Response.WriteAsync("Method Not Allowed\n", context.RequestAborted);
    }

    /// <summary>The HTTP methods that the endpoints at a path take.</summary>
    private HashSet<string> MethodsAt(PathString path)
    {
        var found = new HashSet<string>(StringComparer.Ordinal);
        foreach (var endpoint in endpoints.Endpoints.OfType<RouteEndpoint>())
        {
            if (endpoint.RoutePattern.RawText is not { } pattern || !pattern.StartsWith(Root, StringComparison.Ordinal)
                || endpoint.Metadata.GetMetadata<HttpMethodMetadata>() is not { } methods) continue;
            if (new TemplateMatcher(TemplateParser.Parse(pattern), []).TryMatch(path, [])) found.UnionWith(methods.HttpMethods);
        }
        return found;
    }
}

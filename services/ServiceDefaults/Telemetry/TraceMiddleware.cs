using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace Vigil.ServiceDefaults;

/// <summary>
/// Names the server's spans, which ASP.NET Core leaves bare, by OpenTelemetry's semantic conventions for HTTP. The query is left out: it
/// may hold what does not belong into traces.
/// </summary>
internal sealed class TraceMiddleware(RequestDelegate next)
{
    public Task InvokeAsync(HttpContext context) =>
        context.Features.Get<IHttpActivityFeature>()?.Activity is { IsAllDataRequested: true } activity ? TracedAsync(context, activity) : next(context);

    private async Task TracedAsync(HttpContext context, Activity activity)
    {
        var route = (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText;
        activity.DisplayName = route is null ? context.Request.Method : $"{context.Request.Method} {route}";
        activity.SetTag("http.request.method", context.Request.Method);
        activity.SetTag("url.path", context.Request.Path.Value);
        if (route is not null) activity.SetTag("http.route", route);
        if (EdgeErrors.IsGrpc(context)) activity.SetTag("rpc.system", "grpc");
        await next(context).ConfigureAwait(false);
        activity.SetTag("http.response.status_code", context.Response.StatusCode);
        if (context.Response.StatusCode >= 500) activity.SetStatus(ActivityStatusCode.Error);
    }
}

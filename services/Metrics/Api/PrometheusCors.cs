using System.Text.RegularExpressions;
using Microsoft.Extensions.Options;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>
/// Lets web pages of other origins read answers, as Prometheus does (util/httputil/cors.go), with one difference: where no token is needed on this machine,
/// any page that somebody opens on it could read all metrics, so that such answers are for pages from this machine only.
/// </summary>
internal sealed class PrometheusCors(IOptions<MetricsOptions> options)
{
    private readonly string pattern = options.Value.CorsOrigin;
    private readonly Regex origins = new($"^(?:{options.Value.CorsOrigin})$", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);

    /// <summary>Adds the headers.</summary>
    public void Apply(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers.Append("Vary", "Origin");
        var origin = context.Request.Headers.Origin.ToString();
        if (origin.Length == 0 || pattern.Length == 0) return;
        headers.AccessControlAllowHeaders = "Accept, Authorization, Content-Type, Origin";
        headers.AccessControlAllowMethods = "GET, POST, OPTIONS";
        headers.AccessControlExposeHeaders = "Date";
        var withToken = context.Request.Headers.Authorization.Count > 0 || HttpMethods.IsOptions(context.Request.Method);
        if (!withToken && !IsThisMachine(origin)) return;
        if (pattern == ".*") headers.AccessControlAllowOrigin = "*";
        else if (origins.IsMatch(origin)) headers.AccessControlAllowOrigin = origin;
    }

    /// <summary>What a browser asks before it lets a page send a token.</summary>
    public Task PreflightAsync(HttpContext context)
    {
        Apply(context);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    private static bool IsThisMachine(string origin) => Uri.TryCreate(origin, UriKind.Absolute, out var uri) && uri.IsLoopback;
}

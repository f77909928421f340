using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Vigil.ServiceDefaults;

internal static class HealthEndpoints
{
    /// <summary>Checks with this tag decide readiness; others only show in /health.</summary>
    public const string ReadyTag = "ready";

    public static void AddHealth(this IServiceCollection services)
    {
        services.AddSingleton<Readiness>();
        services.AddSingleton<IReadiness>(s => s.GetRequiredService<Readiness>());
        services.AddHealthChecks()
            .AddCheck<Readiness>("readiness", HealthStatus.Unhealthy, [ReadyTag])
            .AddCheck<DatabaseHealthCheck>("database", HealthStatus.Unhealthy, [ReadyTag], TimeSpan.FromSeconds(5));
    }

    public static void MapHealth(this IEndpointRouteBuilder app)
    {
        // The names with a dash are Prometheus' and Alertmanager's, which what watches those asks for.
        foreach (var live in (string[])["/live", "/-/healthy"]) app.MapGet(live, () => Results.Text("live\n")).WithoutToken();
        foreach (var ready in (string[])["/ready", "/-/ready"])
            app.MapGet(ready, (HttpContext context, HealthCheckService health) => ReadyAsync(context, health)).WithoutToken();
        app.MapGet("/health", (HttpContext context, HealthCheckService health) => HealthAsync(context, health)).WithoutToken();
    }

    private static async Task ReadyAsync(HttpContext context, HealthCheckService health)
    {
        var report = await health.CheckHealthAsync(r => r.Tags.Contains(ReadyTag), context.RequestAborted).ConfigureAwait(false);
        var reasons = report.Entries.Where(e => e.Value.Status == HealthStatus.Unhealthy).Select(e => e.Value.Description ?? e.Key).ToArray();
        await AnswerAsync(context, report.Status, reasons, json =>
        {
            json.WriteBoolean("ready", reasons.Length == 0);
            json.WriteStartArray("reasons");
            foreach (var reason in reasons) json.WriteStringValue(reason);
            json.WriteEndArray();
        }, reasons.Length == 0 ? "ready" : "not ready").ConfigureAwait(false);
    }

    private static async Task HealthAsync(HttpContext context, HealthCheckService health)
    {
        var report = await health.CheckHealthAsync(context.RequestAborted).ConfigureAwait(false);
        var lines = report.Entries.Select(e => $"{e.Key}: {e.Value.Status}{(e.Value.Description is { } d ? $" ({d})" : "")}").ToArray();
        await AnswerAsync(context, report.Status, lines, json =>
        {
            json.WriteString("status", report.Status.ToString());
            json.WriteStartObject("checks");
            foreach (var (name, entry) in report.Entries)
            {
                json.WriteStartObject(name);
                json.WriteString("status", entry.Status.ToString());
                if (entry.Description is not null) json.WriteString("description", entry.Description);
                json.WriteNumber("milliseconds", Math.Round(entry.Duration.TotalMilliseconds, 1));
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }, report.Status.ToString()).ConfigureAwait(false);
    }

    private static async Task AnswerAsync(HttpContext context, HealthStatus status, string[] lines, Action<Utf8JsonWriter> write, string headline)
    {
        context.Response.StatusCode = status == HealthStatus.Unhealthy ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status200OK;
        context.Response.Headers.CacheControl = "no-store";
        if (context.Request.Headers.Accept.ToString().StartsWith("text/plain", StringComparison.OrdinalIgnoreCase))
        {
            context.Response.ContentType = "text/plain; charset=utf-8";
            await context.Response.WriteAsync(string.Join('\n', lines.Prepend(headline)) + "\n", context.RequestAborted).ConfigureAwait(false);
            return;
        }
        context.Response.ContentType = "application/json";
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }
        await context.Response.Body.WriteAsync(buffer.GetBuffer().AsMemory(0, (int)buffer.Length), context.RequestAborted).ConfigureAwait(false);
    }
}

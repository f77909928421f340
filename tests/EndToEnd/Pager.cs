using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Vigil.EndToEnd;

/// <summary>Takes pages by webhook and remembers each arrival.</summary>
internal sealed class Pager : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly ConcurrentQueue<Arrival> arrivals = new();

    private Pager(WebApplication app) => this.app = app;

    public string Url => app.Urls.First() + "/pages";

    public static async Task<Pager> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var pager = new Pager(builder.Build());
        pager.app.MapPost("/pages", pager.TakeAsync);
        await pager.app.StartAsync();
        return pager;
    }

    /// <summary>The keys of the pages that arrived for a round, in order; a page that arrived twice is there twice.</summary>
    public IReadOnlyList<string> Keys(string round, string status) => [.. arrivals.Where(a => a.Round == round && a.Status == status).Select(a => a.Key)];

    /// <summary>How often a page of an alert arrived.</summary>
    public int Count(string alertname, string status) => arrivals.Count(a => a.Alertname == alertname && a.Status == status);

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private async Task<IResult> TakeAsync(HttpRequest request)
    {
        using var body = await JsonDocument.ParseAsync(request.Body);
        foreach (var alert in body.RootElement.GetProperty("alerts").EnumerateArray())
            arrivals.Enqueue(new Arrival(request.Headers["Idempotency-Key"].ToString(), alert.GetProperty("status").GetString()!,
                alert.GetProperty("labels").GetProperty("alertname").GetString()!, alert.GetProperty("labels").TryGetProperty("round", out var round) ? round.GetString()! : ""));
        return Results.Ok();
    }

    private sealed record Arrival(string Key, string Status, string Alertname, string Round);
}

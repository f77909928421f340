using System.Text.Json;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Vigil.AppHost.Demo;

/// <summary>A page that arrived.</summary>
internal sealed record ReceivedPage(DateTimeOffset At, string Alertname, string Status, string Severity, string Summary);

/// <summary>Stands in for the pager: takes pages in Alertmanager's webhook format on a free port of this machine.</summary>
internal sealed class PageReceiver : IAsyncDisposable
{
    private const int LongestBody = 1 << 20;

    private readonly WebApplication app;
    private readonly HashSet<string> seen = [];
    private readonly Channel<ReceivedPage> pages = Channel.CreateBounded<ReceivedPage>(new BoundedChannelOptions(1_000) { FullMode = BoundedChannelFullMode.DropOldest });

    private PageReceiver(WebApplication app) => this.app = app;

    /// <summary>Where to post.</summary>
    public string Url => app.Urls.First() + "/pages";

    /// <summary>The pages, in order of arrival, each once.</summary>
    public IAsyncEnumerable<ReceivedPage> ReadAllAsync(CancellationToken cancellationToken) => pages.Reader.ReadAllAsync(cancellationToken);

    public static async Task<PageReceiver> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0").ConfigureKestrel(o => o.Limits.MaxRequestBodySize = LongestBody);
        var receiver = new PageReceiver(builder.Build());
        receiver.app.MapPost("/pages", receiver.TakeAsync);
        await receiver.app.StartAsync().ConfigureAwait(false);
        return receiver;
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private async Task<IResult> TakeAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        var at = TimeProvider.System.GetUtcNow();
        try
        {
            using var body = await JsonDocument.ParseAsync(request.Body, cancellationToken: cancellationToken).ConfigureAwait(false);
            // Pages come at least once: the key tells a repeat.
            var key = request.Headers["Idempotency-Key"].ToString();
            lock (seen)
            {
                if (key.Length > 0 && !seen.Add(key)) return Results.Ok();
            }
            foreach (var alert in body.RootElement.GetProperty("alerts").EnumerateArray())
            {
                var labels = alert.GetProperty("labels");
                pages.Writer.TryWrite(new ReceivedPage(at, Text(labels, "alertname"), Text(alert, "status"), Text(labels, "severity"), Text(alert.GetProperty("annotations"), "summary")));
            }
            return Results.Ok();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return Results.BadRequest($"not a page in Alertmanager's webhook format: {e.Message}");
        }
    }

    private static string Text(JsonElement owner, string name) => owner.TryGetProperty(name, out var value) ? value.GetString() ?? "" : "";
}

using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Vigil.PageLatency;

/// <summary>A page as it arrived: what it says and when its first byte was here (Stopwatch ticks).</summary>
internal readonly record struct Arrival(string Status, long At);

/// <summary>Takes pages in Alertmanager's webhook format at /hook, and shows a gauge at /metrics for a Prometheus to scrape.</summary>
internal sealed class PageReceiver : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly Channel<Arrival> arrivals = Channel.CreateUnbounded<Arrival>();
    private volatile Exposure exposure = new(0);

    private PageReceiver(WebApplication app) => this.app = app;

    public Uri Address { get; private set; } = null!;

    public Uri Hook => new(Address, "/hook");

    public static async Task<PageReceiver> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var receiver = new PageReceiver(app);
        app.MapPost("/hook", (Delegate)receiver.ReceiveAsync);
        app.MapGet("/metrics", receiver.Expose);
        await app.StartAsync();
        receiver.Address = new Uri(app.Urls.Single());
        return receiver;
    }

    /// <summary>Sets the gauge; the task ends at the moment (Stopwatch ticks) at which the new value is first scraped.</summary>
    public Task<long> SetGauge(double value)
    {
        var next = new Exposure(value);
        exposure = next;
        return next.Scraped.Task;
    }

    /// <summary>The next page of a status. Repeats of others are passed over.</summary>
    /// <exception cref="TimeoutException">None came within half a minute.</exception>
    public async Task<long> NextAsync(string status)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        try
        {
            while (true)
            {
                var arrival = await arrivals.Reader.ReadAsync(patience.Token);
                if (arrival.Status == status) return arrival.At;
            }
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"no page came that says \"{status}\"");
        }
    }

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    private async Task<IResult> ReceiveAsync(HttpContext context)
    {
        var at = Stopwatch.GetTimestamp();
        using var page = await JsonDocument.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted);
        arrivals.Writer.TryWrite(new(page.RootElement.GetProperty("status").GetString()!, at));
        return Results.Ok();
    }

    private IResult Expose()
    {
        var shown = exposure;
        shown.Scraped.TrySetResult(Stopwatch.GetTimestamp());
        return Results.Text(string.Create(CultureInfo.InvariantCulture, $"# TYPE flip_value gauge\nflip_value {shown.Value}\n"), "text/plain; version=0.0.4");
    }

    private sealed record Exposure(double Value)
    {
        public TaskCompletionSource<long> Scraped { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

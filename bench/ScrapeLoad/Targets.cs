using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Vigil.ScrapeLoad;

/// <summary>
/// Many targets on one port, each with a path of its own and a page of counters, gauges and a histogram whose values are others each time. Pages are made before anything is measured.
/// </summary>
internal sealed class Targets : IAsyncDisposable
{
    private const int Pages = 20;
    private const int PerFamily = 20;

    private readonly WebApplication app;
    private readonly byte[][][] pages;
    private readonly int[] reads;
    private long samples;

    private Targets(WebApplication app, byte[][][] pages) => (this.app, this.pages, reads) = (app, pages, new int[pages.Length]);

    /// <summary>Samples given out so far.</summary>
    public long Samples => Volatile.Read(ref samples);

    /// <summary>Bytes of a page.</summary>
    public int PageBytes => pages[0][0].Length;

    /// <summary>The jobs that scrape them all, in the form of prometheus.yml.</summary>
    public string Jobs(TimeSpan interval)
    {
        var text = new StringBuilder("scrape_configs:\n");
        for (var i = 0; i < pages.Length; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"  - job_name: service{i}\n    scrape_interval: {interval.TotalMilliseconds}ms\n    scrape_timeout: {interval.TotalMilliseconds}ms\n");
            text.Append(CultureInfo.InvariantCulture, $"    metrics_path: /{i}\n    static_configs: [ {{ targets: [ '{new Uri(app.Urls.First()).Authority}' ] }} ]\n");
        }
        return text.ToString();
    }

    public static async Task<Targets> StartAsync(int count, int series)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var targets = new Targets(app, [.. Enumerable.Range(0, count).Select(target => Enumerable.Range(0, Pages).Select(page => Page(target, page, series)).ToArray())]);
        app.MapGet("/{target:int}", (int target, HttpContext context) => targets.AnswerAsync(target, series, context));
        await app.StartAsync();
        return targets;
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private Task AnswerAsync(int target, int series, HttpContext context)
    {
        Interlocked.Add(ref samples, series);
        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        var page = pages[target][Interlocked.Increment(ref reads[target]) % Pages];
        context.Response.ContentLength = page.Length;
        return context.Response.Body.WriteAsync(page, context.RequestAborted).AsTask();
    }

    // Families of 20 series: two of three are counters, one is gauges. Four labels, as handlers, codes and pods make them.
    private static byte[] Page(int target, int page, int series)
    {
        var text = new StringBuilder();
        for (var i = 0; i < series; i++)
        {
            var family = i / PerFamily;
            var counter = family % 3 != 2;
            var name = counter ? $"app_requests{family}_total" : $"app_queue{family}_seconds";
            if (i % PerFamily == 0) text.Append(CultureInfo.InvariantCulture, $"# HELP {name} What family {family} of the application counts.\n# TYPE {name} {(counter ? "counter" : "gauge")}\n");
            var value = counter ? (page + 1L) * (37 + i) + i % 7 : Math.Round((i * 31 + page * 17 + target) % 997 / 8.0, 3);
            text.Append(CultureInfo.InvariantCulture, $"{name}{{handler=\"/api/v1/items/{i % PerFamily}\",method=\"GET\",code=\"{200 + i % 5}\",pod=\"app-{target}-7d9c5b6f4\"}} {value}\n");
        }
        return Encoding.UTF8.GetBytes(text.ToString());
    }
}

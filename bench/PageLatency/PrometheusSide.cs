using System.Diagnostics;
using Vigil.Testing;

namespace Vigil.PageLatency;

/// <summary>What is measured of Prometheus and Alertmanager.</summary>
internal sealed class PrometheusRows
{
    private const string System = "Prometheus+Alertmanager";

    public Latencies FromScrape { get; } = new(System, "sample scraped -> page");

    public Latencies FromChange { get; } = new(System, "value changed -> page");

    public Latencies Resolved { get; } = new(System, "recovery scraped -> page taken back");

    public IReadOnlyList<Latencies> All => [FromScrape, FromChange, Resolved];
}

/// <summary>Prometheus and Alertmanager with every interval at 1 s, the shortest that is usual, watching the same flip.</summary>
internal sealed class PrometheusSide : IAsyncDisposable
{
    private readonly List<ChildProcess> owned = [];
    private readonly PageReceiver pages;

    private PrometheusSide(PageReceiver pages) => this.pages = pages;

    public static string? Missing => Needs.Missing("prometheus", "prometheus-alertmanager");

    public static async Task<PrometheusSide> StartAsync(PageReceiver pages, string folder)
    {
        var side = new PrometheusSide(pages);
        try
        {
            await side.StartAsync(folder);
            return side;
        }
        catch
        {
            await side.DisposeAsync();
            throw;
        }
    }

    /// <summary>Flips the gauge <paramref name="count"/> times; times go to <paramref name="rows"/>.</summary>
    public async Task FlipAsync(int count, PrometheusRows rows)
    {
        for (var i = 0; i < count; i++)
        {
            // Anywhere within the second of a scrape.
            await Task.Delay(Random.Shared.Next(1000));
            var changed = Stopwatch.GetTimestamp();
            var scraped = pages.SetGauge(1);
            var paged = await pages.NextAsync("firing");
            rows.FromScrape.Add(await scraped, paged);
            rows.FromChange.Add(changed, paged);
            scraped = pages.SetGauge(0);
            var back = await pages.NextAsync("resolved");
            rows.Resolved.Add(await scraped, back);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var child in owned) await child.DisposeAsync();
    }

    private async Task StartAsync(string folder)
    {
        var (prometheus, alertmanager) = (ChildProcess.FreePort(), ChildProcess.FreePort());
        await File.WriteAllTextAsync(Path.Combine(folder, "alertmanager.yml"), $"""
            route:
              receiver: bench
              group_by: [alertname]
              group_wait: 0s
              group_interval: 1s
              repeat_interval: 1h
            receivers:
              - name: bench
                webhook_configs:
                  - url: {pages.Hook}
                    send_resolved: true
            """);
        await File.WriteAllTextAsync(Path.Combine(folder, "prometheus.yml"), $"""
            global:
              scrape_interval: 1s
              evaluation_interval: 1s
            rule_files: [rules.yml]
            alerting:
              alertmanagers:
                - static_configs: [targets: ["127.0.0.1:{alertmanager}"]]
            scrape_configs:
              - job_name: bench
                static_configs: [targets: ["{pages.Address.Authority}"]]
            """.Replace("static_configs: [targets: [", "static_configs: [{targets: [", StringComparison.Ordinal).Replace("\"]]", "\"]}]", StringComparison.Ordinal));
        await File.WriteAllTextAsync(Path.Combine(folder, "rules.yml"), """
            groups:
              - name: flip
                rules:
                  - alert: Flip
                    expr: flip_value{job="bench"} > 0.5
                    for: 0s
            """);
        var manager = ChildProcess.Start("alertmanager", folder, Needs.Require("prometheus-alertmanager"),
        [
            $"--config.file={folder}/alertmanager.yml", $"--storage.path={folder}/alertmanager", $"--web.listen-address=127.0.0.1:{alertmanager}", "--cluster.listen-address=",
        ]);
        owned.Add(manager);
        var server = ChildProcess.Start("prometheus", folder, Needs.Require("prometheus"),
        [
            $"--config.file={folder}/prometheus.yml", $"--storage.tsdb.path={folder}/prometheus", $"--web.listen-address=127.0.0.1:{prometheus}",
        ]);
        owned.Add(server);
        await manager.ReadyAsync(new Uri($"http://127.0.0.1:{alertmanager}/-/ready"));
        await server.ReadyAsync(new Uri($"http://127.0.0.1:{prometheus}/-/ready"));
        // Once scraped, all are at work.
        await pages.SetGauge(0).WaitAsync(TimeSpan.FromSeconds(30));
    }
}

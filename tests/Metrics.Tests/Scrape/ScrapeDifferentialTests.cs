using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using Vigil.Metrics.Tests.Service;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Scrape;

/// <summary>Debian's Prometheus and this service scrape the same pages by the same file: they must have the same series with the same values.</summary>
public sealed class ScrapeDifferentialTests
{
    private const string OpenMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    private const string First = """
        # HELP hits Hits.
        # TYPE hits counter
        hits_total{code="200",path="/a b"} 1.5e3
        hits_total{code="500",path="C:\\x \"q\" \n"} 7
        hits_created{code="200",path="/a b"} 1.7e9
        # TYPE latency histogram
        # UNIT latency_seconds seconds
        latency_seconds_bucket{le="0.1"} 1 # {trace_id="abc"} 0.05 1.5
        latency_seconds_bucket{le="+Inf"} 3
        latency_seconds_sum 4.25
        latency_seconds_count 3
        drop_me{a="1"} 1
        own{job="mine",instance="inner",env="e"} 5
        weird{v="x",keep_label="y",zz="1"} -Inf
        nan NaN
        # EOF

        """;

    private const string Second = """
        hits_total{code="200",path="/a b"} 1501
        latency_seconds_count 4
        fresh 1
        # EOF

        """;

    [FactNeeds("prometheus")]
    public async Task Scrape_TheSamePages_GivesWhatPrometheusHas()
    {
        await using var open = await TargetServer.StartAsync();
        await using var text = await TargetServer.StartAsync();
        void Show(string page)
        {
            open.Show(page, OpenMetrics);
            // What the older format has no words for is left out of it.
            text.Show(string.Join('\n', page.Split('\n').Where(l => !l.StartsWith("# UNIT") && l != "# EOF").Select(l => l.Split(" # {")[0])));
        }
        Show(First);
        var folder = Directory.CreateTempSubdirectory("vigil-diff-");
        try
        {
            var file = Path.Combine(folder.FullName, "prometheus.yml");
            await File.WriteAllTextAsync(file, $$"""
                global: { scrape_interval: 1s, scrape_timeout: 1s }
                scrape_configs:
                  - job_name: open
                    static_configs: [ { targets: [ "{{open.Address}}" ], labels: { env: test } } ]
                    metric_relabel_configs:
                      - { source_labels: [__name__], regex: drop_.*, action: drop }
                      - { source_labels: [code], regex: "(.).*", target_label: class, replacement: "${1}xx" }
                      - { regex: "keep_(.*)", replacement: "$1", action: labelmap }
                      - { regex: "zz", action: labeldrop }
                      - { source_labels: [path], modulus: 97, target_label: hash, action: hashmod }
                      - { source_labels: [path], target_label: upper, action: uppercase }
                  - job_name: text
                    honor_labels: true
                    metrics_path: /other
                    params: { x: [ "1", "2" ] }
                    relabel_configs:
                      - { source_labels: [__address__, __param_x], target_label: place, separator: "/" }
                    static_configs: [ { targets: [ "{{text.Address}}", "127.0.0.1:1" ], labels: { env: test } } ]
                """);
            await using var ours = await MetricsHost.StartAsync(settings: ("Metrics:ScrapeFile", file));
            using var prometheus = Start(file, folder.FullName, out var address);
            try
            {
                using var us = new HttpClient { BaseAddress = ours.HttpAddress };
                us.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "reader");
                using var them = new HttpClient { BaseAddress = address };
                await SameAsync(us, them, "fresh", 0, "hits_total", 4);
                Show(Second);
                await SameAsync(us, them, "fresh", 2, "own", 0);
            }
            finally
            {
                prometheus.Kill(entireProcessTree: true);
                await prometheus.WaitForExitAsync().DefaultTimeout();
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Waits until both have taken in the page that is shown, which two counts tell, and compares everything.</summary>
    private static async Task SameAsync(HttpClient us, HttpClient them, string one, int ones, string other, int others)
    {
        foreach (var client in new[] { us, them })
        {
            await Waiting.Until(async () =>
            {
                var all = await AskAsync(client);
                // Every target was scraped, the one that does not answer too.
                return all.Count(s => s.StartsWith($"{one}|")) == ones && all.Count(s => s.StartsWith($"{other}|")) == others && all.Count(s => s.StartsWith("up|")) == 3;
            }, $"{one} is there {ones} times and {other} {others} times");
        }
        var expected = await AskAsync(them);
        Assert.True(expected.Count >= 15, "too little to compare");
        Assert.Equal(expected, await AskAsync(us));
    }

    private static async Task<List<string>> AskAsync(HttpClient client)
    {
        HttpResponseMessage answer;
        try
        {
            answer = await client.GetAsync("/api/v1/query?query=" + Uri.EscapeDataString("{env!=\"\",__name__!~\"scrape_duration_seconds|scrape_series_added\"} or {job=\"open\",__name__!~\"scrape_duration_seconds|scrape_series_added\"}"));
        }
        catch (HttpRequestException)
        {
            // It is still starting.
            return [];
        }
        using var response = answer;
        if (!response.IsSuccessStatusCode) return [];
        using var document = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        return [.. document.RootElement.GetProperty("data").GetProperty("result").EnumerateArray().Select(s =>
        {
            var labels = s.GetProperty("metric").EnumerateObject().Select(l => (l.Name, Value: l.Value.GetString())).ToArray();
            return $"{labels.First(l => l.Name == "__name__").Value}|{string.Join(",", labels.Where(l => l.Name != "__name__").OrderBy(l => l.Name, StringComparer.Ordinal))}|{s.GetProperty("value")[1].GetString()}";
        }).Order(StringComparer.Ordinal)];
    }

    private static Process Start(string file, string folder, out Uri address)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        address = new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");
        listener.Stop();
        return Process.Start(new ProcessStartInfo(Needs.Require("prometheus"),
            [$"--config.file={file}", $"--storage.tsdb.path={folder}/data", $"--web.listen-address={address.Authority}", "--log.level=error"]))!;
    }
}

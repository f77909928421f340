using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Vigil.Testing;

namespace Vigil.Metrics.Tests.Service;

/// <summary>A real Prometheus that scrapes itself every second and writes what it finds to us.</summary>
internal sealed class PrometheusSender : IAsyncDisposable
{
    private readonly Process process;
    private readonly string folder;
    private readonly HttpClient http = new();

    private PrometheusSender(Process process, string folder, Uri address) => (this.process, this.folder, Address) = (process, folder, address);

    public Uri Address { get; }

    public static async Task<PrometheusSender> StartAsync(Uri target, string token)
    {
        var folder = Directory.CreateTempSubdirectory("vigil-prometheus-").FullName;
        var port = FreePort();
        // One shard keeps the order of scrapes, so that a later one tells that those before have come.
        await File.WriteAllTextAsync(Path.Combine(folder, "prometheus.yml"), $$"""
            global: {scrape_interval: 1s, external_labels: {from: debian} }
            scrape_configs:
              - job_name: prometheus
                static_configs: [{targets: ["127.0.0.1:{{port}}"] }]
            remote_write:
              - url: {{new Uri(target, "/api/v1/write")}}
                authorization: {credentials: "{{token}}" }
                queue_config: {max_shards: 1, batch_send_deadline: 100ms}
            """);
        var start = new ProcessStartInfo(Needs.Require("prometheus"))
        {
            ArgumentList = { $"--config.file={folder}/prometheus.yml", $"--storage.tsdb.path={folder}/data", $"--web.listen-address=127.0.0.1:{port}", "--log.level=error" },
        };
        return new PrometheusSender(Process.Start(start)!, folder, new Uri($"http://127.0.0.1:{port}"));
    }

    /// <summary>What an instant query finds, as lines of labels and value.</summary>
    public static async Task<(string Labels, double Value)[]> AskAsync(HttpClient http, Uri address, string query, string time)
    {
        using var content = new FormUrlEncodedContent([new("query", query), new("time", time)]);
        using var response = await http.PostAsync(new Uri(address, "/api/v1/query"), content).DefaultTimeout();
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync().DefaultTimeout());
        return
        [
            .. json.RootElement.GetProperty("data").GetProperty("result").EnumerateArray()
                .Select(r => (
                    Labels: string.Join(',', r.GetProperty("metric").EnumerateObject().Where(l => l.Name != "from").OrderBy(l => l.Name, StringComparer.Ordinal).Select(l => $"{l.Name}={l.Value}")),
                    Value: Number(r.GetProperty("value")[1].GetString()!)))
                .OrderBy(r => r.Labels, StringComparer.Ordinal),
        ];
    }

    public Task<(string Labels, double Value)[]> AskAsync(string query, string time) => AskAsync(http, Address, query, time);

    private static double Number(string text) => text switch
    {
        "+Inf" => double.PositiveInfinity,
        "-Inf" => double.NegativeInfinity,
        _ => double.Parse(text, CultureInfo.InvariantCulture),
    };

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited) process.Kill(entireProcessTree: true);
        await process.WaitForExitAsync().DefaultTimeout();
        process.Dispose();
        http.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}

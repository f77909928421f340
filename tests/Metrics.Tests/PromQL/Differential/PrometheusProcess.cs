using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;
using Vigil.Testing;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>A real Prometheus over samples that promtool put into its folder. It scrapes nothing.</summary>
internal sealed class PrometheusProcess : IAsyncDisposable
{
    private readonly Process process;
    private readonly string folder;

    private PrometheusProcess(Process process, string folder, Uri address) => (this.process, this.folder, Address) = (process, folder, address);

    public Uri Address { get; }

    public static async Task<PrometheusProcess> StartAsync(IReadOnlyList<SeriesSamples> series)
    {
        var folder = Directory.CreateTempSubdirectory("vigil-prometheus-").FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "data.om"), OpenMetrics(series));
        await File.WriteAllTextAsync(Path.Combine(folder, "prometheus.yml"), "global: {}\n");
        var (code, output) = await RunAsync(Needs.Require("promtool"), "tsdb", "create-blocks-from", "openmetrics", Path.Combine(folder, "data.om"), Path.Combine(folder, "data"));
        if (code != 0) throw new InvalidOperationException(output);
        var port = FreePort();
        var start = new ProcessStartInfo(Needs.Require("prometheus"))
        {
            ArgumentList =
            {
                $"--config.file={folder}/prometheus.yml", $"--storage.tsdb.path={folder}/data", "--storage.tsdb.retention.time=10y",
                $"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
            },
        };
        var prometheus = new PrometheusProcess(Process.Start(start)!, folder, new Uri($"http://127.0.0.1:{port}"));
        try
        {
            using var http = new HttpClient();
            await Waiting.Until(async () =>
            {
                try
                {
                    return (await http.GetAsync(new Uri(prometheus.Address, "/-/ready"))).IsSuccessStatusCode;
                }
                catch (HttpRequestException) when (!prometheus.process.HasExited)
                {
                    return false;
                }
            }, "Prometheus is ready");
            return prometheus;
        }
        catch
        {
            await prometheus.DisposeAsync();
            throw;
        }
    }

    public static async Task<(int Code, string Output)> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().DefaultTimeout();
        return (process.ExitCode, await output + await errors);
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited) process.Kill(entireProcessTree: true);
        await process.WaitForExitAsync().DefaultTimeout();
        process.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static string OpenMetrics(IReadOnlyList<SeriesSamples> series)
    {
        var text = new StringBuilder();
        foreach (var family in series.GroupBy(s => s.Labels.Name))
        {
            text.Append(CultureInfo.InvariantCulture, $"# TYPE {family.Key} unknown\n");
            foreach (var one in family)
            {
                for (var i = 0; i < one.Count; i++)
                {
                    text.Append(family.Key).Append('{').AppendJoin(',', one.Labels.AsLabels().Where(l => l.Name != LabelSet.NameLabel)
                        .Select(l => $"{l.Name}=\"{l.Value.Replace("\\", @"\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\""));
                    text.Append(CultureInfo.InvariantCulture, $"}} {GoText.Float(one.Values.Span[i])} {one.Times.Span[i] / 1000}.{one.Times.Span[i] % 1000:000}\n");
                }
            }
        }
        return text.Append("# EOF\n").ToString();
    }
}

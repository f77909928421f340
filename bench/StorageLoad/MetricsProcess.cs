using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Grpc.Core;
using Grpc.Net.Client;

namespace Vigil.StorageLoad;

/// <summary>The Metrics service as it really runs: its own program with its own runtime settings.</summary>
internal sealed class MetricsProcess : IAsyncDisposable
{
    private const string Token = "load";

    private readonly Process process;
    private readonly HttpClient http;

    private MetricsProcess(Process process, int grpc, int httpPort)
    {
        this.process = process;
        Channel = GrpcChannel.ForAddress($"http://127.0.0.1:{grpc}");
        http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{httpPort}"), Timeout = TimeSpan.FromMinutes(2) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Token);
    }

    public GrpcChannel Channel { get; }

    public Metadata Auth => new() { { "authorization", $"Bearer {Token}" } };

    /// <summary>Physical memory that the process has.</summary>
    public long ResidentBytes
    {
        get
        {
            process.Refresh();
            return process.WorkingSet64;
        }
    }

    /// <summary>The part of it that is files, mostly the program's own: the system may drop it, and shares it among processes. 0 where the system does not say.</summary>
    public long MappedFileBytes => File.Exists($"/proc/{process.Id}/status")
        ? 1024 * long.Parse(File.ReadLines($"/proc/{process.Id}/status").First(l => l.StartsWith("RssFile:", StringComparison.Ordinal)).Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture)
        : 0;

    /// <summary>Processor time so far.</summary>
    public TimeSpan Cpu
    {
        get
        {
            process.Refresh();
            return process.TotalProcessorTime;
        }
    }

    /// <summary>Starts it and waits until it is ready.</summary>
    public static async Task<MetricsProcess> StartAsync(string folder, string[] settings)
    {
        var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        var built = Path.Combine(own.Parent!.Parent!.FullName, "Vigil.Metrics", own.Name, "Vigil.Metrics.dll");
        var (grpc, http) = (FreePort(), FreePort());
        var start = new ProcessStartInfo("dotnet", [built]) { WorkingDirectory = folder, RedirectStandardOutput = true };
        start.Environment["Listen__GrpcPort"] = $"{grpc}";
        start.Environment["Listen__HttpPort"] = $"{http}";
        start.Environment["Storage__Directory"] = folder;
        start.Environment["Auth__TokenHashes__admin__0"] = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Token)));
        start.Environment["Telemetry__SelfMetricsInterval"] = "00:00:00";
        start.Environment["Logging__LogLevel__Default"] = "Warning";
        foreach (var setting in settings) start.Environment[setting[..setting.IndexOf('=')].Replace(":", "__", StringComparison.Ordinal)] = setting[(setting.IndexOf('=') + 1)..];
        var process = Process.Start(start)!;
        process.OutputDataReceived += (_, line) => Console.Error.WriteLine(line.Data);
        process.BeginOutputReadLine();
        var service = new MetricsProcess(process, grpc, http);
        while (!await service.IsReadyAsync()) await Task.Delay(20);
        return service;
    }

    /// <summary>Ends it in good order; returns how many seconds that took.</summary>
    public async Task<double> StopAsync()
    {
        var began = Stopwatch.GetTimestamp();
        using var kill = Process.Start("kill", ["-TERM", $"{process.Id}"]);
        await process.WaitForExitAsync();
        return Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    /// <summary>The value of an expression that gives one.</summary>
    public async Task<double> QueryAsync(string expression, long atMs, CancellationToken ct)
    {
        using var answer = await GetAsync($"/api/v1/query?query={Uri.EscapeDataString(expression)}&time={Seconds(atMs)}", ct);
        var result = answer.RootElement.GetProperty("data").GetProperty("result");
        return result.GetArrayLength() == 0 ? 0 : double.Parse(result[0].GetProperty("value")[1].GetString()!, CultureInfo.InvariantCulture);
    }

    /// <summary>How many series a range query gives.</summary>
    public async Task<int> QueryRangeAsync(string expression, long fromMs, long toMs, int stepSeconds, CancellationToken ct)
    {
        using var answer = await GetAsync($"/api/v1/query_range?query={Uri.EscapeDataString(expression)}&start={Seconds(fromMs)}&end={Seconds(toMs)}&step={stepSeconds}", ct);
        return answer.RootElement.GetProperty("data").GetProperty("result").GetArrayLength();
    }

    /// <summary>What the collector says, for people.</summary>
    public async Task<string> HeapAsync()
    {
        var lines = (await http.GetStringAsync("/metrics")).Split('\n').Where(l => l.StartsWith("dotnet_gc_", StringComparison.Ordinal)).Select(l => l.Split(' '));
        var values = lines.Where(l => l.Length == 2).ToDictionary(l => l[0], l => double.Parse(l[1], CultureInfo.InvariantCulture));
        var parts = new[] { "gen0", "gen1", "gen2", "loh", "poh" }.Select(g => $"{g} {Mb($"dotnet_gc_last_collection_heap_size_bytes{{gc_heap_generation=\"{g}\"}}")}");
        return $"managed heap after its last collection: {string.Join(", ", parts)}; committed {Mb("dotnet_gc_last_collection_memory_committed_size_bytes")}";

        string Mb(string name) => $"{values.GetValueOrDefault(name) / 1e6:N0} MB";
    }

    /// <summary>What a counter says; 0 where it has not counted yet.</summary>
    public async Task<double> CounterAsync(string name)
    {
        var line = (await http.GetStringAsync("/metrics")).Split('\n').FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal));
        return line is null ? 0 : double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture);
    }

    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        http.Dispose();
        if (!process.HasExited) process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }

    private async Task<JsonDocument> GetAsync(string path, CancellationToken ct)
    {
        using var answer = await http.GetAsync(path, ct);
        var text = await answer.Content.ReadAsStringAsync(ct);
        return answer.IsSuccessStatusCode ? JsonDocument.Parse(text) : throw new InvalidOperationException($"{path}: {text}");
    }

    private async Task<bool> IsReadyAsync()
    {
        if (process.HasExited) throw new InvalidOperationException($"the service ended with code {process.ExitCode}");
        try
        {
            using var answer = await http.GetAsync("/ready");
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static string Seconds(long ms) => (ms / 1000.0).ToString(CultureInfo.InvariantCulture);

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}

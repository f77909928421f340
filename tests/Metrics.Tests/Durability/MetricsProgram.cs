using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Vigil.Metrics.Tests.Service;
using Vigil.Testing;

namespace Vigil.Metrics.Tests.Durability;

/// <summary>Metrics as a program of its own, on a SQLite file, that is killed and started again in the same place.</summary>
internal sealed class MetricsProgram : IAsyncDisposable
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(2);

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("vigil-kill-");
    private readonly ConcurrentQueue<string> output = [];
    private readonly int[] ports = FreePorts();
    private readonly Dictionary<string, string> settings;
    private readonly HttpClient http;
    private Process? process;

    public MetricsProgram(params (string Key, string Value)[] settings)
    {
        this.settings = settings.ToDictionary(s => s.Key, s => s.Value);
        http = new HttpClient { BaseAddress = HttpAddress };
    }

    public Uri GrpcAddress => new($"http://127.0.0.1:{ports[0]}");

    public Uri HttpAddress => new($"http://127.0.0.1:{ports[1]}");

    public string Output => string.Join('\n', output);

    /// <summary>A folder for files that belong to it.</summary>
    public string Folder => folder.FullName;

    public async Task StartAsync()
    {
        var start = new ProcessStartInfo("dotnet", ["exec", Path.Combine(AppContext.BaseDirectory, "Vigil.Metrics.dll")])
        {
            WorkingDirectory = folder.FullName,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment =
            {
                ["Listen__GrpcPort"] = $"{ports[0]}",
                ["Listen__HttpPort"] = $"{ports[1]}",
                ["Storage__Directory"] = Path.Combine(folder.FullName, "data"),
                ["Auth__TokenHashes__admin__0"] = MetricsHost.Hash(MetricsHost.Token),
                ["Telemetry__SelfMetricsInterval"] = "00:00:00",
            },
        };
        foreach (var (key, value) in settings) start.Environment[key] = value;
        process = Process.Start(start)!;
        process.OutputDataReceived += (_, line) => output.Enqueue(line.Data ?? "");
        process.ErrorDataReceived += (_, line) => output.Enqueue(line.Data ?? "");
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        await Waiting.Until(IsReadyAsync, "Metrics is ready", StartTimeout);
    }

    /// <summary>kill -9.</summary>
    public async Task KillAsync()
    {
        process!.Kill();
        await process.WaitForExitAsync().DefaultTimeout();
        process.Dispose();
        process = null;
    }

    public async ValueTask DisposeAsync()
    {
        if (process is not null) await KillAsync();
        http.Dispose();
        folder.Delete(recursive: true);
    }

    private async Task<bool> IsReadyAsync()
    {
        if (process!.HasExited) throw new InvalidOperationException($"it ended with code {process.ExitCode}:\n{Output}");
        try
        {
            using var answer = await http.GetAsync(new Uri("/ready", UriKind.Relative));
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static int[] FreePorts()
    {
        // Both are held until both are known, or one might be given twice.
        var listeners = Enumerable.Range(0, 2).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToArray();
        foreach (var listener in listeners) listener.Start();
        var ports = listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port).ToArray();
        foreach (var listener in listeners) listener.Dispose();
        return ports;
    }
}

using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Vigil.Testing;

namespace Vigil.RemoteWriteLoad;

/// <summary>A program that takes remote write, in a process of its own with its data in a folder of its own.</summary>
internal sealed class Receiver : IAsyncDisposable
{
    public const string Token = "load";

    private readonly ProcessStartInfo start;
    private readonly string folder;
    private Process process;

    private Receiver(string name, ProcessStartInfo start, string folder, int port)
    {
        (Name, this.start, this.folder, process) = (name, start, folder, Process.Start(start)!);
        Address = new Uri($"http://127.0.0.1:{port}/");
        ReadyAddress = new Uri(Address, name == "vigil" ? "ready" : name == "prometheus" ? "-/ready" : "health");
    }

    public static IReadOnlyList<string> All => ["vigil", "prometheus", "victoria-metrics"];

    public string Name { get; }

    /// <summary>Of the HTTP port.</summary>
    public Uri Address { get; }

    public Uri WriteAddress => new(Address, "api/v1/write");

    /// <summary>Processor time used so far, user and system.</summary>
    public double CpuSeconds
    {
        get
        {
            // The fields after the name, which may hold spaces and brackets: 14 and 15 of proc(5), in ticks of 10 ms.
            var stat = File.ReadAllText($"/proc/{process.Id}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / 100.0;
        }
    }

    public long ResidentBytes => 1024 * long.Parse(
        File.ReadLines($"/proc/{process.Id}/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal)).Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);

    public long DiskBytes => new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(f => f.Length);

    private Uri ReadyAddress { get; }

    /// <summary>Starts one and waits until it is ready.</summary>
    /// <param name="name">One of <see cref="All"/>.</param>
    /// <param name="configuration">What it scrapes, in the form of prometheus.yml.</param>
    public static async Task<Receiver> StartAsync(string name, string configuration = "global: {}\n")
    {
        var folder = Directory.CreateTempSubdirectory($"remote-write-{name}-").FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "prometheus.yml"), configuration);
        var port = FreePort();
        var start = name switch
        {
            "vigil" => Vigil(folder, port),
            "prometheus" => Prometheus(folder, port),
            _ => new ProcessStartInfo(Needs.Require(name), [$"-storageDataPath={folder}/data", $"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=1y", "-loggerLevel=ERROR", $"-promscrape.config={folder}/prometheus.yml"]),
        };
        start.WorkingDirectory = folder;
        var receiver = new Receiver(name, start, folder, port);
        await receiver.WaitUntilReadyAsync();
        return receiver;
    }

    public async Task WaitUntilReadyAsync()
    {
        using var http = new HttpClient();
        await Waiting.Until(async () =>
        {
            ThrowIfEnded();
            try
            {
                return (await http.GetAsync(ReadyAddress)).IsSuccessStatusCode;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        }, $"{Name} is ready", TimeSpan.FromMinutes(2));
    }

    /// <exception cref="InvalidOperationException">The process has ended by itself.</exception>
    public void ThrowIfEnded()
    {
        if (process.HasExited) throw new InvalidOperationException($"{Name} ended with code {process.ExitCode}");
    }

    /// <summary>Starts it again on what it stored; does not wait for anything.</summary>
    public void StartAgain()
    {
        process.Dispose();
        process = Process.Start(start)!;
    }

    /// <summary>Ends it as a power cut would, but for what the system has in its memory.</summary>
    public async Task KillAsync()
    {
        if (!process.HasExited) process.Kill(entireProcessTree: true);
        await process.WaitForExitAsync();
    }

    /// <summary>Asks it to end and waits: what it writes at its end is on disk then.</summary>
    public async Task StopAsync()
    {
        if (process.HasExited) return;
        using (var kill = Process.Start("kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)])) await kill.WaitForExitAsync();
        await process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        process.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private static ProcessStartInfo Vigil(string folder, int port)
    {
        var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        var start = new ProcessStartInfo("dotnet", [Path.Combine(own.Parent!.Parent!.FullName, "Vigil.Metrics", own.Name, "Vigil.Metrics.dll")]);
        foreach (var (key, value) in new (string, string)[]
        {
            ("Auth__TokenHashes__admin__0", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Token)))), ("Listen__GrpcPort", "0"), ("Listen__HttpPort", $"{port}"),
            ("Storage__Directory", folder), ("Telemetry__SelfMetricsInterval", "00:00:00"), ("Logging__LogLevel__Default", "Warning"), ("Metrics__MaxSeriesPerShard", "1000000"),
            ("Metrics__ScrapeFile", Path.Combine(folder, "prometheus.yml")),
        }) start.Environment[key] = value;
        return start;
    }

    private static ProcessStartInfo Prometheus(string folder, int port)
    {
        return new ProcessStartInfo(Needs.Require("prometheus"),
            [$"--config.file={folder}/prometheus.yml", $"--storage.tsdb.path={folder}/data", $"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver", "--log.level=error"]);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}

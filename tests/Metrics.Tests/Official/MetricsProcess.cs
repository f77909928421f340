using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Grpc.Net.Client;
using Vigil.Metrics.Tests.Service;
using Vigil.Metrics.V1;
using Vigil.Testing;

namespace Vigil.Metrics.Tests.Official;

/// <summary>Metrics as a program of its own, one silo of a cluster on PostgreSQL.</summary>
internal sealed class MetricsProcess : IAsyncDisposable
{
    private readonly Process process;
    private readonly DirectoryInfo folder;
    private readonly ConcurrentQueue<string> output = [];
    private readonly GrpcChannel channel;
    private readonly HttpClient http;

    private MetricsProcess(ProcessStartInfo start, DirectoryInfo folder, int grpcPort, int httpPort)
    {
        this.folder = folder;
        channel = GrpcChannel.ForAddress($"http://127.0.0.1:{grpcPort}");
        http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{httpPort}") };
        http.DefaultRequestHeaders.Authorization = new("Bearer", MetricsHost.Token);
        process = Process.Start(start)!;
        process.OutputDataReceived += (_, line) => output.Enqueue(line.Data ?? "");
        process.ErrorDataReceived += (_, line) => output.Enqueue(line.Data ?? "");
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public static async Task<MetricsProcess> StartAsync(string postgres, params (string Key, string Value)[] settings)
    {
        var folder = Directory.CreateTempSubdirectory("vigil-silo-");
        var ports = FreePorts(4);
        var start = new ProcessStartInfo("dotnet", ["exec", Path.Combine(AppContext.BaseDirectory, "Vigil.Metrics.dll")])
        {
            WorkingDirectory = folder.FullName,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment =
            {
                ["ConnectionStrings__postgres"] = postgres,
                ["Grains__Clustering"] = "Postgres",
                ["Listen__GrpcPort"] = $"{ports[0]}",
                ["Listen__HttpPort"] = $"{ports[1]}",
                ["Grains__SiloPort"] = $"{ports[2]}",
                ["Grains__GatewayPort"] = $"{ports[3]}",
                ["Auth__TokenHashes__admin__0"] = MetricsHost.Hash(MetricsHost.Token),
                ["Telemetry__SelfMetricsInterval"] = "00:00:00",
            },
        };
        foreach (var (key, value) in settings) start.Environment[key.Replace(":", "__", StringComparison.Ordinal)] = value;
        var silo = new MetricsProcess(start, folder, ports[0], ports[1]);
        try
        {
            await Waiting.Until(silo.IsReadyAsync, "the silo is ready", TimeSpan.FromMinutes(2));
            return silo;
        }
        catch
        {
            await silo.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ends it as a power cut would: nothing is handed over, nobody is told.</summary>
    public async Task KillAsync()
    {
        process.Kill();
        await process.WaitForExitAsync().DefaultTimeout();
    }

    /// <summary>Stores one sample through this silo; an error is thrown as the caller gets it.</summary>
    public async Task PushAsync(string job, ulong sequence, double value)
    {
        using var call = new MetricsIngest.MetricsIngestClient(channel).Push(MetricsHost.Auth, TimeProvider.System.GetUtcNow().UtcDateTime.AddSeconds(30));
        var open = new Open { StreamId = job };
        open.Labels.Add("job", job);
        using var client = new PushClient(call);
        await call.RequestStream.WriteAsync(new PushRequest { Open = open });
        await client.ReadAsync();
        await client.DeclareAsync(1, "load");
        await client.SendAsync(sequence, (1, TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds(), value));
        while ((await client.ReadAsync()).Ack is null)
        {
        }
    }

    /// <summary>The single value of an expression, asked of this silo; null when it has none.</summary>
    public async Task<double?> ValueAsync(string expr)
    {
        var response = await new MetricsQuery.MetricsQueryClient(channel).QueryAsync(new QueryRequest { Expr = expr }, MetricsHost.Auth, TimeProvider.System.GetUtcNow().UtcDateTime.AddSeconds(30));
        return response.Vector.Samples.SingleOrDefault()?.Value;
    }

    /// <summary>How many grains of the service this silo holds, by its own metrics.</summary>
    public async Task<double> ActivationsAsync()
    {
        var text = await http.GetStringAsync(new Uri("/metrics", UriKind.Relative));
        return text.Split('\n').Where(line => line.StartsWith("orleans_grains", StringComparison.Ordinal) && line.Contains("MonitoredServiceGrain", StringComparison.Ordinal))
            .Sum(line => double.Parse(line.Split(' ')[^1], System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>Text of one of this silo's pages.</summary>
    public Task<string> GetAsync(string path) => http.GetStringAsync(new Uri(path, UriKind.Relative));

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited) await KillAsync();
        process.Dispose();
        channel.Dispose();
        http.Dispose();
        folder.Delete(recursive: true);
    }

    private async Task<bool> IsReadyAsync()
    {
        if (process.HasExited) throw new InvalidOperationException($"it ended with code {process.ExitCode}:\n{string.Join('\n', output)}");
        try
        {
            return (await http.GetAsync(new Uri("/ready", UriKind.Relative))).IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static int[] FreePorts(int count)
    {
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToArray();
        foreach (var listener in listeners) listener.Start();
        var ports = listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port).ToArray();
        foreach (var listener in listeners) listener.Dispose();
        return ports;
    }
}

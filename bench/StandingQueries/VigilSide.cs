using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Grpc.Core;
using Grpc.Net.Client;
using Vigil.Metrics.V1;
using Vigil.PageLatency;

namespace Vigil.StandingQueries;

/// <summary>The Metrics service, watched by calls of 1,000 expressions each.</summary>
internal sealed class VigilSide : ISide
{
    private const int WatchesPerCall = 1_000;

    private readonly ChildProcess service;
    private readonly GrpcChannel channel;
    private readonly List<Task> reading = [];
    private readonly List<IDisposable> calls = [];
    private readonly List<double> latencies = [];
    private readonly CancellationTokenSource ending = new();
    private long sentAt;
    private long events;
    private int watched;
    private int rounds;
    private double total;
    private double left;

    private VigilSide(ChildProcess service, int grpc, int http, string token)
    {
        this.service = service;
        Token = token;
        Write = new Uri($"http://127.0.0.1:{http}/api/v1/write");
        channel = GrpcChannel.ForAddress($"http://127.0.0.1:{grpc}");
    }

    public int ProcessId => service.Id;

    public Uri Write { get; }

    public string Token { get; }

    public string Remark { get; private set; } = "";

    public static async Task<VigilSide> StartAsync(string folder, string[] settings)
    {
        var token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        var (grpc, http) = (ChildProcess.FreePort(), ChildProcess.FreePort());
        var environment = new Dictionary<string, string>
        {
            ["Auth__TokenHashes__admin__0"] = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token))),
            ["Listen__GrpcPort"] = $"{grpc}",
            ["Listen__HttpPort"] = $"{http}",
            ["Storage__Directory"] = Path.Combine(folder, "data"),
            ["Telemetry__SelfMetricsInterval"] = "00:00:00",
            ["Metrics__MaxWatchesPerCaller"] = "1000000",
            ["Metrics__MaxSubscribersPerShard"] = "1000000",
        };
        foreach (var setting in settings) environment[setting[..setting.IndexOf('=')].Replace(":", "__", StringComparison.Ordinal)] = setting[(setting.IndexOf('=') + 1)..];
        var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        var built = Path.Combine(own.Parent!.Parent!.FullName, "Vigil.Metrics", own.Name, "Vigil.Metrics.dll");
        var service = ChildProcess.Start("Metrics", folder, Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet", [built], environment);
        await service.ReadyAsync(new Uri($"http://127.0.0.1:{http}/ready"));
        return new VigilSide(service, grpc, http, token);
    }

    public async Task WatchAsync(IReadOnlyList<string> expressions, CancellationToken ct)
    {
        watched = expressions.Count;
        var first = 0;
        foreach (var some in expressions.Chunk(WatchesPerCall))
        {
            var call = new MetricsQuery.MetricsQueryClient(channel).Watch(new Metadata { { "authorization", $"Bearer {Token}" } }, cancellationToken: ending.Token);
            calls.Add(call);
            reading.Add(ReadAsync(call));
            foreach (var expr in some)
                await call.RequestStream.WriteAsync(new WatchRequest { Register = new WatchRegister { WatchId = $"{first++}", Expr = expr, HeartbeatMs = 60_000 } }, ct);
        }
    }

    public void Sending()
    {
        Interlocked.Exchange(ref sentAt, Stopwatch.GetTimestamp());
        rounds++;
    }

    // Each round of samples reaches every query: a value that no watcher was told is one that was left out.
    public Task<(double Evaluated, double Missed)> CountAsync(CancellationToken ct)
    {
        var told = Interlocked.Exchange(ref events, 0);
        var due = (long)rounds * watched;
        rounds = 0;
        lock (latencies)
        {
            latencies.Sort();
            if (latencies.Count > 0) Remark = $"sample sent to value told: p50 {latencies[latencies.Count / 2]:N0} ms, p99 {latencies[(int)(latencies.Count * 0.99)]:N0} ms";
            latencies.Clear();
        }
        total += told;
        left += Math.Max(0, due - told);
        return Task.FromResult((total, left));
    }

    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync();
        foreach (var task in reading) await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var call in calls) call.Dispose();
        channel.Dispose();
        ending.Dispose();
        await service.DisposeAsync();
    }

    private async Task ReadAsync(AsyncDuplexStreamingCall<WatchRequest, WatchEvent> call)
    {
        while (await call.ResponseStream.MoveNext(ending.Token))
        {
            var value = call.ResponseStream.Current;
            if (value.OutcomeCase == WatchEvent.OutcomeOneofCase.Error) throw new InvalidOperationException(value.Error);
            if (!value.Changed || value.CauseReceivedUnixUs == 0) continue;
            Interlocked.Increment(ref events);
            lock (latencies) latencies.Add(Stopwatch.GetElapsedTime(Interlocked.Read(ref sentAt)).TotalMilliseconds);
        }
    }
}

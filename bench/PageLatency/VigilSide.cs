using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Grpc.Core;
using Grpc.Net.Client;
using Vigil.Metrics.V1;

namespace Vigil.PageLatency;

/// <summary>Metrics and Alerting as processes, as the AppHost starts them, and a push stream with one series.</summary>
internal sealed class VigilSide : IAsyncDisposable
{
    private static readonly string[] Scopes = ["ingest", "read", "operate", "admin"];

    private readonly List<IAsyncDisposable> owned = [];
    private readonly PageReceiver pages;
    private readonly string folder;
    private AsyncDuplexStreamingCall<PushRequest, PushResponse> stream = null!;
    private ulong sequence;
    private long lastTime;

    private VigilSide(PageReceiver pages, string folder) => (this.pages, this.folder) = (pages, folder);

    public static async Task<VigilSide> StartAsync(PageReceiver pages, string folder)
    {
        var side = new VigilSide(pages, folder);
        try
        {
            await side.StartAsync();
            return side;
        }
        catch
        {
            await side.DisposeAsync();
            throw;
        }
    }

    /// <summary>Flips the series <paramref name="count"/> times; a flip begins when the page of the one before has been taken back.</summary>
    public async Task<IReadOnlyList<Latencies>> FlipAsync(int count)
    {
        var fromSending = new Latencies("Vigil", "sample sent -> page");
        var fromAck = new Latencies("Vigil", "sample acknowledged -> page");
        var acks = new Latencies("Vigil", "sample sent -> acknowledged");
        var resolved = new Latencies("Vigil", "recovery sent -> page taken back");
        for (var i = 0; i < count; i++)
        {
            // Not in step with any timer of the services.
            await Task.Delay(Random.Shared.Next(50));
            var sent = Stopwatch.GetTimestamp();
            var acked = await PushAsync(1);
            var paged = await pages.NextAsync("firing");
            acks.Add(sent, acked);
            fromSending.Add(sent, paged);
            // A page may overtake the acknowledgement on its way back.
            fromAck.Add(Math.Min(acked, paged), paged);
            sent = Stopwatch.GetTimestamp();
            await PushAsync(0);
            resolved.Add(sent, await pages.NextAsync("resolved"));
        }
        return [fromSending, fromAck, acks, resolved];
    }

    public async ValueTask DisposeAsync()
    {
        for (var i = owned.Count - 1; i >= 0; i--) await owned[i].DisposeAsync();
    }

    private async Task StartAsync()
    {
        var policies = Directory.CreateDirectory(Path.Combine(folder, "policies")).FullName;
        await File.WriteAllTextAsync(Path.Combine(policies, "flip.yaml"), """
            groups:
              - name: flip
                rules:
                  - alert: Flip
                    expr: flip_value{job="bench"} > 0.5
                    for: 0s
                    severity: P1
            """);
        var tokens = Scopes.ToDictionary(s => s, _ => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)));
        var (metricsGrpc, metricsHttp) = (ChildProcess.FreePort(), ChildProcess.FreePort());
        var metrics = Service("Metrics", metricsGrpc, metricsHttp, tokens, metricsGrpc, []);
        await metrics.ReadyAsync(new Uri($"http://127.0.0.1:{metricsHttp}/ready"));
        await OpenAsync(metricsGrpc, tokens["ingest"]);
        await PushAsync(0);
        var alertingHttp = ChildProcess.FreePort();
        var alerting = Service("Alerting", ChildProcess.FreePort(), alertingHttp, tokens, metricsGrpc, new()
        {
            ["Policies__Directory"] = policies,
            ["Notify__Webhooks__0__Name"] = "bench",
            ["Notify__Webhooks__0__Url"] = pages.Hook.ToString(),
        });
        await alerting.ReadyAsync(new Uri($"http://127.0.0.1:{alertingHttp}/ready"));
    }

    private ChildProcess Service(string name, int grpc, int http, Dictionary<string, string> tokens, int metricsGrpc, Dictionary<string, string> environment)
    {
        foreach (var (scope, token) in tokens)
            environment[$"Auth__TokenHashes__{scope}__0"] = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)));
        environment["Auth__Token"] = tokens["read"];
        environment["Auth__IngestToken"] = tokens["ingest"];
        environment["Listen__GrpcPort"] = $"{grpc}";
        environment["Listen__HttpPort"] = $"{http}";
        environment["Storage__Directory"] = Path.Combine(folder, "data", name);
        environment["services__metrics__grpc__0"] = $"http://127.0.0.1:{metricsGrpc}";
        var child = ChildProcess.Start(name, folder, Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet", [Built(name)], environment);
        owned.Add(child);
        return child;
    }

    /// <summary>The service's assembly: in the folder of outputs that this program's own is in, and of the same configuration.</summary>
    private static string Built(string name)
    {
        var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        return Path.Combine(own.Parent!.Parent!.FullName, $"Vigil.{name}", own.Name, $"Vigil.{name}.dll");
    }

    private async Task OpenAsync(int port, string token)
    {
        var channel = GrpcChannel.ForAddress($"http://127.0.0.1:{port}");
        owned.Add(new Closing(channel));
        stream = new MetricsIngest.MetricsIngestClient(channel).Push(new Metadata { { "authorization", $"Bearer {token}" } });
        var open = new Open { StreamId = $"bench-{Guid.NewGuid():N}" };
        open.Labels.Add("job", "bench");
        await stream.RequestStream.WriteAsync(new PushRequest { Open = open });
        await stream.ResponseStream.MoveNext(CancellationToken.None);
        var declare = new Declare();
        declare.Series.Add(new SeriesDeclaration { Id = 1, Name = "flip_value", Kind = SeriesKind.Gauge });
        await stream.RequestStream.WriteAsync(new PushRequest { Declare = declare });
    }

    /// <summary>Sends one sample; returns when its acknowledgement was here.</summary>
    private async Task<long> PushAsync(double value)
    {
        var frame = new Frame { Sequence = ++sequence, BaseTimeUnixMs = lastTime = Math.Max(lastTime + 1, TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds()) };
        frame.SeriesIds.Add(1);
        frame.Values.Add(value);
        await stream.RequestStream.WriteAsync(new PushRequest { Frame = frame });
        if (!await stream.ResponseStream.MoveNext(CancellationToken.None)) throw new InvalidOperationException("Metrics ended the stream");
        var at = Stopwatch.GetTimestamp();
        return stream.ResponseStream.Current.Ack is { Accepted: 1 } ? at : throw new InvalidOperationException($"not accepted: {stream.ResponseStream.Current}");
    }

    private sealed class Closing(GrpcChannel channel) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            channel.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}

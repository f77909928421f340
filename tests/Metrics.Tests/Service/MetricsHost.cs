using System.Security.Cryptography;
using System.Text;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Proto.Collector.Metrics.V1;
using Orleans;
using Vigil.Metrics.Grains;
using Vigil.Metrics.V1;
using Vigil.ServiceDefaults;
using Vigil.Testing;

namespace Vigil.Metrics.Tests.Service;

/// <summary>The whole service in this process, on free ports, with real gRPC in between.</summary>
internal sealed class MetricsHost : IAsyncDisposable
{
    public const string Token = "test-token";

    private readonly WebApplication app;
    private readonly FakeClock? clock;
    private readonly bool ownsDirectory;
    private readonly GrpcChannel channel;

    private MetricsHost(WebApplication app, TimeProvider? clock, string directory, bool ownsDirectory)
    {
        this.app = app;
        this.clock = clock as FakeClock;
        this.ownsDirectory = ownsDirectory;
        Directory = directory;
        channel = GrpcChannel.ForAddress(app.GrpcAddress());
        Ingest = new MetricsIngest.MetricsIngestClient(channel);
        Query = new MetricsQuery.MetricsQueryClient(channel);
        Otlp = new MetricsService.MetricsServiceClient(channel);
    }

    public string Directory { get; }

    public Uri HttpAddress => app.HttpAddress();

    public Uri GrpcAddress => app.GrpcAddress();

    /// <summary>To the gRPC port.</summary>
    public GrpcChannel Channel => channel;

    public MetricsIngest.MetricsIngestClient Ingest { get; }

    public MetricsQuery.MetricsQueryClient Query { get; }

    public MetricsService.MetricsServiceClient Otlp { get; }

    public IServiceProvider Services => app.Services;

    public static Metadata Auth => new() { { "authorization", $"Bearer {Token}" } };

    public IMonitoredServiceGrain Grain(string key) => Services.GetRequiredService<IGrainFactory>().GetGrain<IMonitoredServiceGrain>(key);

    public static Task<MetricsHost> StartAsync(string? directory = null, string? postgres = null, TimeProvider? clock = null, params (string Key, string Value)[] settings) =>
        StartAsync(directory, postgres, clock, null, settings);

    /// <summary>The same, whose log the test reads.</summary>
    public static Task<MetricsHost> StartAsync(LogCapture logs, params (string Key, string Value)[] settings) => StartAsync(null, null, null, logs, settings);

    private static async Task<MetricsHost> StartAsync(string? directory, string? postgres, TimeProvider? clock, LogCapture? logs, (string Key, string Value)[] settings)
    {
        var folder = directory ?? System.IO.Directory.CreateTempSubdirectory("vigil-metrics-").FullName;
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        if (logs is not null) builder.Logging.AddProvider(logs);
        var values = new Dictionary<string, string?>
        {
            ["Listen:GrpcPort"] = "0",
            ["Listen:HttpPort"] = "0",
            ["Storage:Directory"] = folder,
            ["Auth:TokenHashes:admin:0"] = Hash(Token),
            ["Auth:TokenHashes:read:0"] = Hash("reader"),
            ["Telemetry:SelfMetricsInterval"] = "00:00:00",
        };
        if (postgres is not null) values["ConnectionStrings:postgres"] = postgres;
        foreach (var (key, value) in settings) values[key] = value;
        builder.Configuration.AddInMemoryCollection(values);
        if (clock is not null) builder.Services.AddFakeClock(clock);
        builder.AddServiceDefaults(new ServiceIdentity("metrics", 0, 0));
        builder.AddMetrics();
        var app = builder.Build();
        app.MapServiceDefaults();
        app.MapMetrics();
        await app.StartAsync().DefaultTimeout();
        return new MetricsHost(app, clock, folder, directory is null);
    }

    public async Task<PushClient> OpenAsync(string streamId, params (string Name, string Value)[] labels)
    {
        var call = Ingest.Push(Auth);
        var open = new Open { StreamId = streamId };
        foreach (var (name, value) in labels) open.Labels.Add(name, value);
        await call.RequestStream.WriteAsync(new PushRequest { Open = open }).DefaultTimeout();
        var client = new PushClient(call);
        await client.ReadAsync();
        return client;
    }

    public async Task<QueryResponse> AskAsync(string expr, long time = 0) =>
        await Query.QueryAsync(new QueryRequest { Expr = expr, TimeUnixMs = time }, Auth).ResponseAsync.DefaultTimeout();

    /// <summary>The single value that an expression has.</summary>
    public async Task<double> ValueAsync(string expr, long time = 0)
    {
        var response = await AskAsync(expr, time);
        return response.ResultCase == QueryResponse.ResultOneofCase.Scalar ? response.Scalar : Xunit.Assert.Single(response.Vector.Samples).Value;
    }

    /// <summary>With whatever clients and watches are open: nothing may wait for a clock that stands still.</summary>
    public async Task StopAsync() => await app.StopAsync().DefaultTimeout();

    public async ValueTask DisposeAsync()
    {
        channel.Dispose();
        var stopped = app.StopAsync();
        // Calls of the test itself that wait for a moment keep a silo from stopping: where the test's clock stands still, it has to go on for them.
        while (clock is not null && await Task.WhenAny(stopped, Task.Delay(TimeSpan.FromSeconds(1))) != stopped) clock.Advance(TimeSpan.FromSeconds(1));
        await stopped.DefaultTimeout();
        await app.DisposeAsync();
        if (ownsDirectory) System.IO.Directory.Delete(Directory, recursive: true);
    }

    public static string Hash(string token) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)));
}

/// <summary>The caller's side of one push stream.</summary>
internal sealed class PushClient(AsyncDuplexStreamingCall<PushRequest, PushResponse> call) : IDisposable
{
    public AsyncDuplexStreamingCall<PushRequest, PushResponse> Call => call;

    public async Task DeclareAsync(params SeriesDeclaration[] series)
    {
        var declare = new Declare();
        declare.Series.AddRange(series);
        await call.RequestStream.WriteAsync(new PushRequest { Declare = declare }).DefaultTimeout();
    }

    public Task DeclareAsync(uint id, string name, params (string Name, string Value)[] labels) => DeclareAsync(Series(id, name, labels));

    public static SeriesDeclaration Series(uint id, string name, params (string Name, string Value)[] labels)
    {
        var series = new SeriesDeclaration { Id = id, Name = name, Kind = SeriesKind.Gauge };
        foreach (var (label, value) in labels) series.Labels.Add(new Label { Name = label, Value = value });
        return series;
    }

    public async Task SendAsync(ulong sequence, params (uint Id, long Time, double Value)[] samples)
    {
        var frame = new Frame { Sequence = sequence, BaseTimeUnixMs = samples.Length > 0 ? samples[0].Time : 0 };
        foreach (var (id, time, value) in samples)
        {
            frame.SeriesIds.Add(id);
            frame.TimeOffsetsMs.Add(time - frame.BaseTimeUnixMs);
            frame.Values.Add(value);
        }
        await call.RequestStream.WriteAsync(new PushRequest { Frame = frame }).DefaultTimeout();
    }

    public async Task<PushResponse> ReadAsync()
    {
        Xunit.Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout(), "the server ended the stream");
        return call.ResponseStream.Current;
    }

    public async Task<Ack> AckAsync() => (await ReadAsync()).Ack ?? throw new InvalidOperationException("another message came where an ack was expected");

    public async Task<V1.Refusal> RefusalAsync() => (await ReadAsync()).Refusal ?? throw new InvalidOperationException("another message came where a refusal was expected");

    public async Task<RpcException> FailureAsync() => await Xunit.Assert.ThrowsAsync<RpcException>(async () =>
    {
        while (await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout())
        {
        }
    });

    public async Task CloseAsync()
    {
        await call.RequestStream.CompleteAsync().DefaultTimeout();
        Xunit.Assert.False(await call.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout());
    }

    public void Dispose() => call.Dispose();
}

using System.Collections.Concurrent;
using System.Threading.Channels;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Vigil.Metrics.V1;
using Vigil.Testing;

namespace Vigil.Alerting.Tests.Watch;

/// <summary>A Metrics service that says what a test tells it to.</summary>
internal sealed class FakeMetrics : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly Script script;

    private FakeMetrics(WebApplication app, Script script)
    {
        this.app = app;
        this.script = script;
    }

    public string Url => app.Urls.First();

    public static async Task<FakeMetrics> StartAsync()
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.WebHost.ConfigureKestrel(k => k.ConfigureEndpointDefaults(e => e.Protocols = HttpProtocols.Http2));
        var script = new Script();
        builder.Services.AddSingleton(script);
        builder.Services.AddGrpc();
        var app = builder.Build();
        app.MapGrpcService<Service>();
        await app.StartAsync();
        return new FakeMetrics(app, script);
    }

    /// <summary>How many times the stream was opened.</summary>
    public int Streams => script.Streams;

    public Task<WatchRegister> NextRegistration() => script.Registrations.Reader.ReadAsync().DefaultTimeout();

    public Task<string> NextUnregistration() => script.Unregistrations.Reader.ReadAsync().DefaultTimeout();

    /// <summary>Sends an event on the stream that is open.</summary>
    public void Say(string watchId, DateTimeOffset at, uint inputs, params string[] instances)
    {
        var e = new WatchEvent { WatchId = watchId, EvaluatedAtUnixMs = at.ToUnixTimeMilliseconds(), InputSeries = inputs, Changed = true, Vector = new Vector(), CauseReceivedUnixUs = at.ToUnixTimeMilliseconds() * 1_000 };
        foreach (var instance in instances)
        {
            var sample = new VectorSample { Value = 0 };
            sample.Labels.Add(new Label { Name = "__name__", Value = "up" });
            sample.Labels.Add(new Label { Name = "instance", Value = instance });
            e.Vector.Samples.Add(sample);
        }
        script.Events.Writer.TryWrite(e);
    }

    /// <summary>Breaks the stream.</summary>
    public void Break() => script.Events.Writer.TryWrite(null);

    public void Refuse(string expr, string reason) => script.Refused[expr] = reason;

    public ValueTask DisposeAsync() => app.DisposeAsync();

    internal sealed class Script
    {
        public Channel<WatchRegister> Registrations { get; } = Channel.CreateUnbounded<WatchRegister>();

        public Channel<string> Unregistrations { get; } = Channel.CreateUnbounded<string>();

        public Channel<WatchEvent?> Events { get; } = Channel.CreateUnbounded<WatchEvent?>();

        public ConcurrentDictionary<string, string> Refused { get; } = new();

        public int Streams;
    }

    internal sealed class Service(Script script) : MetricsQuery.MetricsQueryBase
    {
        public override Task<QueryResponse> Query(QueryRequest request, ServerCallContext context) => script.Refused.TryGetValue(request.Expr, out var reason)
            ? throw new RpcException(new Status(StatusCode.InvalidArgument, reason))
            : Task.FromResult(new QueryResponse { Vector = new Vector() });

        public override async Task Watch(IAsyncStreamReader<WatchRequest> requestStream, IServerStreamWriter<WatchEvent> responseStream, ServerCallContext context)
        {
            Interlocked.Increment(ref script.Streams);
            using var over = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
            var reading = ReadAsync(requestStream, over.Token);
            await foreach (var e in script.Events.Reader.ReadAllAsync(over.Token))
            {
                if (e is null) break;
                await responseStream.WriteAsync(e, over.Token);
            }
            await over.CancelAsync();
            await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw new RpcException(new Status(StatusCode.Unavailable, "told to break"));
        }

        private async Task ReadAsync(IAsyncStreamReader<WatchRequest> requests, CancellationToken ct)
        {
            await foreach (var request in requests.ReadAllAsync(ct))
            {
                if (request.Register is { } register) await script.Registrations.Writer.WriteAsync(register, ct);
                else await script.Unregistrations.Writer.WriteAsync(request.Unregister.WatchId, ct);
            }
        }
    }
}

using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Vigil.Conformance;

/// <summary>Our server on a free port of this machine, with everything that the suite asks for.</summary>
public sealed class ConformanceServer : IAsyncDisposable
{
    public const int MaxMessage = 16 * 1024 * 1024;

    private readonly WebApplication app;
    private readonly List<GrpcChannel> channels = [];

    private ConformanceServer(WebApplication app)
    {
        this.app = app;
        Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
        Probes = app.Services.GetRequiredService<Probes>();
    }

    public Uri Address { get; }

    public Probes Probes { get; }

    public static async Task<ConformanceServer> StartAsync(Action<KestrelServerOptions>? configure = null, int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k =>
        {
            k.Listen(System.Net.IPAddress.Loopback, port, l => l.Protocols = HttpProtocols.Http2);
            configure?.Invoke(k);
        });
        builder.Services.AddGrpc(o => o.MaxReceiveMessageSize = MaxMessage);
        builder.Services.AddGrpcHealthChecks().AddCheck("self", () => Microsoft.Extensions.Diagnostics.HealthChecks.HealthCheckResult.Healthy());
        // The publisher's first round comes at once.
        builder.Services.Configure<Microsoft.Extensions.Diagnostics.HealthChecks.HealthCheckPublisherOptions>(o => o.Delay = TimeSpan.Zero);
        builder.Services.AddGrpcReflection();
        builder.Services.AddSingleton<Probes>();
        ConformanceServer? server = null;
        builder.Services.AddSingleton<Func<Conformance.ConformanceClient>>(() => new Conformance.ConformanceClient(server!.Connect()));
        var app = builder.Build();
        app.MapGrpcService<ConformanceService>();
        app.MapGrpcHealthChecksService();
        app.MapGrpcReflectionService();
        // Not gRPC at all, though it says so: what a broken server sends our client.
        app.MapPost("/vigil.conformance.v1.Conformance/Broken/{what}", BrokenAnswers.WriteAsync);
        await app.StartAsync();
        return server = new ConformanceServer(app);
    }

    /// <summary>A channel that ends with the server.</summary>
    public GrpcChannel Connect(GrpcChannelOptions? options = null)
    {
        var channel = GrpcChannel.ForAddress(Address, options ?? new GrpcChannelOptions { MaxReceiveMessageSize = MaxMessage });
        lock (channels) channels.Add(channel);
        return channel;
    }

    /// <summary>Stops, giving calls in progress until <paramref name="deadline"/>.</summary>
    public Task StopAsync(CancellationToken deadline = default) => app.StopAsync(deadline);

    public async ValueTask DisposeAsync()
    {
        lock (channels)
            foreach (var channel in channels) channel.Dispose();
        await app.DisposeAsync();
    }
}

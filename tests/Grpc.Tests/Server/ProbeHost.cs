using System.Net;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Vigil.Grpc.Tests.Server;

/// <summary>The handlers of the probe service, as a test sets them; the default sends back what came.</summary>
public sealed class ProbeScript
{
    public Func<Note, ServerCallContext, Task<Note>> Unary { get; set; } = (note, _) => Task.FromResult(note);

    public Func<IAsyncStreamReader<Note>, ServerCallContext, Task<Note>> Collect { get; set; } = async (notes, context) =>
    {
        var sum = new Note();
        while (await notes.MoveNext(context.CancellationToken)) sum.Number += notes.Current.Number;
        return sum;
    };

    public Func<Note, IServerStreamWriter<Note>, ServerCallContext, Task> Expand { get; set; } = async (note, notes, _) =>
    {
        for (var i = 0; i < note.Number; i++) await notes.WriteAsync(new Note { Number = i, Data = note.Data });
    };

    public Func<IAsyncStreamReader<Note>, IServerStreamWriter<Note>, ServerCallContext, Task> Chat { get; set; } = async (requests, responses, context) =>
    {
        while (await requests.MoveNext(context.CancellationToken)) await responses.WriteAsync(requests.Current);
    };
}

public sealed class ProbeService(ProbeScript script) : Probe.ProbeBase
{
    public override Task<Note> Unary(Note request, ServerCallContext context) => script.Unary(request, context);

    public override Task<Note> Collect(IAsyncStreamReader<Note> requestStream, ServerCallContext context) => script.Collect(requestStream, context);

    public override Task Expand(Note request, IServerStreamWriter<Note> responseStream, ServerCallContext context) => script.Expand(request, responseStream, context);

    public override Task Chat(IAsyncStreamReader<Note> requestStream, IServerStreamWriter<Note> responseStream, ServerCallContext context) =>
        script.Chat(requestStream, responseStream, context);
}

/// <summary>A real Kestrel on a free port, speaking HTTP/2 without TLS on one and HTTP/1.1 on another, with the probe service.</summary>
public sealed class ProbeHost : IAsyncDisposable
{
    private readonly WebApplication app;

    private ProbeHost(WebApplication app) => this.app = app;

    public ProbeScript Script { get; } = new();

    public WireClient Wire { get; private set; } = null!;

    public Uri Http1 { get; private set; } = null!;

    public IServiceProvider Services => app.Services;

    public static async Task<ProbeHost> StartAsync(
        Action<GrpcServiceOptions>? options = null, Action<WebApplicationBuilder>? configure = null, Action<WebApplication>? map = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, l => l.Protocols = HttpProtocols.Http2);
            kestrel.Listen(IPAddress.Loopback, 0, l => l.Protocols = HttpProtocols.Http1);
        });
        builder.Services.AddGrpc(options ?? (_ => { }));
        configure?.Invoke(builder);
        ProbeHost? host = null;
        builder.Services.AddSingleton(_ => host!.Script);
        var app = builder.Build();
        host = new ProbeHost(app);
        if (map is null) app.MapGrpcService<ProbeService>();
        else map(app);
        await app.StartAsync();
        var urls = app.Urls.Select(u => new Uri(u)).ToArray();
        host.Wire = new WireClient(urls[0]);
        host.Http1 = urls[1];
        return host;
    }

    public Task StopAsync() => app.StopAsync();

    public async ValueTask DisposeAsync()
    {
        Wire.Dispose();
        await app.DisposeAsync();
    }
}

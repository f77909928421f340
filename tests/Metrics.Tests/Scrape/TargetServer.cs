using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Vigil.Testing;

namespace Vigil.Metrics.Tests.Scrape;

/// <summary>Somebody else's service, on a free port, that answers as the test says.</summary>
internal sealed class TargetServer : IAsyncDisposable
{
    private readonly WebApplication app;

    private TargetServer(WebApplication app) => this.app = app;

    /// <summary>What a request is answered with.</summary>
    public RequestDelegate Answer { get; set; } = _ => Task.CompletedTask;

    /// <summary>host:port</summary>
    public string Address => app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First().Split("://")[1];

    public static async Task<TargetServer> StartAsync(X509Certificate2? certificate = null, HttpProtocols protocols = HttpProtocols.Http1, bool wantsCertificate = false)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0, listen =>
        {
            listen.Protocols = protocols;
            if (certificate is null) return;
            listen.UseHttps(certificate, https =>
            {
                if (!wantsCertificate) return;
                // Whoever it is: the test looks at it.
                https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
                https.ClientCertificateValidation = (_, _, _) => true;
            });
        }));
        var app = builder.Build();
        var server = new TargetServer(app);
        app.Run(context => server.Answer(context));
        await app.StartAsync().DefaultTimeout();
        return server;
    }

    /// <summary>Answers with a page from now on.</summary>
    public void Show(string page, string type = "text/plain; version=0.0.4") => Answer = async context =>
    {
        context.Response.ContentType = type;
        await context.Response.WriteAsync(page);
    };

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync();
        await app.DisposeAsync();
    }
}

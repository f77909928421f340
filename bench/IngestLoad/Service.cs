using System.Security.Cryptography;
using System.Text;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Vigil.Metrics;
using Vigil.ServiceDefaults;

namespace Vigil.IngestLoad;

/// <summary>The Metrics service in this process, on free ports, with its data in a folder of its own.</summary>
internal sealed class Service : IAsyncDisposable
{
    private const string Token = "load";

    private readonly WebApplication app;
    private readonly string folder;

    private Service(WebApplication app, string folder)
    {
        this.app = app;
        this.folder = folder;
    }

    public static Metadata Auth => new() { { "authorization", $"Bearer {Token}" } };

    public GrpcChannel Connect() => GrpcChannel.ForAddress(app.GrpcAddress());

    public static async Task<Service> StartAsync(string? postgres)
    {
        var folder = Directory.CreateTempSubdirectory("vigil-ingest-load-").FullName;
        var builder = WebApplication.CreateBuilder();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Listen:GrpcPort"] = "0",
            ["Listen:HttpPort"] = "0",
            ["Storage:Directory"] = folder,
            ["Auth:TokenHashes:admin:0"] = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Token))),
            ["Telemetry:SelfMetricsInterval"] = "00:00:00",
            ["ConnectionStrings:postgres"] = postgres,
            ["Logging:LogLevel:Default"] = "Warning",
        });
        builder.AddServiceDefaults(new ServiceIdentity("metrics", 0, 0));
        builder.AddMetrics();
        var app = builder.Build();
        app.MapServiceDefaults();
        app.MapMetrics();
        await app.StartAsync();
        return new Service(app, folder);
    }

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync();
        await app.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }
}

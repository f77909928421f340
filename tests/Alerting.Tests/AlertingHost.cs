using System.Security.Cryptography;
using System.Text;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Vigil.Alerting.Grains;
using Vigil.Alerting.Notify;
using Vigil.Alerting.Watch;
using Vigil.ServiceDefaults;
using Vigil.Testing;

namespace Vigil.Alerting.Tests;

/// <summary>A folder with policies and a database, which outlives the hosts that are started on it.</summary>
internal sealed class AlertingHome : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("vigil-alerting");

    public string Policies => Path.Combine(folder.FullName, "policies");

    public string Data => Path.Combine(folder.FullName, "data");

    /// <summary>Set for PostgreSQL instead of SQLite.</summary>
    public string? Postgres { get; init; }

    public AlertingHome(string policies)
    {
        Directory.CreateDirectory(Policies);
        Write(policies);
    }

    public void Write(string policies, string file = "p.yaml") => File.WriteAllText(Path.Combine(Policies, file), policies);

    public void Dispose() => folder.Delete(recursive: true);
}

/// <summary>The whole service in this process, on free ports.</summary>
internal sealed class AlertingHost : IAsyncDisposable
{
    public const string AdminToken = "admin-token-for-tests";

    private readonly WebApplication app;
    private readonly GrpcChannel channel;

    private AlertingHost(WebApplication app)
    {
        this.app = app;
        Http = new HttpClient { BaseAddress = app.HttpAddress() };
        channel = GrpcChannel.ForAddress(app.GrpcAddress());
    }

    public IServiceProvider Services => app.Services;

    public HttpClient Http { get; }

    public V1.Alerts.AlertsClient Alerts => new(channel);

    public V1.Policies.PoliciesClient Policies => new(channel);

    public V1.Notifications.NotificationsClient Notifications => new(channel);

    public static Metadata Admin => new() { { "authorization", $"Bearer {AdminToken}" } };

    public PolicyLoader Loader => Services.GetRequiredService<PolicyLoader>();

    public static async Task<AlertingHost> StartAsync(AlertingHome home, TimeProvider clock, string metricsUrl = "http://127.0.0.1:1",
        IReadOnlyList<IChannel>? channels = null, params (string Key, string Value)[] settings)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Listen:GrpcPort"] = "0",
            ["Listen:HttpPort"] = "0",
            ["Storage:Directory"] = home.Data,
            ["ConnectionStrings:postgres"] = home.Postgres,
            ["Policies:Directory"] = home.Policies,
            ["Notify:Console"] = "false",
            ["services:metrics:grpc:0"] = metricsUrl,
            ["Auth:AllowLoopbackRead"] = "true",
            ["Auth:TokenHashes:admin:0"] = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(AdminToken))),
        });
        foreach (var (key, value) in settings) builder.Configuration[key] = value;
        builder.Services.AddFakeClock(clock);
        builder.AddServiceDefaults(new ServiceIdentity("alerting", 0, 0));
        builder.AddAlerting();
        if (channels is not null) builder.Services.AddSingleton<IEnumerable<IChannel>>(channels);
        var app = builder.Build();
        app.MapServiceDefaults();
        app.MapAlerting();
        await app.StartAsync().DefaultTimeout();
        var host = new AlertingHost(app);
        await host.Loaded();
        return host;
    }

    public IPolicyGrain Policy(string key) => Services.GetRequiredService<IGrainFactory>().GetGrain<IPolicyGrain>(key);

    /// <summary>The expression holds for these instances; none: it does not, over data.</summary>
    public Task Observe(string key, DateTimeOffset at, params string[] instances) => Policy(key).Observe(
        new EvaluationMessage(at, [.. instances.Select(i => new SampleMessage(["__name__", "up", "instance", i], 0))], 5, null, 0)).DefaultTimeout();

    public Task NoData(string key, DateTimeOffset at) => Policy(key).Observe(new EvaluationMessage(at, [], 0, null, 0)).DefaultTimeout();

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        channel.Dispose();
        await app.DisposeAsync().DefaultTimeout();
    }

    private async Task Loaded()
    {
        var table = Services.GetRequiredService<PolicyTable>();
        while (true)
        {
            var (policies, changed) = table.Observe();
            if (policies.Count > 0) return;
            await changed.DefaultTimeout();
        }
    }
}

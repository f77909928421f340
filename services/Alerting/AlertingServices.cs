using Microsoft.Extensions.Options;
using Vigil.Alerting.Api;
using Vigil.Alerting.Grains;
using Vigil.Alerting.Notify;
using Vigil.Alerting.Storage;
using Vigil.Alerting.Watch;
using Vigil.ServiceDefaults;

namespace Vigil.Alerting;

/// <summary>What Alerting consists of.</summary>
internal static class AlertingServices
{
    /// <summary>Registers it. Call after <c>AddServiceDefaults</c>.</summary>
    public static WebApplicationBuilder AddAlerting(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddValidatedOptions<PoliciesOptions>(PoliciesOptions.Section);
        services.AddValidatedOptions<NotifyOptions>(NotifyOptions.Section);
        services.AddMigrations("alerting", AlertingMigrations.All);
        services.AddServiceChannel("metrics", "vigil.metrics.v1.MetricsQuery/Query");
        builder.AddGrains();

        services.AddSingleton<AlertingMetrics>();
        services.AddSingleton(s => new StartTime(s.GetRequiredService<TimeProvider>().GetUtcNow()));
        services.AddSingleton(AddressOf);
        services.AddSingleton<DeliveryLog>();
        services.AddSingleton<IDeliveryLog>(s => s.GetRequiredService<DeliveryLog>());
        services.AddSingleton<IPageReports, GrainPageReports>();
        AddChannels(services);
        services.AddSingleton<PageDispatcher>();

        services.AddSingleton<PolicyTable>();
        services.AddSingleton<ExpressionOracle>();
        services.AddSingleton<PolicyLoader>();
        services.AddSingleton<PolicyReader>();
        services.AddHostedService(s => s.GetRequiredService<PolicyLoader>());
        services.AddHostedService<MetricsRelay>();
        services.AddHostedService<DeliveryLogPruner>();
        return builder;
    }

    /// <summary>Maps its APIs.</summary>
    public static void MapAlerting(this WebApplication app)
    {
        app.MapGrpcService<AlertsApi>();
        app.MapGrpcService<PoliciesApi>();
        app.MapGrpcService<NotificationsApi>();
        app.MapAlertmanagerApi();
    }

    private static void AddChannels(IServiceCollection services)
    {
        services.AddHttpClient("webhook", http => http.Timeout = Timeout.InfiniteTimeSpan)
            .ConfigurePrimaryHttpMessageHandler(() => new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = TimeSpan.FromSeconds(10) })
            .RemoveAllLoggers();
        services.AddSingleton<IEnumerable<IChannel>>(s =>
        {
            var options = s.GetRequiredService<IOptions<NotifyOptions>>().Value;
            var clock = s.GetRequiredService<TimeProvider>();
            var address = s.GetRequiredService<ExternalAddress>().Url;
            var channels = new List<IChannel>();
            if (options.Console) channels.Add(new ConsoleChannel(Console.Out, WantsColour(), clock));
            if (options.File.Path.Length > 0) channels.Add(new FileChannel(options.File.Path));
            for (var i = 0; i < options.Webhooks.Count; i++)
                channels.Add(new WebhookChannel(options.Webhooks[i].NameAt(i), options.Webhooks[i], s.GetRequiredService<IHttpClientFactory>().CreateClient("webhook"), address, clock));
            return channels;
        });
    }

    /// <summary>https://no-color.org and https://force-color.org.</summary>
    private static bool WantsColour() =>
        string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
        && (!Console.IsOutputRedirected || !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("FORCE_COLOR")));

    private static ExternalAddress AddressOf(IServiceProvider services)
    {
        var configured = services.GetRequiredService<IOptions<PoliciesOptions>>().Value.ExternalUrl.TrimEnd('/');
        if (configured.Length > 0) return new ExternalAddress(configured);
        var port = services.GetRequiredService<IOptions<EndpointOptions>>().Value.HttpPort ?? services.GetRequiredService<ServiceIdentity>().HttpPort;
        return new ExternalAddress($"http://localhost:{port}");
    }
}

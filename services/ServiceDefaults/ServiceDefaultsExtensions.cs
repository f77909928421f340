using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

namespace Vigil.ServiceDefaults;

/// <summary>What every service of Vigil has: added once, mapped once.</summary>
public static class ServiceDefaultsExtensions
{
    /// <summary>Name of the meter and activity source of what is in here.</summary>
    public const string MeterName = "Vigil.ServiceDefaults";

    /// <summary>Bytes of one gRPC message, either way.</summary>
    public const int MaxGrpcMessage = 16 << 20;

    /// <summary>
    /// Adds the listeners, checked options, tokens, storage with its migrations, audit log, health, discovery, telemetry and gRPC with
    /// one place that turns errors into status codes.
    /// </summary>
    public static WebApplicationBuilder AddServiceDefaults(this WebApplicationBuilder builder, ServiceIdentity identity)
    {
        var services = builder.Services;
        services.AddSingleton(identity);
        services.TryAddSingleton(TimeProvider.System);
        AddLogging(builder);
        services.AddHostedService<UnknownKeys>();
        builder.AddListeners(identity);
        builder.AddStorage(identity);
        services.AddMigrations(AuditSchema.Component, AuditSchema.Migrations);
        services.AddMigrations(StorageHeartbeat.Component, StorageHeartbeat.Migrations);
        services.AddSingleton<StorageHeartbeat>();
        services.AddSingleton<IAuditLog, AuditLog>();
        services.AddValidatedOptions<AuthOptions>(AuthOptions.Section);
        services.AddSingleton(s => new TokenTable(s.GetRequiredService<IOptions<AuthOptions>>().Value));
        services.AddSingleton<AuthFailures>();
        services.AddSingleton<Failures>();
        services.AddSingleton<IServiceDirectory, ServiceDirectory>();
        services.AddHealth();
        services.AddValidatedOptions<TelemetryOptions>(TelemetryOptions.Section);
        services.AddValidatedOptions<ChannelOptions>(ChannelOptions.Section);
        services.AddSingleton<MetricCollector>();
        services.AddSingleton<ProcessMetrics>();
        services.AddHostedService<SelfMetricsSender>();
        OpenTelemetryExport.Add(builder, identity);
        AddGrpc(services);
        return builder;
    }

    /// <summary>Puts the token check before all endpoints and maps /live, /ready, /health, /metrics, grpc health and reflection.</summary>
    public static WebApplication MapServiceDefaults(this WebApplication app)
    {
        app.UseMiddleware<TraceMiddleware>();
        app.UseMiddleware<HttpErrorMiddleware>();
        app.UseMiddleware<TokenMiddleware>();
        app.MapHealth();
        app.MapGrpcHealthChecksService().WithoutToken();
        app.MapGrpcReflectionService().RequireScope(Scope.Read);
        app.MapGet("/metrics", (MetricCollector collector) => Results.Text(collector.Collect(PrometheusText.Write), PrometheusText.ContentType)).RequireScope(Scope.Read);
        return app;
    }

    private static void AddGrpc(IServiceCollection services)
    {
        services.AddSingleton<RefusalInterceptor>();
        services.AddGrpc(grpc =>
        {
            grpc.Interceptors.Add<RefusalInterceptor>();
            grpc.MaxReceiveMessageSize = MaxGrpcMessage;
            grpc.MaxSendMessageSize = MaxGrpcMessage;
            grpc.EnableDetailedErrors = false;
        });
        services.AddGrpcReflection();
        // grpc health says of the whole server what /ready says.
        services.AddGrpcHealthChecks(health => health.Services.Map("", check => check.Tags.Contains(HealthEndpoints.ReadyTag)));
        services.Configure<HealthCheckPublisherOptions>(publisher =>
        {
            publisher.Delay = TimeSpan.FromSeconds(1);
            publisher.Period = TimeSpan.FromSeconds(5);
        });
    }

    private static void AddLogging(WebApplicationBuilder builder)
    {
        builder.Logging.AddConsole(console => console.FormatterName = builder.Configuration["Logging:Console:FormatterName"] ?? LineFormatter.FormatterName);
        builder.Logging.AddConsoleFormatter<LineFormatter, ConsoleFormatterOptions>();
        // Two lines per request, of what metrics and traces tell already; and a failing check every five seconds, which /health tells. What the
        // configuration says of these categories still holds.
        Quiet("Microsoft.AspNetCore", LogLevel.Warning);
        Quiet("System.Net.Http", LogLevel.Warning);
        Quiet("Grpc", LogLevel.Warning);
        Quiet("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);

        void Quiet(string category, LogLevel level)
        {
            if (builder.Configuration[$"Logging:LogLevel:{category}"] is null) builder.Logging.AddFilter(category, level);
        }
    }
}

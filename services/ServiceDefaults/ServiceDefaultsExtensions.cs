using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Vigil.ServiceDefaults;

/// <summary>What every service of Vigil has: added once, mapped once.</summary>
public static class ServiceDefaultsExtensions
{
    /// <summary>Name of the meter and activity source of what is in here.</summary>
    public const string MeterName = "Vigil.ServiceDefaults";

    /// <summary>
    /// Adds the listeners, checked options, tokens, storage with its migrations, audit log, health, discovery, telemetry and gRPC with
    /// one place that turns errors into status codes.
    /// </summary>
    public static WebApplicationBuilder AddServiceDefaults(this WebApplicationBuilder builder, ServiceIdentity identity)
    {
        var services = builder.Services;
        services.AddSingleton(identity);
        services.TryAddSingleton(TimeProvider.System);
        builder.AddListeners(identity);
        builder.AddStorage(identity);
        services.AddValidatedOptions<AuthOptions>(AuthOptions.Section);
        services.AddSingleton(s => new TokenTable(s.GetRequiredService<IOptions<AuthOptions>>().Value));
        services.AddSingleton<AuthFailures>();
        services.AddSingleton<IServiceDirectory, ServiceDirectory>();
        services.AddHealth();
        return builder;
    }

    /// <summary>Puts the token check before all endpoints and maps /live, /ready, /health, /metrics, grpc health and reflection.</summary>
    public static WebApplication MapServiceDefaults(this WebApplication app)
    {
        app.UseMiddleware<TokenMiddleware>();
        app.MapHealth();
        return app;
    }
}

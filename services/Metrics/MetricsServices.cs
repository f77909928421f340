using Microsoft.Extensions.Options;
using Vigil.Metrics.Api;
using Vigil.Metrics.Dependencies;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Query;
using Vigil.Metrics.Rollups;
using Vigil.Metrics.Rules;
using Vigil.Metrics.Scrape;
using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;
using Vigil.Metrics.Watch;
using Vigil.Metrics.Watch.Incremental;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics;

/// <summary>What the service is made of, and where it answers.</summary>
internal static class MetricsServices
{
    public static WebApplicationBuilder AddMetrics(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddValidatedOptions<MetricsOptions>(MetricsOptions.Section)
            .PostConfigure<IConfiguration>((options, configuration) => options.Retention.TakeShort(configuration.GetSection($"{MetricsOptions.Section}:{nameof(MetricsOptions.Retention)}")));
        services.AddMigrations("metrics", MetricsMigrations.All);
        services.AddMigrations(HistogramStore.Component, HistogramStore.Migrations);
        services.AddSingleton<MetricsInstruments>();
        services.AddMigrations(RollupMigrations.Component, RollupMigrations.All);
        services.AddSingleton<RollupReader>();
        services.AddSingleton<RollupWriter>();
        services.AddSingleton<RollupStore>();
        services.AddSingleton<RetentionStore>();
        services.AddSingleton<RetentionKeeper>();
        services.AddHostedService(s => s.GetRequiredService<RetentionKeeper>());
        services.AddSingleton<MetricsStore>();
        services.AddSingleton<CheckpointSteps>();
        services.AddSingleton<Journal>();
        // Started before the silo and stopped after it: what grains take in until then still becomes durable.
        services.AddHostedService(s => s.GetRequiredService<Journal>());
        services.AddHostedService<MemoryKeeper>();
        services.AddSingleton(new SeriesRules());
        services.AddSingleton<SeriesRouter>();
        services.AddSingleton<SampleColumnsPool>();
        services.AddSingleton<SeriesCache>();
        services.AddSingleton<OtlpIntake>();
        services.AddSingleton<QueryGate>();
        services.AddSingleton<QueryCoordinator>();
        services.AddSingleton<MetricCatalog>();
        services.AddSingleton<LabelFinder>();
        PrometheusApi.AddServices(services);
        services.AddValidatedOptions<RulesOptions>(RulesOptions.Section);
        services.AddSingleton<RuleTable>();
        services.AddSingleton<RuleWriter>();
        services.AddSingleton<StreamLimits>();
        services.AddSingleton<PushCallers>();
        services.AddSingleton<WatchCallers>();
        services.AddSingleton(s => new StandingMemory(s.GetRequiredService<IOptions<MetricsOptions>>().Value.MaxStandingSamples));
        services.AddSingleton(s => new PlanCompiler(
            s.GetRequiredService<QueryCoordinator>().Evaluation.LookbackMs, (long)s.GetRequiredService<IOptions<MetricsOptions>>().Value.MaxStandingWindow.TotalMilliseconds));
        services.AddSingleton(s => new StandingBudget(
            s.GetRequiredService<IOptions<MetricsOptions>>().Value.StandingQueryShare * Environment.ProcessorCount, s.GetRequiredService<TimeProvider>(), s.GetRequiredService<MetricsInstruments>()));
        builder.AddGrains();
        builder.AddScraping();
        // Started after the silo, whose grains it calls.
        services.AddSingleton<RuleLoader>();
        services.AddHostedService(s => s.GetRequiredService<RuleLoader>());
        return builder;
    }

    private static void AddScraping(this WebApplicationBuilder builder)
    {
        builder.Services.AddValidatedOptions<ScrapeOptions>(MetricsOptions.Section);
        builder.Services.AddSingleton<ScrapeInstruments>();
        builder.Services.AddSingleton<ScrapeTargets>();
        builder.Services.AddSingleton<TargetScraperParts>();
        builder.Services.AddSingleton<ScrapeService>();
        // Started after the silo and stopped before it.
        builder.Services.AddHostedService(s => s.GetRequiredService<ScrapeService>());
        builder.Services.AddSingleton<DependencyService>();
        builder.Services.AddHostedService(s => s.GetRequiredService<DependencyService>());
    }

    public static WebApplication MapMetrics(this WebApplication app)
    {
        app.MapGrpcService<IngestApi>();
        app.MapGrpcService<OtlpApi>();
        app.MapGrpcService<QueryApi>();
        OtlpHttpApi.Map(app);
        RemoteWriteApi.Map(app);
        PrometheusApi.Map(app);
        TargetsApi.Map(app);
        app.MapGrpcService<DependenciesApi>();
        DependenciesApi.Map(app);
        return app;
    }
}

using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Storage;

namespace Orleans.Hosting;

/// <summary>Grain state in memory.</summary>
public static class MemoryGrainStorageSiloBuilderExtensions
{
    /// <summary>Keeps state that names no storage in memory: gone with the process.</summary>
    public static ISiloBuilder AddMemoryGrainStorageAsDefault(this ISiloBuilder builder) => builder.AddMemoryGrainStorage(GrainStorage.DefaultName);

    /// <summary>Keeps state of the storage <paramref name="name"/> in memory: gone with the process.</summary>
    public static ISiloBuilder AddMemoryGrainStorage(this ISiloBuilder builder, string name) =>
        builder.ConfigureServices(services => services.AddGrainStorage(name, (_, _) => new VersionedGrainStorage(new MemoryStateStore(), GrainStorage.DefaultName, deleteOnClear: false)));
}

/// <summary>Grain state in a database.</summary>
public static class AdoNetGrainStorageSiloBuilderExtensions
{
    /// <summary>Keeps state that names no storage in a database.</summary>
    public static ISiloBuilder AddAdoNetGrainStorageAsDefault(this ISiloBuilder builder, Action<AdoNetGrainStorageOptions> configureOptions) =>
        builder.AddAdoNetGrainStorage(GrainStorage.DefaultName, configureOptions);

    /// <summary>Keeps state of the storage <paramref name="name"/> in a database.</summary>
    public static ISiloBuilder AddAdoNetGrainStorage(this ISiloBuilder builder, string name, Action<AdoNetGrainStorageOptions> configureOptions) =>
        builder.AddAdoNetGrainStorage(name, options => options.Configure(configureOptions));

    /// <inheritdoc cref="AddAdoNetGrainStorage(ISiloBuilder, string, Action{AdoNetGrainStorageOptions})"/>
    public static ISiloBuilder AddAdoNetGrainStorage(this ISiloBuilder builder, string name, Action<OptionsBuilder<AdoNetGrainStorageOptions>>? configureOptions = null) =>
        builder.ConfigureServices(services =>
        {
            configureOptions?.Invoke(services.AddOptions<AdoNetGrainStorageOptions>(name));
            services.TryAddSingleton<SqliteDatabases>();
            services.AddGrainStorage(name, AdoNet.CreateStorage);
        });
}

/// <summary>Grain state in a place of one's own.</summary>
public static class GrainStorageServiceCollectionExtensions
{
    /// <summary>Keeps state of the storage <paramref name="name"/> where <paramref name="implementationFactory"/> says.</summary>
    public static IServiceCollection AddGrainStorage<T>(this IServiceCollection services, string name, Func<IServiceProvider, string, T> implementationFactory)
        where T : IGrainStorage =>
        services.AddKeyedSingleton<IGrainStorage>(name, (provider, key) => implementationFactory(provider, (string)key!));
}

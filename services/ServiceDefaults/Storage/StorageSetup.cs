using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Vigil.ServiceDefaults;

internal static class StorageSetup
{
    public static void AddStorage(this WebApplicationBuilder builder, ServiceIdentity identity)
    {
        builder.Services.AddValidatedOptions<StorageOptions>(StorageOptions.Section);
        builder.Services.AddSingleton(services => Create(identity, services.GetRequiredService<IConfiguration>(), services.GetRequiredService<IOptions<StorageOptions>>().Value));
        builder.Services.AddHostedService<Migrator>();
    }

    public static IDatabase Create(ServiceIdentity identity, IConfiguration configuration, StorageOptions options) =>
        configuration.GetConnectionString("postgres") is { Length: > 0 } postgres
            ? new PostgresDatabase(postgres, SchemaOf(identity, options), identity.TelemetryName)
            : new SqliteDatabase(identity.Name, options);

    public static string SchemaOf(ServiceIdentity identity, StorageOptions options) => options.Schema ?? "vigil_" + identity.Name;
}

using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Hosting;

namespace Vigil.ServiceDefaults;

/// <summary>Section <c>Orleans</c>: the ports between silos. Only used with the official packages.</summary>
public sealed class GrainOptions : IValidatedOptions
{
    /// <summary>Section name.</summary>
    public const string Section = "Orleans";

    /// <summary>Port on which silos talk to each other. Default: the gRPC port and 20,000.</summary>
    public int? SiloPort { get; set; }

    /// <summary>Port for clients of the cluster. Default: the gRPC port and 30,000.</summary>
    public int? GatewayPort { get; set; }

    /// <inheritdoc />
    public IEnumerable<OptionFault> Validate()
    {
        if (SiloPort is < 1 or > 65535) yield return new(nameof(SiloPort), SiloPort, "1 to 65535");
        if (GatewayPort is < 1 or > 65535) yield return new(nameof(GatewayPort), GatewayPort, "1 to 65535");
    }
}

/// <summary>The silo of a service.</summary>
public static class GrainSetup
{
    /// <summary>Name of the storage for <c>[PersistentState("...", "state")]</c>.</summary>
    public const string StorageName = "state";

    /// <summary>
    /// Adds a silo with durable state under <see cref="StorageName"/> and reminders, on the service's database: with SQLite in a file of its own
    /// beside the service's (SQLite has one writer per file, and grains must not wait for the service's own writes), with PostgreSQL in
    /// the service's schema. Call it after <c>AddServiceDefaults</c>.
    /// </summary>
    /// <param name="builder">The service.</param>
    /// <param name="configure">Further settings of the silo.</param>
    public static WebApplicationBuilder AddGrains(this WebApplicationBuilder builder, Action<ISiloBuilder>? configure = null)
    {
        builder.Services.AddValidatedOptions<GrainOptions>(GrainOptions.Section);
        builder.Services.AddSingleton<GrainDatabase>();
        builder.Services.AddHostedService<GrainSchema>();
        var identity = (ServiceIdentity?)builder.Services.LastOrDefault(s => s.ServiceType == typeof(ServiceIdentity))?.ImplementationInstance
            ?? throw new InvalidOperationException("call AddServiceDefaults before AddGrains");
        var (siloPort, gatewayPort) = Ports(builder.Configuration, identity);
        builder.UseOrleans(silo =>
        {
            silo.UseLocalhostClustering(siloPort, gatewayPort, serviceId: identity.TelemetryName, clusterId: identity.TelemetryName);
            silo.AddAdoNetGrainStorage(StorageName, options => options.Configure<GrainDatabase>((o, database) =>
            {
                o.Invariant = database.Invariant;
                o.ConnectionString = database.ConnectionString;
                // Otherwise every grain that ever was leaves a row behind.
                o.DeleteStateOnClear = true;
            }));
            // Far beyond what a grain that keeps up ever has: a bound for one that is stuck.
            silo.Configure<SiloMessagingOptions>(o => (o.MaxEnqueuedRequestsSoftLimit, o.MaxEnqueuedRequestsHardLimit) = (10_000, 100_000));
            AddReminders(silo, builder.Configuration);
            silo.AddActivityPropagation();
            configure?.Invoke(silo);
        });
        return builder;
    }

    private static void AddReminders(ISiloBuilder silo, IConfiguration configuration)
    {
#if PACKAGESET_OFFICIAL
        // The one difference between the package sets: the official reminders have no SQLite, so that there, without PostgreSQL, they
        // last only as long as the process. Grains that need a reminder register it again when they are activated.
        if (configuration.GetConnectionString("postgres") is not { Length: > 0 })
        {
            silo.UseInMemoryReminderService();
            return;
        }
#endif
        silo.UseAdoNetReminderService(options => options.Configure<GrainDatabase>((o, database) =>
        {
            o.Invariant = database.Invariant;
            o.ConnectionString = database.ConnectionString;
        }));
    }

    private static (int Silo, int Gateway) Ports(IConfiguration configuration, ServiceIdentity identity)
    {
        // Read as they are: a bad value is reported at start, with all others.
        int? Port(string key) => int.TryParse(configuration[key], CultureInfo.InvariantCulture, out var port) && port is >= 0 and <= 65535 ? port : null;
        var grpc = Port($"{EndpointOptions.Section}:{nameof(EndpointOptions.GrpcPort)}") ?? identity.GrpcPort;
        return (Port($"{GrainOptions.Section}:{nameof(GrainOptions.SiloPort)}") ?? Near(grpc, 20_000), Port($"{GrainOptions.Section}:{nameof(GrainOptions.GatewayPort)}") ?? Near(grpc, 30_000));
    }

    // A service on any free port (in tests) has its silo on any free port.
    private static int Near(int grpcPort, int offset)
    {
        if (grpcPort != 0 && grpcPort + offset <= 65535) return grpcPort + offset;
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}

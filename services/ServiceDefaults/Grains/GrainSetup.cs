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

/// <summary>Whether a service's silos work together.</summary>
public enum GrainClustering
{
    /// <summary>One silo: this process has all of the service's grains.</summary>
    Localhost,

    /// <summary>
    /// All processes of the service on the same PostgreSQL database and schema form one cluster and share its grains. Needs the official
    /// packages (<c>PackageSet=official</c>): the bundled silo knows no other, so it refuses to start rather than hold grains that another one holds too.
    /// </summary>
    Postgres,
}

/// <summary>Section <c>Grains</c> (official Orleans reads a section <c>Orleans</c> of its own): the silos of a service. Addresses and ports are only used with the official packages.</summary>
public sealed class GrainOptions : IValidatedOptions
{
    /// <summary>Section name.</summary>
    public const string Section = "Grains";

    /// <summary>Whether this process is one silo of several. Default: it is the only one.</summary>
    public GrainClustering Clustering { get; set; }

    /// <summary>
    /// IP address on which this silo listens, and which it tells to the others of its cluster. Default 127.0.0.1. Silos do not ask each other who they
    /// are: another address than loopback belongs on a network that nothing else can reach.
    /// </summary>
    public string Address { get; set; } = "127.0.0.1";

    /// <summary>Port on which silos talk to each other. Default: the gRPC port and 20,000.</summary>
    public int? SiloPort { get; set; }

    /// <summary>Port for clients of the cluster. Default: the gRPC port and 30,000.</summary>
    public int? GatewayPort { get; set; }

    /// <inheritdoc />
    public IEnumerable<OptionFault> Validate()
    {
#if !PACKAGESET_OFFICIAL
        if (Clustering == GrainClustering.Postgres)
            yield return new(nameof(Clustering), Clustering, "Localhost, as this build has the bundled silo, which forms no cluster: build with -p:PackageSet=official");
#endif
        if (!IPAddress.TryParse(Address, out var address) || address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any))
            yield return new(nameof(Address), Address, "an IP address that the other silos can reach, e.g. 127.0.0.1 or 10.0.0.5");
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
            AddClustering(silo, builder.Configuration, identity, siloPort, gatewayPort);
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

    private static void AddClustering(ISiloBuilder silo, IConfiguration configuration, ServiceIdentity identity, int siloPort, int gatewayPort)
    {
#if PACKAGESET_OFFICIAL
        var clustering = configuration[$"{GrainOptions.Section}:{nameof(GrainOptions.Clustering)}"];
        if (Enum.TryParse(clustering, ignoreCase: true, out GrainClustering kind) && kind == GrainClustering.Postgres)
        {
            silo.Configure<ClusterOptions>(options => (options.ServiceId, options.ClusterId) = (identity.TelemetryName, identity.TelemetryName));
            var address = IPAddress.TryParse(configuration[$"{GrainOptions.Section}:{nameof(GrainOptions.Address)}"], out var given) ? given : IPAddress.Loopback;
            silo.ConfigureEndpoints(address, siloPort, gatewayPort);
            silo.UseAdoNetClustering(options => options.Configure<GrainDatabase>((o, database) =>
            {
                o.Invariant = database.Invariant;
                o.ConnectionString = database.ConnectionString;
            }));
            return;
        }
#endif
        silo.UseLocalhostClustering(siloPort, gatewayPort, serviceId: identity.TelemetryName, clusterId: identity.TelemetryName);
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

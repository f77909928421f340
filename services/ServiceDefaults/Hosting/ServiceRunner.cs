using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Vigil.ServiceDefaults;

/// <summary>Running a service, and where it listens.</summary>
public static partial class ServiceRunner
{
    /// <summary>
    /// Runs until told to stop. What keeps the service from starting and is the operator's to mend (a setting, a taken port, an
    /// unwritable folder) is logged as a sentence instead of a crash with a stack trace.
    /// </summary>
    /// <returns>The exit code: 0 after a stop, 1 when it could not start.</returns>
    public static async Task<int> RunServiceAsync(this WebApplication app, CancellationToken ct = default)
    {
        var log = app.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Vigil.ServiceDefaults.Service");
        try
        {
            await app.StartAsync(ct).ConfigureAwait(false);
        }
        catch (Exception e) when (StartupFailure.Explain(e) is { } sentence)
        {
            foreach (var line in sentence.Split('\n')) LogCannotStart(log, line);
            await app.DisposeAsync().ConfigureAwait(false);
            return 1;
        }
        try
        {
            await app.WaitForShutdownAsync(ct).ConfigureAwait(false);
            return 0;
        }
        finally
        {
            await app.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Where the gRPC listener is, once started; tells the port where 0 was asked for.</summary>
    public static Uri GrpcAddress(this IHost app) => Address(app, 0);

    /// <summary>Where the HTTP listener is, once started.</summary>
    public static Uri HttpAddress(this IHost app) => Address(app, 1);

    // Kestrel lists its addresses in the order in which they were bound: see KestrelSetup.
    private static Uri Address(IHost app, int index) =>
        new(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()?.Addresses.ElementAtOrDefault(index)
            ?? throw new InvalidOperationException("the service is not started"));

    [LoggerMessage(1, LogLevel.Critical, "Cannot start: {Reason}", EventName = "CannotStart")]
    private static partial void LogCannotStart(ILogger log, string reason);
}

using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Vigil.ServiceDefaults;

internal sealed class DatabaseHealthCheck(IDatabase database, StorageHeartbeat heartbeat) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        await heartbeat.BeatAsync(cancellationToken).ConfigureAwait(false) is var (problem, cause)
            ? HealthCheckResult.Unhealthy(problem, cause)
            : HealthCheckResult.Healthy(database.Dialect.Name);
}

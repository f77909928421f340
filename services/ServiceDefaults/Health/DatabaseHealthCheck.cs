using Dapper;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Vigil.ServiceDefaults;

internal sealed class DatabaseHealthCheck(IDatabase database) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            await using var connection = await database.OpenAsync(cancellationToken).ConfigureAwait(false);
            await connection.ExecuteScalarAsync<long>(new CommandDefinition("SELECT count(*) FROM schema_version", cancellationToken: cancellationToken)).ConfigureAwait(false);
            return HealthCheckResult.Healthy(database.Dialect.Name);
        }
        catch (Exception e) when (e is StorageException or System.Data.Common.DbException)
        {
            // The full message names paths; this one is shown to callers without a token.
            return HealthCheckResult.Unhealthy("the database does not answer", e);
        }
    }
}

namespace Vigil.Alerting.Storage;

/// <summary>Once a day, forgets deliveries older than the log keeps.</summary>
internal sealed partial class DeliveryLogPruner(DeliveryLog deliveries, TimeProvider clock, ILogger<DeliveryLogPruner> log) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var daily = new PeriodicTimer(TimeSpan.FromDays(1), clock);
        try
        {
            do
            {
                try
                {
                    await deliveries.PruneAsync(clock.GetUtcNow(), stoppingToken).ConfigureAwait(false);
                }
                // A cancellation that is not ours (a command that gave up, a connection that closed) must not end the host.
                catch (Exception e) when (!stoppingToken.IsCancellationRequested)
                {
                    LogFailed(e);
                }
            }
            while (await daily.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    [LoggerMessage(60, LogLevel.Warning, "Old deliveries could not be removed; tomorrow again")]
    private partial void LogFailed(Exception e);
}

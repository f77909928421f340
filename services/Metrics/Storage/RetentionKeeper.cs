using System.Data.Common;
using Microsoft.Extensions.Options;
using Vigil.Metrics.Rollups;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Storage;

/// <summary>
/// Keeps samples and rollups within the bytes that they may take, in steps that let through what comes in, and gives the disk back what that frees. Their age is looked after by the grains, at their
/// checkpoints.
/// </summary>
internal sealed class RetentionKeeper(RetentionStore store, MetricsStore metrics, IOptions<MetricsOptions> options, MetricsInstruments instruments, TimeProvider clock, ILogger<RetentionKeeper> log) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(10);

    /// <summary>Looks once.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        var deleted = 0;
        foreach (var resolution in Enum.GetValues<Resolution>())
        {
            var most = options.Value.Retention.BytesOf(resolution);
            if (most == 0) continue;
            var excess = await store.BytesAsync(resolution, ct).ConfigureAwait(false) - most;
            while (excess > 0)
            {
                var (pages, bytes) = await store.DeleteOldestAsync(resolution, excess, ct).ConfigureAwait(false);
                if (pages == 0) break;
                instruments.Deleted(resolution, "size", pages);
                excess -= bytes;
                deleted += pages;
            }
        }
        if (deleted > 0) await metrics.GiveBackAsync(ct).ConfigureAwait(false);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false))
            {
                try
                {
                    await RunAsync(stoppingToken).ConfigureAwait(false);
                }
                catch (Exception e) when (e is DbException or StorageException)
                {
                    MetricsLog.RetentionFailed(log, e);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The end.
        }
    }
}

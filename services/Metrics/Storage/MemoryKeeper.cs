using Vigil.Metrics.Api;
using Vigil.Metrics.Grains;

namespace Vigil.Metrics.Storage;

/// <summary>
/// Gives memory back that the collector would keep. A flood and a start need buffers and tables of a size of their own; then next to nothing
/// is allocated any more, so that the collector, which acts on allocation, sees no reason to look at what that left behind. A compaction stops the process for about a
/// millisecond for each megabyte that stays: hence only where much is to be had, and not at all where much would stay.
/// </summary>
internal sealed class MemoryKeeper(SampleColumnsPool columns, CheckpointSteps steps, TimeProvider clock, ILogger<MemoryKeeper> log) : BackgroundService
{
    private const long MinGain = 32 * 1024 * 1024;
    private const long MaxCompacted = 512 * 1024 * 1024;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    private long survived;
    private long allocated;

    /// <summary>Whether a compaction is worth its pause.</summary>
    /// <param name="committed">Bytes that the collector has from the system.</param>
    /// <param name="survived">Bytes that were in use after the last compaction.</param>
    public static bool IsWorthwhile(long committed, long survived) => committed > survived + survived / 2 + MinGain && survived <= MaxCompacted;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken).ConfigureAwait(false)) Look();
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The end.
        }
    }

    private void Look()
    {
        var before = GC.GetGCMemoryInfo(GCKind.Any);
        // While it is busy the collector has work of its own, and what is given back would be asked for again.
        var since = GC.GetTotalAllocatedBytes() - allocated;
        allocated += since;
        if (since > MinGain || !IsWorthwhile(before.TotalCommittedBytes, survived)) return;
        columns.Clear();
        steps.Clear();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        NativeHeap.Trim();
        var after = GC.GetGCMemoryInfo(GCKind.FullBlocking);
        survived = after.HeapSizeBytes;
        MetricsLog.MemoryGivenBack(log, before.TotalCommittedBytes >> 20, after.TotalCommittedBytes >> 20, after.PauseDurations[0].TotalMilliseconds);
    }
}

using System.Data.Common;
using System.Diagnostics;
using Vigil.Metrics.Rollups;
using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Grains;

/// <summary>
/// Writes the state of one grain out, trims its journal, lets old samples leave memory and, once an hour, the database. Runs in
/// the grain's turns and lets other calls in between its steps; see <see cref="MetricsStore"/> for why that is safe.
/// </summary>
internal sealed class Checkpointer(
    string grain, ServiceSeries state, MetricsStore store, RollupWriter rollupWriter, CheckpointSteps steps, MetricsOptions options, MetricsInstruments instruments, ILogger log, long journalBytes)
{
    private const long HourMs = 3_600_000;

    private readonly HistogramCheckpoint histograms = new(grain, state.Table, store.Histograms);
    private readonly RollupCheckpoint rollups = new(grain, rollupWriter, options, instruments, log);
    private Task<bool>? running;
    private long retainedAt = long.MinValue;

    /// <summary>Bytes of journal since the last checkpoint.</summary>
    public long JournalBytes { get; private set; } = journalBytes;

    /// <summary>The journal has grown so much that a checkpoint should not wait for its timer.</summary>
    public bool IsDue => JournalBytes >= options.CheckpointJournalBytes && running is null;

    /// <summary>Ends with the checkpoint that is being made, if any.</summary>
    public Task Running => running ?? Task.CompletedTask;

    /// <summary>Takes note of a row.</summary>
    public void Journaled(int bytes) => JournalBytes += bytes;

    /// <summary>Makes a checkpoint, or joins the one that is being made. False where it failed: the journal still has everything.</summary>
    /// <param name="now">Milliseconds since 1970.</param>
    /// <param name="leaving">It is the last one of this activation, which a stop waits for: what can wait is left to the next.</param>
    public Task<bool> RunAsync(long now, bool leaving = false) => running ?? StartAsync(now, leaving);

    private async Task<bool> StartAsync(long now, bool leaving)
    {
        var done = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        running = done.Task;
        var start = Stopwatch.GetTimestamp();
        var succeeded = false;
        try
        {
            var calm = JournalBytes < options.CheckpointJournalBytes;
            await WriteAsync(now);
            // In a flood, which is when the journal and not the clock asks for checkpoints, the next journal needs the space at once.
            if (calm && !leaving)
            {
                await rollups.RunAsync(now);
                await store.ShrinkAsync(CancellationToken.None);
            }
            if (now - HourMs >= retainedAt && !leaving)
            {
                await RetainAsync(now);
                retainedAt = now;
            }
            succeeded = true;
        }
        catch (Exception e) when (e is DbException or StorageException or InvalidOperationException or TimeoutException)
        {
            MetricsLog.CheckpointFailed(log, grain, e);
        }
        finally
        {
            running = null;
            instruments.Checkpoints.Record(Stopwatch.GetElapsedTime(start).TotalSeconds);
            done.SetResult(succeeded);
        }
        return succeeded;
    }

    private async Task WriteAsync(long now)
    {
        // What is applied up to here is in the series that are written below; later rows may be too, which does no harm.
        var through = state.AppliedRow;
        var bytes = JournalBytes;
        var idle = now - (long)options.StreamMemory.TotalMilliseconds;
        var streams = state.Streams.Where(s => s.Value.SeenAt >= idle).ToArray();
        var buckets = state.Table.All.Where(e => e.Samples.Unsaved).Select(e => e.Bucket).Distinct().ToArray();
        if (buckets.Length == 0 && bytes == 0) return;
        var count = 0;
        var cutoff = now - (long)options.MemoryWindow.TotalMilliseconds;
        foreach (var bucket in buckets) count += await SaveAsync(bucket, cutoff);
        await histograms.SaveAsync();
        await store.FinishCheckpointAsync(grain, through, state.Table.NextId, streams, CancellationToken.None);
        JournalBytes -= bytes;
        MetricsLog.CheckpointWritten(log, grain, count, through);
        foreach (var bucket in state.Table.Buckets) bucket.Evict(cutoff, options.MaxSamplesInMemoryPerSeries);
    }

    private async Task<int> SaveAsync(int bucket, long cutoff, bool declare = false)
    {
        var step = steps.Take();
        var saved = step.Fill(state.Table, bucket, declare);
        var count = step.Count;
        try
        {
            await store.SaveBucketAsync(grain, saved, CancellationToken.None);
        }
        catch
        {
            step.Failed();
            throw;
        }
        step.Succeeded(cutoff, options.MaxSamplesInMemoryPerSeries);
        if (!saved.Sealed.IsEmpty) rollups.Sealed(bucket, saved.First);
        steps.Return(step);
        return count;
    }

    private async Task<int> DeleteOlderAsync(Resolution resolution, long before)
    {
        int all = 0, deleted;
        do
        {
            deleted = await store.Retention.DeleteOlderAsync(grain, resolution, before, CancellationToken.None);
            if (deleted > 0) instruments.Deleted(resolution, "age", deleted);
            all += deleted;
        }
        while (deleted == RetentionStore.PagesPerStep);
        return all;
    }

    private async Task RetainAsync(long now)
    {
        var deleted = 0;
        foreach (var resolution in Enum.GetValues<Resolution>()) deleted += await DeleteOlderAsync(resolution, now - (long)options.Retention.Of(resolution).TotalMilliseconds);
        if (deleted > 0) await store.GiveBackAsync(CancellationToken.None);
        var cutoff = now - (long)options.Retention.Raw.TotalMilliseconds;
        await histograms.RetainAsync(cutoff);
        // Newly declared series have no samples yet: only what had some, all too old, goes.
        foreach (var bucket in state.Table.All.Where(IsGone).Select(e => e.Bucket).Distinct().ToArray())
        {
            // While the bucket before was written a series may have had a sample again.
            var gone = state.Table.InBucket(bucket).Where(IsGone).ToArray();
            foreach (var entry in gone) state.Table.Remove(entry);
            instruments.Series.Add(-gone.Length);
            if (gone.Length > 0) await SaveAsync(bucket, cutoff, declare: true);
        }

        bool IsGone(SeriesEntry entry) => entry.LastTime != long.MinValue && entry.LastTime < cutoff && !entry.Samples.Unsaved && entry.Histograms is not { Unsaved: true };
    }
}

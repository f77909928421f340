using System.Buffers;
using System.Data.Common;
using System.Diagnostics;
using Vigil.Metrics.Series;
using Vigil.Metrics.Storage;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Grains;

/// <summary>
/// Writes the state of one grain out, trims its journal, lets old samples leave memory and, once an hour, the database. Runs in
/// the grain's turns and lets other calls in between its steps; see <see cref="MetricsStore"/> for why that is safe.
/// </summary>
internal sealed class Checkpointer(string grain, ServiceSeries state, MetricsStore store, MetricsOptions options, MetricsInstruments instruments, ILogger log, long journalBytes)
{
    /// <summary>Series in one transaction: a few milliseconds, which is what the journal may have to wait.</summary>
    private const int SeriesPerStep = 200;

    private const int BlocksPerStep = 1_000;
    private const long HourMs = 3_600_000;

    private readonly HistogramCheckpoint histograms = new(grain, state.Table, store.Histograms);
    private Task<bool>? running;
    private CheckpointStep? step;
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
    public Task<bool> RunAsync(long now) => running ?? StartAsync(now);

    private async Task<bool> StartAsync(long now)
    {
        var done = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        running = done.Task;
        var start = Stopwatch.GetTimestamp();
        var succeeded = false;
        try
        {
            await WriteAsync(now);
            if (now - HourMs >= retainedAt)
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
        var unsaved = ArrayPool<SeriesEntry>.Shared.Rent(state.Table.Count);
        var count = 0;
        try
        {
            foreach (var entry in state.Table.All)
            {
                if (entry.Samples.Unsaved) unsaved[count++] = entry;
            }
            if (count == 0 && bytes == 0) return;
            for (var start = 0; start < count; start += SeriesPerStep) await SaveAsync(new ArraySegment<SeriesEntry>(unsaved, start, Math.Min(SeriesPerStep, count - start)));
        }
        finally
        {
            ArrayPool<SeriesEntry>.Shared.Return(unsaved, clearArray: true);
        }
        await histograms.SaveAsync();
        await store.FinishCheckpointAsync(grain, through, state.Table.NextId, streams, CancellationToken.None);
        JournalBytes -= bytes;
        MetricsLog.CheckpointWritten(log, grain, count, through);
        var cutoff = now - (long)options.MemoryWindow.TotalMilliseconds;
        state.Table.Blocks.Trim();
        foreach (var entry in state.Table.All)
        {
            entry.Samples.Evict(cutoff, options.MaxSamplesInMemoryPerSeries);
            entry.Histograms?.Evict(cutoff, options.MaxSamplesInMemoryPerSeries);
        }
    }

    private async Task SaveAsync(ArraySegment<SeriesEntry> entries)
    {
        step ??= new CheckpointStep();
        step.Fill(entries);
        try
        {
            await store.SaveSeriesAsync(grain, step.Saved, CancellationToken.None);
        }
        catch
        {
            for (var i = 0; i < entries.Count; i++) entries[i].Samples.RestoreUnsaved(step.Marks[i]);
            throw;
        }
        finally
        {
            step.Clear(state.Table.Blocks);
        }
        foreach (var entry in entries) entry.DeclarationSaved = true;
    }

    private async Task RetainAsync(long now)
    {
        var cutoff = now - (long)options.Retention.TotalMilliseconds;
        int deleted;
        do deleted = await store.DeleteBlocksAsync(grain, cutoff, BlocksPerStep, CancellationToken.None);
        while (deleted == BlocksPerStep);
        await histograms.RetainAsync(cutoff);
        // Newly declared series have no samples yet: only what had some, all too old, goes.
        var gone = state.Table.All.Where(e => e.LastTime != long.MinValue && e.LastTime < cutoff && !e.Samples.Unsaved && e.Histograms is not { Unsaved: true }).ToArray();
        foreach (var chunk in gone.Chunk(SeriesPerStep))
        {
            // While the chunk before was written a series may have had a sample again.
            var step = Array.FindAll(chunk, e => e.LastTime < cutoff && !e.Samples.Unsaved && e.Histograms is not { Unsaved: true });
            foreach (var entry in step) state.Table.Remove(entry);
            instruments.Series.Add(-step.Length);
            await store.DeleteSeriesAsync(grain, [.. step.Select(e => e.Id)], CancellationToken.None);
        }
    }
}

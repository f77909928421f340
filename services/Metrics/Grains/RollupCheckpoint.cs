using Vigil.Metrics.Rollups;

namespace Vigil.Metrics.Grains;

/// <summary>The part of a checkpoint that is about rollups: decides when a bucket's new pages are rolled up, and how much at once.</summary>
internal sealed class RollupCheckpoint(string grain, RollupWriter writer, MetricsOptions options, MetricsInstruments instruments, ILogger log)
{
    // Many where a database has pages of before there were rollups; the rest waits for the next checkpoint.
    private const int StepsPerRun = 64;

    // Time of the oldest sample that is not rolled up, of each bucket that has some.
    private readonly Dictionary<int, long> waiting = [];
    private bool looked;

    /// <summary>Takes note of a page.</summary>
    public void Sealed(int bucket, long first) => waiting[bucket] = Math.Min(first, waiting.GetValueOrDefault(bucket, long.MaxValue));

    /// <summary>Rolls up what waits for it long enough.</summary>
    public async Task RunAsync(long now)
    {
        if (!looked)
        {
            // What was not rolled up before the last end is known only to the database.
            foreach (var (bucket, last) in await writer.WaitingAsync(grain, CancellationToken.None)) Sealed(bucket, last);
            looked = true;
        }
        var due = now - (long)options.RollupDelay.TotalMilliseconds;
        var steps = 0;
        foreach (var bucket in waiting.Where(w => w.Value <= due).OrderBy(w => w.Value).Select(w => w.Key).ToArray())
        {
            var pages = RollupWriter.PagesPerStep;
            while (pages == RollupWriter.PagesPerStep && steps++ < StepsPerRun)
            {
                try
                {
                    pages = await writer.RollUpAsync(grain, bucket, options.KeepsMinutesLonger, CancellationToken.None);
                    instruments.PagesRolledUp.Add(pages);
                }
                catch (InvalidDataException e)
                {
                    MetricsLog.RollUpStopped(log, grain, e);
                    pages = 0;
                }
            }
            // What a damaged page stops is tried again when the bucket has a new one.
            if (pages < RollupWriter.PagesPerStep) waiting.Remove(bucket);
            if (steps >= StepsPerRun) return;
        }
    }
}

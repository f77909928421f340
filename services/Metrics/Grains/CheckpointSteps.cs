using System.Collections.Concurrent;

namespace Vigil.Metrics.Grains;

/// <summary>Steps of checkpoints, for all grains together: each has a few hundred kilobytes, and of many grains few write at once.</summary>
internal sealed class CheckpointSteps
{
    private static readonly int Most = Environment.ProcessorCount;
    private readonly ConcurrentBag<CheckpointStep> free = [];

    public CheckpointStep Take() => free.TryTake(out var step) ? step : new CheckpointStep();

    /// <summary>Takes one back that is not in use.</summary>
    public void Return(CheckpointStep step)
    {
        if (free.Count < Most) free.Add(step);
    }

    /// <summary>Forgets those that are not in use.</summary>
    public void Clear() => free.Clear();
}

namespace Vigil.GrpcLoad;

/// <summary>One measurement: work done per second, and what a unit of it took of this process: bytes allocated, seconds of processor time.</summary>
public readonly record struct Sample(double PerSecond, double AllocatedPerUnit, double CpuPerUnit);

public static class Measure
{
    /// <summary>Runs <paramref name="step"/> again and again on so many workers. A step is told how to ask whether time is left, and says how much it did.</summary>
    public static async Task<Sample> RunAsync(int workers, double seconds, Func<Func<bool>, Task<long>> step)
    {
        var clock = TimeProvider.System;
        var start = clock.GetTimestamp();
        var end = start + (long)(seconds * clock.TimestampFrequency);
        var before = GC.GetTotalAllocatedBytes();
        var cpuBefore = Environment.CpuUsage.TotalTime;
        var done = await Task.WhenAll(Enumerable.Range(0, workers).Select(_ => Task.Run(WorkAsync)));
        var elapsed = clock.GetElapsedTime(start).TotalSeconds;
        var total = done.Sum();
        return new Sample(total / elapsed, (GC.GetTotalAllocatedBytes() - before) / (double)total, (Environment.CpuUsage.TotalTime - cpuBefore).TotalSeconds / total);

        bool TimeIsLeft() => clock.GetTimestamp() < end;

        async Task<long> WorkAsync()
        {
            long count = 0;
            while (TimeIsLeft()) count += await step(TimeIsLeft);
            return count;
        }
    }

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        var middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}

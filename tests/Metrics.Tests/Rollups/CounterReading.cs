using System.Diagnostics.Metrics;

namespace Vigil.Metrics.Tests.Rollups;

/// <summary>What one counter, of one service of this process, counts from now on.</summary>
internal sealed class CounterReading : IDisposable
{
    private readonly MeterListener listener = new();
    private long total;

    public CounterReading(Counter<long> counter)
    {
        listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref total, value));
        listener.EnableMeasurementEvents(counter);
        listener.Start();
    }

    public long Total => Interlocked.Read(ref total);

    public void Dispose() => listener.Dispose();
}

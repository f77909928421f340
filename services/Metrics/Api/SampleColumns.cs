using System.Collections.Concurrent;

namespace Vigil.Metrics.Api;

/// <summary>Columns for one batch. From <see cref="SampleColumnsPool"/>.</summary>
internal sealed class SampleColumns
{
    public int[] Series { get; private set; } = [];

    public long[] Times { get; private set; } = [];

    public double[] Values { get; private set; } = [];

    public int Count { get; private set; }

    /// <summary>Empties the columns and makes room for as many samples.</summary>
    public void Clear(int capacity)
    {
        Count = 0;
        if (Series.Length >= capacity) return;
        Series = new int[capacity];
        Times = new long[capacity];
        Values = new double[capacity];
    }

    public void Add(int series, long time, double value)
    {
        Series[Count] = series;
        Times[Count] = time;
        Values[Count++] = value;
    }
}

/// <summary>
/// Columns that are free, for all push streams together. Not the shared array pool, which keeps few arrays of a size: a busy service has
/// hundreds of frames on their way.
/// </summary>
internal sealed class SampleColumnsPool
{
    /// <summary>Samples that the columns kept have room for together: 80 MB, at 20 bytes a sample.</summary>
    internal const int MostSamples = 4 * 1024 * 1024;

    private readonly ConcurrentQueue<SampleColumns> free = new();
    private int kept;

    /// <summary>Columns at hand.</summary>
    public int Count => free.Count;

    /// <summary>Empty columns with room for as many samples.</summary>
    public SampleColumns Rent(int capacity)
    {
        if (free.TryDequeue(out var columns)) Interlocked.Add(ref kept, -columns.Series.Length);
        else columns = new SampleColumns();
        columns.Clear(capacity);
        return columns;
    }

    /// <summary>Forgets those that are not in use.</summary>
    public void Clear()
    {
        while (free.TryDequeue(out var columns)) Interlocked.Add(ref kept, -columns.Series.Length);
    }

    /// <summary>Takes columns back. Only after a call that returned: one that timed out may still read them.</summary>
    public void Return(SampleColumns columns)
    {
        if (Interlocked.Add(ref kept, columns.Series.Length) <= MostSamples) free.Enqueue(columns);
        else Interlocked.Add(ref kept, -columns.Series.Length);
    }
}

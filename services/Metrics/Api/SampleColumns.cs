using System.Buffers;

namespace Vigil.Metrics.Api;

/// <summary>Columns for one batch, from a pool. Give them back only after a call that returned: one that timed out may still read them.</summary>
internal sealed class SampleColumns(int capacity)
{
    public int[] Series { get; } = ArrayPool<int>.Shared.Rent(capacity);

    public long[] Times { get; } = ArrayPool<long>.Shared.Rent(capacity);

    public double[] Values { get; } = ArrayPool<double>.Shared.Rent(capacity);

    public int Count { get; private set; }

    public void Add(int series, long time, double value)
    {
        Series[Count] = series;
        Times[Count] = time;
        Values[Count++] = value;
    }

    public void Return()
    {
        ArrayPool<int>.Shared.Return(Series);
        ArrayPool<long>.Shared.Return(Times);
        ArrayPool<double>.Shared.Return(Values);
    }
}

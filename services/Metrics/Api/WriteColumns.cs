using System.Buffers;
using Vigil.Metrics.Grains;

namespace Vigil.Metrics.Api;

/// <summary>
/// Samples of one request for one grain, in columns from a pool that grow. Beside each sample lies the place in the request that its series
/// stands at, for who must be told of it. Give them back only after a call that returned: one that timed out may still read them.
/// </summary>
internal sealed class WriteColumns(WriteTarget target)
{
    /// <summary>Samples after which another batch is begun, at the next series.</summary>
    private const int FullCount = 65_536;

    private int[] series = ArrayPool<int>.Shared.Rent(512);
    private int[] places = ArrayPool<int>.Shared.Rent(512);
    private long[] times = ArrayPool<long>.Shared.Rent(512);
    private double[] values = ArrayPool<double>.Shared.Rent(512);

    public WriteTarget Target => target;

    public int Count { get; private set; }

    public bool IsFull => Count >= FullCount;

    public ReadOnlySpan<int> Series => series.AsSpan(0, Count);

    /// <summary>Where the series of each sample stands in the request.</summary>
    public ReadOnlySpan<int> Places => places.AsSpan(0, Count);

    /// <summary>The moment of a sample, milliseconds since 1970.</summary>
    public long TimeAt(int index) => times[index];

    public void Add(int id, long time, double value, int place)
    {
        if (Count == series.Length || Count == times.Length || Count == values.Length || Count == places.Length) Grow();
        series[Count] = id;
        times[Count] = time;
        values[Count] = value;
        places[Count++] = place;
    }

    /// <summary>Takes back what was added after there were so many.</summary>
    public void Truncate(int count) => Count = count;

    public AppendBatch ToBatch(Door door, long receivedUnixUs) => new()
    {
        Count = Count,
        Series = series,
        Times = times,
        Values = values,
        ReceivedUnixUs = receivedUnixUs,
        Door = door,
    };

    public void Return()
    {
        ArrayPool<int>.Shared.Return(series);
        ArrayPool<int>.Shared.Return(places);
        ArrayPool<long>.Shared.Return(times);
        ArrayPool<double>.Shared.Return(values);
        (series, places, times, values, Count) = ([], [], [], [], 0);
    }

    private void Grow()
    {
        Grow(ref series);
        Grow(ref places);
        Grow(ref times);
        Grow(ref values);
    }

    private void Grow<T>(ref T[] column)
    {
        var larger = ArrayPool<T>.Shared.Rent(2 * Count);
        column.AsSpan(0, Count).CopyTo(larger);
        ArrayPool<T>.Shared.Return(column);
        column = larger;
    }
}

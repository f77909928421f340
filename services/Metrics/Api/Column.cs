using System.Buffers;

namespace Vigil.Metrics.Api;

/// <summary>
/// One column of a frame, in an array from a pool. Beyond <see cref="MetricsOptions.MostSamplesPerFrame"/>, which no configuration
/// allows, values are counted and not kept: the frame is refused by its size.
/// </summary>
/// <typeparam name="T">A number.</typeparam>
internal sealed class Column<T> where T : unmanaged
{
    private T[] items = [];

    /// <summary>How many were sent.</summary>
    public int Count { get; private set; }

    /// <summary>Values were sent that are not kept.</summary>
    public bool IsTooLong => Count > MetricsOptions.MostSamplesPerFrame;

    /// <summary>What was sent; nothing where it was too many.</summary>
    public ReadOnlySpan<T> Values => IsTooLong ? [] : items.AsSpan(0, Count);

    /// <summary>Adds one.</summary>
    public void Add(T value)
    {
        var room = Extend(1);
        if (!room.IsEmpty) room[0] = value;
    }

    /// <summary>Adds as many and returns the place to write them to: empty where they are too many to keep.</summary>
    public Span<T> Extend(int count)
    {
        var start = Count;
        Count += count;
        if (IsTooLong) return [];
        if (Count > items.Length)
        {
            var larger = ArrayPool<T>.Shared.Rent(start == 0 ? count : Math.Max(Count, 2 * start));
            items.AsSpan(0, start).CopyTo(larger);
            Return();
            items = larger;
        }
        return items.AsSpan(start, count);
    }

    /// <summary>Gives the array back.</summary>
    public void Return()
    {
        if (items.Length > 0) ArrayPool<T>.Shared.Return(items);
        items = [];
    }
}

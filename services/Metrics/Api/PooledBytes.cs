using System.Buffers;

namespace Vigil.Metrics.Api;

/// <summary>Bytes in an array from a pool, which gets it back when this is disposed.</summary>
internal sealed class PooledBytes(int capacity) : IDisposable
{
    private byte[] array = ArrayPool<byte>.Shared.Rent(capacity);

    /// <summary>How many there are.</summary>
    public int Length { get; private set; }

    public ReadOnlySpan<byte> Span => array.AsSpan(0, Length);

    /// <summary>The same, for those that need an array.</summary>
    public ArraySegment<byte> Segment => new(array, 0, Length);

    /// <summary>Adds as many bytes at the end and returns the place to write them to.</summary>
    public Span<byte> Extend(int count)
    {
        if (Length + count > array.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(Length + count, 2 * array.Length));
            Span.CopyTo(larger);
            ArrayPool<byte>.Shared.Return(array);
            array = larger;
        }
        Length += count;
        return array.AsSpan(Length - count, count);
    }

    /// <summary>Takes bytes off the end again.</summary>
    public void Shorten(int count) => Length -= count;

    public void Dispose()
    {
        if (array.Length > 0) ArrayPool<byte>.Shared.Return(array);
        (array, Length) = ([], 0);
    }
}

namespace Vigil.Metrics.Series;

/// <summary>
/// Memory for pages, in chunks of one size: once windows are full, what a page leaves behind is what the next one takes, however long either is. Not safe for
/// several threads.
/// </summary>
internal sealed class PageMemory
{
    private const int ChunkSize = 2048;

    // Between one page that goes and one that comes; what is beyond that is the collector's.
    private const int MostFree = 48;

    private readonly Stack<byte[]> free = new();

    /// <summary>Copies data into chunks.</summary>
    public byte[][] Store(ReadOnlySpan<byte> data)
    {
        var chunks = new byte[(data.Length + ChunkSize - 1) / ChunkSize][];
        for (var i = 0; i < chunks.Length; i++)
        {
            var part = data[(i * ChunkSize)..Math.Min(data.Length, (i + 1) * ChunkSize)];
            // The end of a page is as long as it is, for pages of services with few series are short.
            chunks[i] = part.Length < ChunkSize / 2 ? new byte[part.Length] : free.TryPop(out var chunk) ? chunk : new byte[ChunkSize];
            part.CopyTo(chunks[i]);
        }
        return chunks;
    }

    /// <summary>Copies what begins at <paramref name="start"/>.</summary>
    public static void Load(byte[][] chunks, int start, Span<byte> target)
    {
        var (at, offset) = (start / ChunkSize, start % ChunkSize);
        while (target.Length > 0)
        {
            var part = chunks[at++].AsSpan(offset);
            if (part.Length > target.Length) part = part[..target.Length];
            part.CopyTo(target);
            target = target[part.Length..];
            offset = 0;
        }
    }

    /// <summary>Takes chunks back.</summary>
    public void Release(byte[][] chunks)
    {
        foreach (var chunk in chunks)
        {
            if (chunk.Length == ChunkSize && free.Count < MostFree) free.Push(chunk);
        }
    }
}

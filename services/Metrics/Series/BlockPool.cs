using System.Runtime.InteropServices;

namespace Vigil.Metrics.Series;

/// <summary>
/// The memory of blocks that have left, for blocks to come: in a grain whose windows are full about as much comes as goes. What nobody wanted
/// during <see cref="Patience"/> calls of <see cref="Trim"/> goes to the collector. Not safe for several threads.
/// </summary>
internal sealed class BlockPool
{
    /// <summary>So many, because series that started together seal and let go of blocks together, in waves.</summary>
    public const int Patience = 8;

    private const int Step = 16;

    /// <summary>More than a block of a full head ever takes.</summary>
    private const int Largest = 4096;

    /// <summary>How much longer than needed an array may be, in steps.</summary>
    private const int Slack = 2;

    // By length, in steps.
    private readonly Shelf?[] shelves = new Shelf?[Largest / Step + 1];
    private int trims;

    /// <summary>Arrays at hand.</summary>
    public int Count => shelves.Sum(s => s?.Arrays.Count ?? 0);

    /// <summary>Memory of this length.</summary>
    public Memory<byte> Rent(int length)
    {
        var first = (length + Step - 1) / Step;
        for (var steps = first; steps <= first + Slack && steps < shelves.Length; steps++)
        {
            if (shelves[steps] is { Arrays.Count: > 0 } shelf) return shelf.Take().AsMemory(0, length);
        }
        return new byte[first * Step].AsMemory(0, length);
    }

    /// <summary>Takes memory back that nobody reads any more; what is not from a pool is left to the collector.</summary>
    public void Return(ReadOnlyMemory<byte> memory)
    {
        if (!MemoryMarshal.TryGetArray(memory, out var segment) || segment.Array is not { Length: > 0 and <= Largest } array || array.Length % Step != 0) return;
        (shelves[array.Length / Step] ??= new Shelf()).Arrays.Push(array);
    }

    /// <summary>Called from time to time.</summary>
    public void Trim()
    {
        if (++trims % Patience != 0) return;
        foreach (var shelf in shelves) shelf?.Trim();
    }

    private sealed class Shelf
    {
        private int idle;

        public Stack<byte[]> Arrays { get; } = new();

        public byte[] Take()
        {
            var array = Arrays.Pop();
            idle = Math.Min(idle, Arrays.Count);
            return array;
        }

        public void Trim()
        {
            for (; idle > 0; idle--) Arrays.Pop();
            idle = Arrays.Count;
        }
    }
}

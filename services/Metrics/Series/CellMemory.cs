using System.Buffers.Binary;

namespace Vigil.Metrics.Series;

/// <summary>
/// Memory for what series have open, in cells of one size: a series takes one more every few dozen samples and gives them back when a block is complete. So nothing is left behind for the
/// collector while windows fill, and a million series are a few hundred objects to it. Not safe for several threads.
/// </summary>
internal sealed class CellMemory
{
    /// <summary>Bytes of a cell that hold data; before them stands the number of the next one.</summary>
    public const int Payload = CellSize - sizeof(int);

    // Large cells waste their ends, small ones the numbers.
    private const int CellSize = 32;
    private const int SlabCells = 2048;
    private const int FirstCells = 16;

    // The first one grows to the size of the others, since there may be many services with few series. Cell 0 stands for none.
    private byte[][] slabs = [new byte[FirstCells * CellSize]];
    private int begun = 1;
    private int free;

    /// <summary>Cells in use.</summary>
    public int Used { get; private set; }

    /// <summary>Bytes taken for all cells that there are.</summary>
    public long Bytes => slabs.Sum(s => (long)s.Length);

    /// <summary>Many cells were given back, as after a burst.</summary>
    public bool IsWorthRenewing => begun - 1 - Used > (Used / 4) + (SlabCells / 8);

    /// <summary>A cell, with none after it.</summary>
    public int Take()
    {
        Used++;
        var cell = free;
        if (cell != 0)
        {
            free = NextOf(cell);
            SetNext(cell, 0);
            return cell;
        }
        cell = begun++;
        if (cell < SlabCells)
        {
            if (cell * CellSize == slabs[0].Length) Array.Resize(ref slabs[0], slabs[0].Length * 2);
        }
        else if (cell / SlabCells == slabs.Length)
        {
            Array.Resize(ref slabs, slabs.Length + 1);
            slabs[^1] = new byte[SlabCells * CellSize];
        }
        return cell;
    }

    /// <summary>Takes back cells that follow each other.</summary>
    public void Give(int first, int last, int count)
    {
        SetNext(last, free);
        free = first;
        Used -= count;
    }

    /// <summary>The data of a cell.</summary>
    public Span<byte> DataOf(int cell) => CellAt(cell)[sizeof(int)..];

    /// <summary>The cell after it; 0 for none.</summary>
    public int NextOf(int cell) => BinaryPrimitives.ReadInt32LittleEndian(CellAt(cell));

    public void SetNext(int cell, int next) => BinaryPrimitives.WriteInt32LittleEndian(CellAt(cell), next);

    /// <summary>Begins anew, without any cells.</summary>
    /// <returns>What there was before, from which the cells in use are to be moved here.</returns>
    public CellMemory Renew()
    {
        var before = new CellMemory { slabs = slabs, begun = begun, free = free, Used = Used };
        (slabs, begun, free, Used) = ([new byte[FirstCells * CellSize]], 1, 0, 0);
        return before;
    }

    private Span<byte> CellAt(int cell) => slabs[cell / SlabCells].AsSpan(cell % SlabCells * CellSize, CellSize);
}

/// <summary>Bytes in cells that follow each other. Not to be copied: only one copy knows its end.</summary>
internal struct CellChain
{
    private int first;
    private int last;

    /// <summary>Number of bytes.</summary>
    public int Length { readonly get; private set; }

    /// <summary>The last byte; there must be one.</summary>
    public readonly byte LastByte(CellMemory memory) => memory.DataOf(last)[(Length - 1) % CellMemory.Payload];

    /// <summary>Replaces the last byte.</summary>
    public readonly void SetLastByte(CellMemory memory, byte value) => memory.DataOf(last)[(Length - 1) % CellMemory.Payload] = value;

    /// <summary>Adds bytes at the end.</summary>
    public void Append(CellMemory memory, ReadOnlySpan<byte> data)
    {
        while (data.Length > 0)
        {
            var offset = Length % CellMemory.Payload;
            if (offset == 0) Extend(memory);
            var count = Math.Min(data.Length, CellMemory.Payload - offset);
            data[..count].CopyTo(memory.DataOf(last)[offset..]);
            data = data[count..];
            Length += count;
        }
    }

    /// <summary>Copies the bytes from <paramref name="start"/> on, as many as fit.</summary>
    public readonly void CopyTo(CellMemory memory, int start, Span<byte> target)
    {
        var cell = first;
        for (; start >= CellMemory.Payload; start -= CellMemory.Payload) cell = memory.NextOf(cell);
        while (target.Length > 0)
        {
            var part = memory.DataOf(cell)[start..];
            if (part.Length > target.Length) part = part[..target.Length];
            part.CopyTo(target);
            target = target[part.Length..];
            start = 0;
            cell = target.Length > 0 ? memory.NextOf(cell) : 0;
        }
    }

    /// <summary>Gives all cells back.</summary>
    public void Clear(CellMemory memory)
    {
        if (first != 0) memory.Give(first, last, (Length + CellMemory.Payload - 1) / CellMemory.Payload);
        this = default;
    }

    /// <summary>Has these bytes from here on.</summary>
    public void Set(CellMemory memory, ReadOnlySpan<byte> data)
    {
        Clear(memory);
        Append(memory, data);
    }

    /// <summary>Moves to other memory. What it leaves is not given back.</summary>
    public void Move(CellMemory from, CellMemory to)
    {
        var (cell, left) = (first, Length);
        this = default;
        while (left > 0)
        {
            var count = Math.Min(left, CellMemory.Payload);
            Append(to, from.DataOf(cell)[..count]);
            left -= count;
            cell = from.NextOf(cell);
        }
    }

    private void Extend(CellMemory memory)
    {
        var cell = memory.Take();
        if (first == 0) first = cell;
        else memory.SetNext(last, cell);
        last = cell;
    }
}

using System.Runtime.InteropServices;

namespace Vigil.Metrics.Series;

/// <summary>What became of a sample.</summary>
internal enum AppendOutcome
{
    /// <summary>It is kept.</summary>
    Stored,

    /// <summary>The same value was there for this moment; nothing changed.</summary>
    Duplicate,

    /// <summary>Another value is there for this moment and stays.</summary>
    Conflict,

    /// <summary>It is older than the head, which alone takes late samples.</summary>
    TooOld,
}

/// <summary>
/// The recent samples of one series: compressed blocks and, after them, an uncompressed head in which late samples still find
/// their place. When the head is full its older part is sealed into a block. Deterministic: the same appends in the same order
/// give the same blocks, which is what lets a journal restore it. Not safe for several threads.
/// </summary>
internal sealed class SeriesBuffer
{
    /// <summary>Samples in a full head.</summary>
    public const int HeadCapacity = 160;

    /// <summary>Samples sealed at once; the other 40 stay open to late samples (40 s at one sample a second).</summary>
    public const int BlockSize = 120;

    private readonly List<SampleBlock> blocks = [];
    private readonly BlockPool pool;
    private long[] headTimes;
    private double[] headValues;
    private int headCount;
    private int unsavedFrom;

    /// <summary>An empty series.</summary>
    /// <param name="pool">Where the memory of its blocks comes from and goes to; shared by the series of a grain.</param>
    public SeriesBuffer(BlockPool pool)
    {
        this.pool = pool;
        // Most series of a large service are slow: start small and grow to the full head.
        headTimes = new long[8];
        headValues = new double[8];
    }

    /// <summary>Number of samples in memory.</summary>
    public int Count { get; private set; }

    /// <summary>Time of the newest sample; <see cref="long.MinValue"/> where there never was one.</summary>
    public long LastTime { get; private set; } = long.MinValue;

    /// <summary>Value of the newest sample; meaningless where there never was one.</summary>
    public double LastValue => headCount > 0 ? headValues[headCount - 1] : double.NaN;

    /// <summary>Samples up to this moment are sealed: what is not newer is refused as too old.</summary>
    public long SealedThrough { get; private set; } = long.MinValue;

    /// <summary>Samples up to this moment may have left memory and are to be looked for in the database.</summary>
    public long EvictedThrough { get; private set; } = long.MinValue;

    /// <summary>Changed since <see cref="MarkSaved"/>.</summary>
    public bool Unsaved { get; private set; } = true;

    /// <summary>The blocks that are not in the database yet, oldest first.</summary>
    public ReadOnlySpan<SampleBlock> UnsavedBlocks => CollectionsMarshal.AsSpan(blocks)[unsavedFrom..];

    /// <summary>Adds a sample.</summary>
    public AppendOutcome Append(long time, double value)
    {
        if (time <= SealedThrough) return AppendOutcome.TooOld;
        var at = headCount;
        if (headCount > 0 && time <= headTimes[headCount - 1])
        {
            at = SampleBuffer.LowerBound(headTimes.AsSpan(0, headCount), time);
            if (headTimes[at] == time)
            {
                // By bits: NaN equals itself, and 0 differs from -0.
                return BitConverter.DoubleToInt64Bits(headValues[at]) == BitConverter.DoubleToInt64Bits(value)
                    ? AppendOutcome.Duplicate
                    : AppendOutcome.Conflict;
            }
        }
        Insert(at, time, value);
        return AppendOutcome.Stored;
    }

    /// <summary>
    /// Adds an increase to the newest value (zero where there is none) as a new sample. Only moves forward: an increase for a
    /// moment that is there has been counted.
    /// </summary>
    public AppendOutcome AppendIncrease(long time, double increase)
    {
        if (time == LastTime) return AppendOutcome.Duplicate;
        if (time < LastTime) return AppendOutcome.TooOld;
        return Append(time, headCount == 0 ? increase : LastValue + increase);
    }

    /// <summary>Adds the samples in [from, to] to <paramref name="target"/>, oldest first.</summary>
    public void Read(long from, long to, SampleBuffer target)
    {
        foreach (var block in blocks) target.Add(block, from, to);
        var (start, end) = SampleBuffer.Range(headTimes.AsSpan(0, headCount), from, to);
        target.Add(headTimes.AsSpan(start, end - start), headValues.AsSpan(start, end - start));
    }

    /// <summary>The newest sample in [from, to], without unpacking more than one block.</summary>
    public bool TryReadLast(long from, long to, SampleBuffer scratch, out long time, out double value)
    {
        var (start, end) = SampleBuffer.Range(headTimes.AsSpan(0, headCount), from, to);
        if (end > start)
        {
            (time, value) = (headTimes[end - 1], headValues[end - 1]);
            return true;
        }
        for (var i = blocks.Count - 1; i >= 0; i--)
        {
            if (blocks[i].First > to) continue;
            if (blocks[i].Last < from) break;
            scratch.Clear();
            scratch.Add(blocks[i], from, to);
            if (scratch.Count == 0) continue;
            (time, value) = (scratch.Times[^1], scratch.Values[^1]);
            return true;
        }
        (time, value) = (0, 0);
        return false;
    }

    /// <summary>The head as a block, for saving, without samples where it is empty. Its memory is the caller's to return to the pool.</summary>
    public SampleBlock EncodeHead() =>
        headCount == 0 ? default : SampleBlock.Encode(headTimes.AsSpan(0, headCount), headValues.AsSpan(0, headCount), pool);

    /// <summary>
    /// Takes the present state for saved: what <see cref="UnsavedBlocks"/> and <see cref="EncodeHead"/> gave is on its way to
    /// the database. <see cref="RestoreUnsaved"/> takes it back when the write fails.
    /// </summary>
    /// <returns>What to give to <see cref="RestoreUnsaved"/>.</returns>
    public int MarkSaved()
    {
        var before = unsavedFrom;
        unsavedFrom = blocks.Count;
        Unsaved = false;
        return before;
    }

    /// <summary>The save did not happen.</summary>
    public void RestoreUnsaved(int mark)
    {
        unsavedFrom = Math.Min(mark, unsavedFrom);
        Unsaved = true;
    }

    /// <summary>
    /// Lets saved blocks go that end before <paramref name="cutoff"/>, or that lie beyond the newest <paramref name="maxSamples"/>.
    /// Blocks that are not saved stay. The memory of the others is used again: nobody may hold on to blocks across this.
    /// </summary>
    public void Evict(long cutoff, int maxSamples)
    {
        var drop = 0;
        while (drop < unsavedFrom && (blocks[drop].Last < cutoff || Count > maxSamples))
        {
            EvictedThrough = blocks[drop].Last;
            Count -= blocks[drop].Count;
            pool.Return(blocks[drop].Data);
            drop++;
        }
        if (drop == 0) return;
        blocks.RemoveRange(0, drop);
        unsavedFrom -= drop;
    }

    /// <summary>Puts a saved state into an empty buffer: blocks oldest first, then the head.</summary>
    /// <param name="saved">Blocks from the database that fit into memory.</param>
    /// <param name="head">The saved head, without samples where there is none.</param>
    /// <param name="sealedThrough">End of the newest block ever sealed.</param>
    /// <param name="evictedThrough">End of the newest block that stays in the database only.</param>
    public void Restore(IEnumerable<SampleBlock> saved, SampleBlock head, long sealedThrough, long evictedThrough)
    {
        blocks.AddRange(saved);
        unsavedFrom = blocks.Count;
        SealedThrough = sealedThrough;
        EvictedThrough = evictedThrough;
        Count = blocks.Sum(b => b.Count);
        LastTime = sealedThrough;
        Unsaved = false;
        if (head.Count == 0) return;
        GrowHead(head.Count);
        head.Decode(headTimes, headValues);
        headCount = head.Count;
        Count += head.Count;
        LastTime = head.Last;
    }

    private void Insert(int at, long time, double value)
    {
        if (headCount == headTimes.Length) GrowHead(headCount + 1);
        if (at < headCount)
        {
            Array.Copy(headTimes, at, headTimes, at + 1, headCount - at);
            Array.Copy(headValues, at, headValues, at + 1, headCount - at);
        }
        headTimes[at] = time;
        headValues[at] = value;
        headCount++;
        Count++;
        Unsaved = true;
        if (time > LastTime) LastTime = time;
        if (headCount == HeadCapacity) Seal();
    }

    private void Seal()
    {
        var block = SampleBlock.Encode(headTimes.AsSpan(0, BlockSize), headValues.AsSpan(0, BlockSize), pool);
        blocks.Add(block);
        SealedThrough = block.Last;
        headCount -= BlockSize;
        Array.Copy(headTimes, BlockSize, headTimes, 0, headCount);
        Array.Copy(headValues, BlockSize, headValues, 0, headCount);
    }

    private void GrowHead(int needed)
    {
        if (needed <= headTimes.Length) return;
        var size = Math.Min(HeadCapacity, Math.Max(needed, headTimes.Length * 2));
        Array.Resize(ref headTimes, size);
        Array.Resize(ref headValues, size);
    }
}

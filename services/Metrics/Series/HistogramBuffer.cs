namespace Vigil.Metrics.Series;

/// <summary>A native histogram of a series at one moment.</summary>
/// <param name="time">Milliseconds since 1970.</param>
/// <param name="data">The histogram as <see cref="HistogramCodec"/> writes it.</param>
internal sealed class HistogramPoint(long time, byte[] data)
{
    public long Time => time;

    public byte[] Data => data;

    /// <summary>It is in the database, or on its way there.</summary>
    public bool IsSaved { get; set; }
}

/// <summary>
/// The recent native histograms of one series, oldest first, as they are stored. A late one finds its place as long as none that is younger has left memory.
/// Not safe for several threads.
/// </summary>
internal sealed class HistogramBuffer
{
    private readonly List<HistogramPoint> points = [];
    private int unsaved;

    /// <summary>Number of histograms in memory.</summary>
    public int Count => points.Count;

    /// <summary>Time of the newest one; <see cref="long.MinValue"/> where there never was one.</summary>
    public long LastTime { get; private set; } = long.MinValue;

    /// <summary>Up to this moment they may have left memory and are to be looked for in the database.</summary>
    public long EvictedThrough { get; private set; } = long.MinValue;

    /// <summary>Some are not in the database.</summary>
    public bool Unsaved => unsaved > 0;

    /// <summary>Adds a histogram.</summary>
    public AppendOutcome Append(long time, ReadOnlySpan<byte> data)
    {
        if (time <= EvictedThrough) return AppendOutcome.TooOld;
        var at = time > LastTime ? points.Count : LowerBound(time);
        if (at < points.Count && points[at].Time == time) return data.SequenceEqual(points[at].Data) ? AppendOutcome.Duplicate : AppendOutcome.Conflict;
        Insert(at, time, data.ToArray());
        return AppendOutcome.Stored;
    }

    /// <summary>Adds an increase to the newest histogram as a new one. Only moves forward: an increase for a moment that is there has been counted.</summary>
    public AppendOutcome AppendIncrease(long time, ReadOnlySpan<byte> data)
    {
        if (time == LastTime) return AppendOutcome.Duplicate;
        if (time < LastTime || time <= EvictedThrough) return AppendOutcome.TooOld;
        Insert(points.Count, time, Sum(data));
        return AppendOutcome.Stored;
    }

    /// <summary>Those in [from, to], oldest first.</summary>
    public void Read(long from, long to, List<HistogramPoint> target)
    {
        for (var i = LowerBound(from); i < points.Count && points[i].Time <= to; i++) target.Add(points[i]);
    }

    /// <summary>What is not in the database, oldest first, which from now on counts as saved. <see cref="RestoreUnsaved"/> takes that back.</summary>
    public HistogramPoint[] TakeUnsaved()
    {
        var taken = points.FindAll(p => !p.IsSaved).ToArray();
        foreach (var point in taken) point.IsSaved = true;
        unsaved = 0;
        return taken;
    }

    /// <summary>The save did not happen.</summary>
    public void RestoreUnsaved(HistogramPoint[] taken)
    {
        foreach (var point in taken) point.IsSaved = false;
        unsaved += taken.Length;
    }

    /// <summary>
    /// Lets go of what is saved and before <paramref name="cutoff"/>, or beyond the newest <paramref name="most"/>. The newest stays: increases are added to it.
    /// </summary>
    public void Evict(long cutoff, int most)
    {
        var drop = 0;
        while (drop < points.Count - 1 && points[drop].IsSaved && (points[drop].Time < cutoff || points.Count - drop > most)) drop++;
        if (drop == 0) return;
        EvictedThrough = points[drop - 1].Time;
        points.RemoveRange(0, drop);
    }

    /// <summary>Puts saved histograms into an empty buffer.</summary>
    /// <param name="saved">In any order.</param>
    /// <param name="evictedThrough">Time of the newest that stays in the database only.</param>
    public void Restore(IEnumerable<HistogramPoint> saved, long evictedThrough)
    {
        EvictedThrough = evictedThrough;
        LastTime = evictedThrough;
        foreach (var point in saved.OrderBy(p => p.Time))
        {
            if (point.Time <= LastTime) continue;
            point.IsSaved = true;
            points.Add(point);
            LastTime = point.Time;
        }
    }

    private void Insert(int at, long time, byte[] data)
    {
        points.Insert(at, new HistogramPoint(time, data));
        unsaved++;
        if (time > LastTime) LastTime = time;
    }

    // Where the two do not fit together, or the series had ended, the counter begins anew.
    private byte[] Sum(ReadOnlySpan<byte> increase)
    {
        if (points.Count == 0 || !HistogramCodec.TryDecode(points[^1].Data, out var before) || before is null or { IsStale: true }) return increase.ToArray();
        return HistogramCodec.TryDecode(increase, out var added) && before.Add(added!, out _) is { } sum ? HistogramCodec.Encode(sum with { Hint = CounterResetHint.Unknown }) : increase.ToArray();
    }

    private int LowerBound(long time)
    {
        int low = 0, high = points.Count;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (points[middle].Time < time) low = middle + 1;
            else high = middle;
        }
        return low;
    }
}

using Orleans;
using Vigil.Metrics.PromQL;

namespace Vigil.Metrics.Rollups;

/// <summary>
/// What there is to know of consecutive samples of one series, as far as the functions over ranges ask for it. Two in a row make one: nothing is lost by rolling up in
/// parts but the order of additions. Staleness markers are no samples; only that the series had ended is kept.
/// </summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.Rollup")]
internal readonly record struct Rollup
{
    /// <summary>Samples; 0 where there is nothing but a staleness marker, and values mean nothing.</summary>
    [Id(0)] public int Count { get; init; }

    /// <summary>Time of the first sample, milliseconds since 1970.</summary>
    [Id(1)] public long FirstTime { get; init; }

    /// <summary>Time of the last sample.</summary>
    [Id(2)] public long LastTime { get; init; }

    [Id(3)] public double First { get; init; }

    [Id(4)] public double Last { get; init; }

    /// <summary>The least; NaN only where all are.</summary>
    [Id(5)] public double Min { get; init; }

    /// <summary>The greatest; NaN only where all are.</summary>
    [Id(6)] public double Max { get; init; }

    [Id(7)] public double Sum { get; init; }

    /// <summary>
    /// What a counter had counted before each of its resets, added up: <see cref="Last"/> - <see cref="First"/> and this is its increase.
    /// </summary>
    [Id(8)] public double Dropped { get; init; }

    /// <summary>Samples below the one before.</summary>
    [Id(9)] public int Resets { get; init; }

    /// <summary>Samples other than the one before.</summary>
    [Id(10)] public int Changes { get; init; }

    /// <summary>How long after <see cref="LastTime"/> a staleness marker came with no sample behind it, milliseconds; -1 where none did.</summary>
    [Id(11)] public long EndedAfterMs { get; init; }

    /// <summary>Time of the newest of samples and markers.</summary>
    public long Through => EndedAfterMs < 0 ? LastTime : LastTime + EndedAfterMs;

    /// <summary>From its first sample to <see cref="Through"/>.</summary>
    public TimeRange Time => new(FirstTime, Through);

    /// <summary>Some of its samples are up to <paramref name="moment"/>, and some are not.</summary>
    public bool IsCutBy(long moment) => FirstTime <= moment && moment < LastTime;
}

/// <summary>Rolls up samples and rollups, in order of time. The same rules as the functions of PromQL have, one by one.</summary>
internal struct RollupFold
{
    private KahanSum sum;
    private KahanSum dropped;
    private Rollup all;

    public RollupFold() => Clear();

    /// <summary>Nothing was added.</summary>
    public readonly bool IsEmpty => all is { Count: 0, EndedAfterMs: < 0 };

    /// <summary>Time of the newest of samples and markers.</summary>
    public readonly long Through => all.Through;

    /// <summary>Starts again.</summary>
    public void Clear()
    {
        (sum, dropped) = (default, default);
        all = new Rollup { EndedAfterMs = -1 };
    }

    /// <summary>Adds a sample or a staleness marker.</summary>
    public void Add(long time, double value)
    {
        if (Samples.IsStale(value)) Add(new Rollup { FirstTime = time, LastTime = time, EndedAfterMs = 0 });
        else Add(new Rollup { Count = 1, FirstTime = time, LastTime = time, First = value, Last = value, Min = value, Max = value, Sum = value, EndedAfterMs = -1 });
    }

    /// <summary>Adds what comes after all before.</summary>
    public void Add(in Rollup next)
    {
        if (next.Count == 0)
        {
            all = all.Count == 0 ? next : all with { EndedAfterMs = next.Through - all.LastTime };
            return;
        }
        if (all.Count == 0)
        {
            all = next;
            sum = new KahanSum(next.Sum);
            dropped = new KahanSum(next.Dropped);
            return;
        }
        var (before, first) = (all.Last, next.First);
        var isReset = first < before;
        var isChange = first != before && !(double.IsNaN(first) && double.IsNaN(before));
        if (isReset) dropped.Add(before);
        if (next.Dropped != 0) dropped.Add(next.Dropped);
        sum.Add(next.Sum);
        all = all with
        {
            Count = all.Count + next.Count,
            LastTime = next.LastTime,
            Last = next.Last,
            // Of equals the first stays; a NaN gives way to any number.
            Min = next.Min < all.Min || double.IsNaN(all.Min) ? next.Min : all.Min,
            Max = next.Max > all.Max || double.IsNaN(all.Max) ? next.Max : all.Max,
            Resets = all.Resets + next.Resets + (isReset ? 1 : 0),
            Changes = all.Changes + next.Changes + (isChange ? 1 : 0),
            EndedAfterMs = next.EndedAfterMs,
        };
    }

    /// <summary>All of it.</summary>
    public readonly Rollup Value => all.Count == 0 ? all : all with { Sum = sum.Total, Dropped = dropped.Total };
}

/// <summary>The rollups of one series, a period each; the newest period may go on.</summary>
/// <param name="periodMs">The period's length.</param>
internal sealed class RollupColumn(long periodMs)
{
    private readonly List<Rollup> complete = [];
    private RollupFold open = new();
    private long openEnd;

    /// <summary>How many there are.</summary>
    public int Count => complete.Count + (open.IsEmpty ? 0 : 1);

    /// <summary>Adds a sample or a staleness marker, newer than all before.</summary>
    public void Add(long time, double value)
    {
        Turn(Resolutions.EndOf(time, periodMs));
        open.Add(time, value);
    }

    /// <summary>Adds what lies in one period and comes after all before.</summary>
    public void Add(in Rollup rollup)
    {
        Turn(Resolutions.EndOf(rollup.FirstTime, periodMs));
        open.Add(rollup);
    }

    /// <summary>The rollups, oldest first.</summary>
    public IReadOnlyList<Rollup> ToList() => open.IsEmpty ? complete : [.. complete, open.Value];

    private void Turn(long end)
    {
        if (end == openEnd && !open.IsEmpty) return;
        if (!open.IsEmpty) complete.Add(open.Value);
        open.Clear();
        openEnd = end;
    }
}

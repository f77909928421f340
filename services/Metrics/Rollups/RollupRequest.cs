namespace Vigil.Metrics.Rollups;

/// <summary>A part of time, both ends included, milliseconds since 1970.</summary>
internal readonly record struct TimeRange(long First, long Last)
{
    public bool Contains(long time) => First <= time && time <= Last;

    public bool Overlaps(TimeRange other) => First <= other.Last && other.First <= Last;

    /// <summary>What two that overlap have in common.</summary>
    public TimeRange Within(TimeRange other) => new(Math.Max(First, other.First), Math.Min(Last, other.Last));

    /// <summary>Adds a range to a list in which none touches another; what is between two that are nearer than <paramref name="gapMs"/> is taken in.</summary>
    public static List<TimeRange> Union(IEnumerable<TimeRange> ranges, long gapMs)
    {
        var union = new List<TimeRange>();
        foreach (var range in ranges.OrderBy(r => r.First))
        {
            if (union.Count > 0 && range.First - gapMs <= union[^1].Last) union[^1] = union[^1] with { Last = Math.Max(union[^1].Last, range.Last) };
            else union.Add(range);
        }
        return union;
    }
}

/// <summary>What is wanted of rollups.</summary>
/// <param name="From">First moment of the window, milliseconds since 1970.</param>
/// <param name="Through">Last moment of the window.</param>
/// <param name="Boundaries">
/// Moments, rising, after which a window begins or up to which one goes: no rollup may hold samples on both sides of one, unless there is nothing finer. Null: the finest there is.
/// </param>
internal sealed record RollupRequest(long From, long Through, long[]? Boundaries)
{
    /// <summary>A shorter range is read as it is.</summary>
    public const long MinRangeMs = 20 * 60_000;

    /// <summary>The resolutions that save something, the coarsest first; empty where none does.</summary>
    public IReadOnlyList<Resolution> Useful()
    {
        if (Boundaries is null) return Resolutions.RolledUp;
        var useful = Resolutions.RolledUp.Where(IsUseful).ToList();
        // By an hour's rollup is known whether those of its minutes are all there.
        if (useful is [Resolution.Minute]) useful.Insert(0, Resolution.Hour);
        return useful;
    }

    /// <summary>Whether a rollup may stand for its samples.</summary>
    public bool Takes(in Rollup rollup)
    {
        if (Boundaries is null) return false;
        var at = Array.BinarySearch(Boundaries, rollup.FirstTime);
        if (at < 0) at = ~at;
        return at == Boundaries.Length || !rollup.IsCutBy(Boundaries[at]);
    }

    // Where boundaries cut most periods, the finer ones are read anyway.
    private bool IsUseful(Resolution resolution)
    {
        var period = resolution.PeriodMs();
        var cut = Boundaries!.LongCount(b => b % period != 0);
        var span = Through - From + 1;
        return span >= period && cut * 2 <= span / period;
    }
}

/// <summary>A rollup that cannot stand for its samples.</summary>
internal readonly record struct OpenRollup(Rollup Rollup, Resolution Resolution);

/// <summary>What was found of a series.</summary>
internal sealed class RollupSeries
{
    /// <summary>What stands for its samples; oldest first in the end.</summary>
    public List<Rollup> Taken { get; } = [];

    /// <summary>What has to be replaced by what is finer; in the end, by samples.</summary>
    public List<OpenRollup> Open { get; private set; } = [];

    /// <summary>The coarsest that stands for samples on both sides of a boundary, since there is nothing finer any more; <see cref="Resolution.Raw"/> where none does.</summary>
    public Resolution Inexact { get; private set; }

    /// <summary>Samples up to here are rolled up, as far as that is known; <see cref="long.MinValue"/> where none is.</summary>
    public long Through { get; private set; } = long.MinValue;

    /// <summary>Puts what was found at the next resolution in the place of what is open.</summary>
    /// <param name="finer">What was found, oldest first.</param>
    /// <param name="resolution">Its resolution.</param>
    /// <param name="roots">In these parts of time it counts also where it replaces nothing.</param>
    /// <param name="request">Says what may stand.</param>
    public void Refine(List<Rollup> finer, Resolution resolution, IReadOnlyList<TimeRange> roots, RollupRequest request)
    {
        if (finer.Count > 0) Through = Math.Max(Through, finer[^1].Through);
        var before = Open;
        Open = [];
        var others = roots.Count == 0 ? [] : Taken.Concat(before.Select(o => o.Rollup)).OrderBy(r => r.FirstTime).ToArray();
        foreach (var open in before)
        {
            var parts = Within(finer, open.Rollup.Time);
            // Minutes are not there for every series, and pages may be damaged.
            if (parts.Sum(p => (long)p.Count) == open.Rollup.Count && parts.Count > 0) parts.ForEach(p => Place(p, resolution, request));
            else Open.Add(open);
        }
        foreach (var rollup in finer)
        {
            if (roots.Any(rollup.Time.Overlaps) && !others.Any(o => o.Time.Overlaps(rollup.Time))) Place(rollup, resolution, request);
        }
    }

    /// <summary>Nothing finer comes but samples: where these are deleted, what is open stands.</summary>
    public void Settle(long samplesGone)
    {
        foreach (var open in Open.Where(o => o.Rollup.FirstTime <= samplesGone))
        {
            Taken.Add(open.Rollup);
            if (open.Resolution > Inexact) Inexact = open.Resolution;
        }
        Open.RemoveAll(o => o.Rollup.FirstTime <= samplesGone);
        Taken.Sort(static (a, b) => a.FirstTime.CompareTo(b.FirstTime));
    }

    /// <summary>Those of a list, oldest first, that lie in a part of time.</summary>
    private static List<Rollup> Within(List<Rollup> rollups, TimeRange time)
    {
        int low = 0, high = rollups.Count;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (rollups[middle].FirstTime < time.First) low = middle + 1;
            else high = middle;
        }
        var end = low;
        while (end < rollups.Count && rollups[end].Through <= time.Last) end++;
        return rollups[low..end];
    }

    private void Place(Rollup rollup, Resolution resolution, RollupRequest request)
    {
        if (rollup.Through < request.From || rollup.FirstTime > request.Through) return;
        if (request.Takes(rollup)) Taken.Add(rollup);
        else Open.Add(new OpenRollup(rollup, resolution));
    }
}

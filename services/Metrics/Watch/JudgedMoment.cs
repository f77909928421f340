namespace Vigil.Metrics.Watch;

/// <summary>What a standing query was last evaluated at. Milliseconds since 1970.</summary>
/// <param name="Moment">The moment.</param>
/// <param name="Newest">The first moment at which all samples that were read are in sight.</param>
internal readonly record struct JudgedMoment(long Moment, long Newest)
{
    /// <summary>Never evaluated.</summary>
    public static readonly JudgedMoment None = new(long.MinValue, long.MinValue);

    /// <summary>
    /// The moment to evaluate at, by the clock. Right after it was set back that would be before samples that were judged already, whose
    /// effect would be gone and come again: then it is the newest of them, as long as it is no further ahead than any sample may be. If it
    /// is, the clock was wrong before and is believed now.
    /// </summary>
    public long Next(long now, TimeSpan maxAhead)
    {
        if (now >= Moment || Newest <= now) return now;
        return Newest - now <= (long)maxAhead.TotalMilliseconds ? Math.Min(Newest, Moment) : now;
    }
}

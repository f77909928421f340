namespace Vigil.Metrics.Watch;

/// <summary>
/// The processor's time that all standing queries of this process may take together; the rest is kept for queries and for what comes in.
/// While they take less, none waits. Once they have taken more, each waits after an evaluation until an equal share of the budget would
/// have paid for it: a cheap one hardly at all, a dear one for long. So many dear ones cannot delay the cheap ones that alerts depend on.
/// </summary>
/// <param name="processors">How many processors' worth of time.</param>
/// <param name="clock">Only its timestamps.</param>
/// <param name="instruments">Counts what is put off.</param>
internal sealed class StandingBudget(double processors, TimeProvider clock, MetricsInstruments instruments)
{
    /// <summary>What may be saved up, for a start or a busy moment; and the most that can be owed, so that such a moment is not paid for all day.</summary>
    private readonly TimeSpan most = TimeSpan.FromSeconds(2) * processors;

    /// <summary>However dear a query and however many there are.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(10);

    private readonly Lock gate = new();
    private TimeSpan left = TimeSpan.FromSeconds(2) * processors;
    private long at = clock.GetTimestamp();
    private int queries;

    /// <summary>A query begins to be evaluated.</summary>
    public void Enter() => Interlocked.Increment(ref queries);

    /// <summary>It is no longer.</summary>
    public void Leave() => Interlocked.Decrement(ref queries);

    /// <summary>Pays for an evaluation.</summary>
    /// <param name="work">The processor's time it took.</param>
    /// <param name="evaluated">How many queries were evaluated; each waits for its part.</param>
    /// <returns>How long the same queries must not be evaluated again.</returns>
    public TimeSpan Charge(TimeSpan work, int evaluated = 1)
    {
        lock (gate)
        {
            var now = clock.GetTimestamp();
            left += clock.GetElapsedTime(at, now) * processors;
            if (left > most) left = most;
            at = now;
            left -= work;
            if (left < -most) left = -most;
            if (left >= TimeSpan.Zero) return TimeSpan.Zero;
        }
        instruments.EvaluationsDeferred.Add(1);
        var wait = work / evaluated * (Volatile.Read(ref queries) / processors);
        return wait < LongestWait ? wait : LongestWait;
    }
}

namespace Vigil.Metrics.Query;

/// <summary>On what terms an expression is evaluated.</summary>
/// <param name="Kind">What it is counted as: instant, range, series, rule.</param>
/// <param name="Caller">Who asks, for the log of slow queries.</param>
internal sealed record QueryTerms(string Kind, string Caller)
{
    /// <summary>How old a sample may be and still be the value of its series, in milliseconds; null for the service's own rule.</summary>
    public long? LookbackMs { get; init; }

    /// <summary>Whether it takes a place among the queries that may run at once: the service's own recording rules must not wait behind callers.</summary>
    public bool Queues { get; init; } = true;
}

/// <summary>Where a query's time went.</summary>
/// <param name="Queued">Waiting for a place among the queries that may run at once.</param>
/// <param name="Fetched">Reading samples.</param>
/// <param name="Evaluated">Evaluating.</param>
internal readonly record struct QueryTimes(TimeSpan Queued, TimeSpan Fetched, TimeSpan Evaluated)
{
    /// <summary>All of it.</summary>
    public TimeSpan Total => Queued + Fetched + Evaluated;
}

namespace Vigil.Metrics.Series;

/// <summary>One series and its samples in a range of time, oldest first, no moment twice. Times are milliseconds since 1970 (UTC).</summary>
internal readonly record struct SeriesSamples(LabelSet Labels, ReadOnlyMemory<long> Times, ReadOnlyMemory<double> Values)
{
    /// <summary>Number of samples.</summary>
    public int Count => Times.Length;
}

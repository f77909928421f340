using Vigil.Metrics.PromQL;
using Vigil.Metrics.Rollups;

namespace Vigil.Metrics.Series;

/// <summary>One series and its samples in a range of time, oldest first, no moment twice. Times are milliseconds since 1970 (UTC).</summary>
internal readonly record struct SeriesSamples(LabelSet Labels, ReadOnlyMemory<long> Times, ReadOnlyMemory<double> Values)
{
    /// <summary>Number of samples.</summary>
    public int Count => Times.Length;

    /// <summary>The last sample says that the series ended.</summary>
    public bool EndsStale => !Histograms.IsEmpty && Histograms.Span[^1] is { } histogram ? histogram.IsStale : Samples.IsStale(Values.Span[^1]);

    /// <summary>
    /// The samples that are native histograms, at their places; null where the sample is a float, whose value counts only there. Empty where all are floats.
    /// </summary>
    public ReadOnlyMemory<FloatHistogram?> Histograms { get; init; }

    /// <summary>
    /// When the counter of each sample began to count, in milliseconds since 1970; 0 where that is not known. Empty where it is known of none.
    /// </summary>
    public ReadOnlyMemory<long> StartTimes { get; init; }

    /// <summary>What stands for more than the sample whose time is that of its last one, oldest first. Empty where each sample is there; else only to be folded.</summary>
    public ReadOnlyMemory<Rollup> Rollups { get; init; }

    /// <summary>The coarsest resolution in which samples are given that are deleted, in milliseconds; 0 where none are.</summary>
    public long ResolutionMs { get; init; }

    /// <summary>Samples up to this moment are the last ones of rollups; <see cref="long.MinValue"/> where none are.</summary>
    public long RolledThrough { get; init; } = long.MinValue;
}

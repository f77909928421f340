namespace Vigil.Metrics.Series;

/// <summary>What is known of a histogram's relation to the sample before it in its series. The numbers are part of the stored form.</summary>
internal enum CounterResetHint : byte
{
    /// <summary>Nothing: whether the counter was reset is found by comparing the two.</summary>
    Unknown = 0,

    /// <summary>The counter was reset before this sample.</summary>
    Reset = 1,

    /// <summary>The counter goes on from the sample before.</summary>
    NotReset = 2,

    /// <summary>No counter: its counts may fall without a reset.</summary>
    Gauge = 3,
}

/// <summary>What came of adding or subtracting histograms. Values are combined by |.</summary>
[Flags]
internal enum HistogramRemarks : byte
{
    /// <summary>Nothing to tell.</summary>
    None = 0,

    /// <summary>One has exponential buckets, the other custom ones: there is no result.</summary>
    Incompatible = 1,

    /// <summary>One says that its counter was reset, the other that it was not; the result's hint is unknown.</summary>
    CounterResetCollision = 2,

    /// <summary>Custom bounds differed: the result has those that both have.</summary>
    BoundsReconciled = 4,
}

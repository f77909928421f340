using Orleans;
using Orleans.Runtime;
using Vigil.Metrics.Rollups;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Grains;

/// <summary>A grain cannot work for the moment: the same call will do after it has started again.</summary>
[GenerateSerializer, Alias("vigil.metrics.ServiceUnavailableException")]
internal sealed class ServiceUnavailableException(string message) : OrleansException(message);

/// <summary>A series to declare.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.SeriesSpec")]
internal sealed record SeriesSpec
{
    [Id(0)] public required LabelSet Labels { get; init; }

    [Id(1)] public SeriesKind Kind { get; init; }

    /// <summary>UCUM unit, or empty.</summary>
    [Id(2)] public string Unit { get; init; } = "";

    /// <summary>A sentence for people, or empty.</summary>
    [Id(3)] public string Help { get; init; } = "";
}

/// <summary>Series to declare.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.DeclareBatch")]
internal sealed record DeclareBatch
{
    [Id(0)] public required SeriesSpec[] Series { get; init; }
}

/// <summary>The numbers of declared series.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.DeclareReply")]
internal sealed record DeclareReply
{
    /// <summary>One per series of the batch; 0 where the grain holds as many as it may.</summary>
    [Id(0)] public required int[] Ids { get; init; }

    /// <summary>Why there is a 0, as a sentence; null where there is none.</summary>
    [Id(1)] public string? LimitHit { get; init; }
}

/// <summary>
/// Samples in columns. The arrays may be longer than <see cref="Count"/>, may come from a pool, and belong to the caller again
/// once the call has returned.
/// </summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.AppendBatch")]
internal sealed record AppendBatch
{
    /// <summary>The push stream; empty for callers that do not number their batches.</summary>
    [Id(0)] public string StreamId { get; init; } = "";

    /// <summary>The frame's number in the stream.</summary>
    [Id(1)] public ulong Sequence { get; init; }

    /// <summary>
    /// The frame before this one that the present session sent to this grain; 0 for the session's first. Shows the grain that
    /// none is missing, where calls overtake each other or the one before failed.
    /// </summary>
    [Id(2)] public ulong Previous { get; init; }

    [Id(3)] public int Count { get; init; }

    /// <summary>Numbers from <see cref="DeclareReply"/>.</summary>
    [Id(4)] public required int[] Series { get; init; }

    /// <summary>Milliseconds since 1970.</summary>
    [Id(5)] public required long[] Times { get; init; }

    [Id(6)] public required double[] Values { get; init; }

    /// <summary>The values are increases since the sample before, to be summed up here.</summary>
    [Id(7)] public bool Deltas { get; init; }

    /// <summary>When the samples reached the service, microseconds since 1970.</summary>
    [Id(8)] public long ReceivedUnixUs { get; init; }

    /// <summary>Where they came in.</summary>
    [Id(9)] public Door Door { get; init; }

    /// <summary>The samples are native histograms, as <see cref="HistogramCodec"/> writes them; <see cref="Values"/> does not count then. Null for floats.</summary>
    [Id(10)] public byte[][]? Histograms { get; init; }

    /// <summary>They are not the sender's own but follow from what it said: what cannot be taken is no refusal, is neither counted nor told.</summary>
    [Id(11)] public bool Implied { get; init; }
}

/// <summary>How a batch as a whole fared.</summary>
internal enum AppendStatus
{
    /// <summary>What was not refused is durable.</summary>
    Stored,

    /// <summary>The frame before this one never arrived here: the stream must be resumed.</summary>
    PredecessorMissing,

    /// <summary>The grain remembers as many streams as it may.</summary>
    TooManyStreams,
}

/// <summary>What became of a batch.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.AppendReply")]
internal sealed record AppendReply
{
    [Id(0)] public AppendStatus Status { get; init; }

    [Id(1)] public int Accepted { get; init; }

    [Id(2)] public int Duplicates { get; init; }

    [Id(3)] public RefusedSamples[] Refused { get; init; } = [];
}

/// <summary>Samples of one series that were refused for one cause.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.RefusedSamples")]
internal sealed record RefusedSamples
{
    [Id(0)] public int Series { get; init; }

    [Id(1)] public RefusalCause Cause { get; init; }

    [Id(2)] public int Samples { get; init; }
}

/// <summary>A condition on a label.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.MatcherSpec")]
internal sealed record MatcherSpec
{
    [Id(0)] public required string Name { get; init; }

    [Id(1)] public MatchKind Kind { get; init; }

    [Id(2)] public required string Value { get; init; }
}

/// <summary>Which series, and which window of them.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.SelectorSpec")]
internal sealed record SelectorSpec
{
    [Id(0)] public required MatcherSpec[] Matchers { get; init; }

    /// <summary>First millisecond of the window.</summary>
    [Id(1)] public long From { get; init; }

    /// <summary>Last millisecond of the window.</summary>
    [Id(2)] public long To { get; init; }

    /// <summary>Only the newest sample in the window is wanted.</summary>
    [Id(3)] public bool NewestOnly { get; init; }

    /// <summary>
    /// The samples between any two of these moments, which rise, need not be told one by one, as far as <see cref="Rollup"/> tells what they come to. Null where each is wanted.
    /// </summary>
    [Id(4)] public long[]? Boundaries { get; init; }

    /// <summary>Of each moment in the window the newest sample before it is wanted.</summary>
    [Id(5)] public bool LooksBack { get; init; }
}

/// <summary>Several selectors at once.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.SelectRequest")]
internal sealed record SelectRequest
{
    [Id(0)] public required SelectorSpec[] Selectors { get; init; }

    /// <summary>
    /// Key of the standing query to tell when what the selectors find changes, for the next <see cref="LeaseSeconds"/>;
    /// null for none. Each read renews it, so that a grain that was restarted knows its followers after one evaluation.
    /// </summary>
    [Id(1)] public string? Subscriber { get; init; }

    [Id(2)] public int LeaseSeconds { get; init; }

    [Id(3)] public int MaxSeries { get; init; }

    [Id(4)] public int MaxSamples { get; init; }
}

/// <summary>A series and its samples in the window. Series that were sampled together may share the memory of their times.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.SelectedSeries")]
internal sealed record SelectedSeries
{
    [Id(0)] public required LabelSet Labels { get; init; }

    [Id(1)] public required ReadOnlyMemory<long> Times { get; init; }

    [Id(2)] public required ReadOnlyMemory<double> Values { get; init; }

    /// <summary>The samples that are native histograms, as <see cref="HistogramCodec"/> writes them, at their places; null where the sample is a float. Null where all are.</summary>
    [Id(3)] public byte[]?[]? Histograms { get; init; }

    /// <summary>What stands for more than a sample: at the place of its last one. Null where nothing does.</summary>
    [Id(4)] public Rollup[]? Rollups { get; init; }

    /// <summary>The coarsest resolution in which samples are given that are deleted, in milliseconds; 0 where none are.</summary>
    [Id(5)] public long ResolutionMs { get; init; }

    /// <summary>Samples up to this moment are the last ones of rollups; <see cref="long.MinValue"/> where none are.</summary>
    [Id(6)] public long RolledThrough { get; init; } = long.MinValue;
}

/// <summary>What the selectors found.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.SelectReply")]
internal sealed record SelectReply
{
    /// <summary>One list per selector: the series with a sample in the window.</summary>
    [Id(0)] public required SelectedSeries[][] Found { get; init; }

    /// <summary>A limit of the request that was hit, as a sentence; null where none was.</summary>
    [Id(1)] public string? LimitHit { get; init; }
}

/// <summary>The state of a monitored service in one grain.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.ServiceStatus")]
internal sealed record ServiceStatus
{
    [Id(0)] public required string Service { get; init; }

    [Id(1)] public int Series { get; init; }

    [Id(2)] public long SamplesInMemory { get; init; }

    /// <summary>Milliseconds since 1970; null where there never was a sample.</summary>
    [Id(3)] public long? LastSampleUnixMs { get; init; }

    /// <summary>Push streams whose position is remembered.</summary>
    [Id(4)] public int Streams { get; init; }

    /// <summary>Standing queries that follow this grain.</summary>
    [Id(5)] public int Subscribers { get; init; }

    /// <summary>Bytes of journal that a restart would replay.</summary>
    [Id(6)] public long JournalBytes { get; init; }
}

/// <summary>What is declared of a metric.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.MetricDescription")]
internal sealed record MetricDescription
{
    [Id(0)] public required string Name { get; init; }

    [Id(1)] public SeriesKind Kind { get; init; }

    /// <summary>UCUM unit, or empty.</summary>
    [Id(2)] public string Unit { get; init; } = "";

    /// <summary>A sentence for people, or empty.</summary>
    [Id(3)] public string Help { get; init; } = "";

    /// <summary>It has the label <c>le</c>.</summary>
    [Id(4)] public bool HasBuckets { get; init; }

    /// <summary>It has the label <c>quantile</c>.</summary>
    [Id(5)] public bool HasQuantiles { get; init; }
}

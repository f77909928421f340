using Orleans;
using Orleans.Concurrency;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Grains;

/// <summary>A selection of a group of standing queries.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.FollowedSelection")]
internal sealed record FollowedSelection
{
    /// <summary>Its number in the group; another selection never gets it.</summary>
    [Id(0)] public int Id { get; init; }

    [Id(1)] public required MatcherSpec[] Matchers { get; init; }

    /// <summary>Samples from this millisecond since 1970 on are wanted at once.</summary>
    [Id(2)] public long From { get; init; }
}

/// <summary>A group of standing queries wants to be told the samples of series, and goes on wanting it.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.FollowRequest")]
internal sealed record FollowRequest
{
    /// <summary>Key of the <see cref="IStandingGroupGrain"/>.</summary>
    [Id(0)] public required string Group { get; init; }

    /// <summary>The group's activation: what an earlier one followed is forgotten.</summary>
    [Id(1)] public long Epoch { get; init; }

    /// <summary>Selections to follow from now on, or to read once more.</summary>
    [Id(2)] public FollowedSelection[] Added { get; init; } = [];

    /// <summary>Numbers of those that are no longer wanted.</summary>
    [Id(3)] public int[] Removed { get; init; } = [];

    /// <summary>How long the group is told without asking again.</summary>
    [Id(4)] public int LeaseSeconds { get; init; }

    [Id(5)] public int MaxSeries { get; init; }

    [Id(6)] public int MaxSamples { get; init; }
}

/// <summary>What the added selections find.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.FollowReply")]
internal sealed record FollowReply
{
    /// <summary>The service grain's activation. Another than before knows nothing of what was followed.</summary>
    [Id(0)] public long Activation { get; init; }

    /// <summary>Samples were not told: everything has to be read once more.</summary>
    [Id(1)] public bool Lost { get; init; }

    /// <summary>One list per added selection: the series with a sample since then.</summary>
    [Id(2)] public SelectedSeries[][] Found { get; init; } = [];

    /// <summary>A limit that was hit, as a sentence; nothing was added then.</summary>
    [Id(3)] public string? LimitHit { get; init; }
}

/// <summary>A series that a group is told samples of from now on.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.FollowedSeries")]
internal sealed record FollowedSeries
{
    /// <summary>Its number in the service grain.</summary>
    [Id(0)] public int Id { get; init; }

    [Id(1)] public required LabelSet Labels { get; init; }

    /// <summary>Numbers of the selections that find it.</summary>
    [Id(2)] public required int[] Selections { get; init; }

    /// <summary>It has native histograms, which are not told.</summary>
    [Id(3)] public bool HasHistograms { get; init; }
}

/// <summary>
/// Samples that were stored, in columns, for one group. The arrays may be longer than <see cref="Count"/>, and are the sender's again once the call has
/// returned.
/// </summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.FollowedSamples")]
internal sealed record FollowedSamples
{
    /// <summary>Key of the service grain.</summary>
    [Id(0)] public required string Source { get; init; }

    /// <summary>The group's activation that asked for them.</summary>
    [Id(1)] public long Epoch { get; init; }

    /// <summary>Counts up by one: a gap shows that a batch never arrived.</summary>
    [Id(2)] public long No { get; init; }

    /// <summary>There were more than may wait: everything has to be read once more.</summary>
    [Id(3)] public bool Lost { get; init; }

    /// <summary>Series that the samples may be of, besides those told before.</summary>
    [Id(4)] public FollowedSeries[] Introduced { get; init; } = [];

    [Id(5)] public int Count { get; init; }

    [Id(6)] public required int[] Series { get; init; }

    /// <summary>Milliseconds since 1970.</summary>
    [Id(7)] public required long[] Times { get; init; }

    [Id(8)] public required double[] Values { get; init; }

    /// <summary>When the newest of them had reached the service, microseconds since 1970.</summary>
    [Id(9)] public long ReceivedUnixUs { get; init; }
}

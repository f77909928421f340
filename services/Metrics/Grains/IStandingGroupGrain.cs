using Orleans;
using Orleans.Concurrency;

namespace Vigil.Metrics.Grains;

/// <summary>
/// Keeps the values of many expressions current, from sample to sample: those that read the same are together, so that each batch of samples is one call
/// for all of them. The key is a number below <c>Metrics:StandingGroups</c>.
/// </summary>
[Alias("vigil.metrics.IStandingGroupGrain")]
internal interface IStandingGroupGrain : IGrainWithStringKey
{
    /// <summary>Adds and ends watches of a session, and returns as soon as there are values that it was not given, or after the wait.</summary>
    /// <param name="poll">What the session asks.</param>
    /// <param name="gone">The caller does not wait any more: a call that went on would keep the service from stopping.</param>
    [Alias("Next"), AlwaysInterleave]
    Task<StandingChanges> NextAsync(StandingPoll poll, CancellationToken gone = default);

    /// <summary>Samples that were stored. False where the group does not follow the sender any more.</summary>
    [Alias("Take"), AlwaysInterleave]
    Task<bool> TakeAsync(FollowedSamples samples);

    /// <summary>There are new services, whose series expressions may read.</summary>
    [Alias("ServicesChanged"), AlwaysInterleave]
    Task ServicesChangedAsync();
}

/// <summary>A session asks for values.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.StandingPoll")]
internal sealed record StandingPoll
{
    /// <summary>The session, by a name that no other has.</summary>
    [Id(0)] public required string Session { get; init; }

    /// <summary>Expressions to watch.</summary>
    [Id(1)] public string[] Added { get; init; } = [];

    /// <summary>The session's number for each of them; never used for another.</summary>
    [Id(2)] public int[] AddedIds { get; init; } = [];

    /// <summary>Numbers of watches that have ended.</summary>
    [Id(3)] public int[] Removed { get; init; } = [];

    /// <summary>How long to wait for values.</summary>
    [Id(4)] public TimeSpan Wait { get; init; }

    /// <summary>The session has ended, and all its watches.</summary>
    [Id(5)] public bool Ended { get; init; }
}

/// <summary>Values that a session was not given yet.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.StandingChanges")]
internal sealed record StandingChanges
{
    /// <summary>The group's activation: versions of two of them have nothing to do with each other.</summary>
    [Id(0)] public long Epoch { get; init; }

    /// <summary>The group does not know the session: it has to add its watches once more.</summary>
    [Id(1)] public bool Unknown { get; init; }

    /// <summary>Values that are not among the changes hold at this moment still, milliseconds since 1970.</summary>
    [Id(2)] public long ConfirmedAt { get; init; }

    [Id(3)] public StandingChange[] Changes { get; init; } = [];
}

/// <summary>A value of a watch.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.StandingChange")]
internal readonly record struct StandingChange
{
    /// <summary>The session's number of the watch.</summary>
    [Id(0)] public int Watch { get; init; }

    /// <summary>Null where the expression has to be evaluated in full, by <see cref="IStandingQueryGrain"/>; nothing more comes then.</summary>
    [Id(1)] public StandingValue? Value { get; init; }
}

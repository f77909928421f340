using Orleans;

namespace Vigil.Metrics.Rules;

/// <summary>A group of recording rules, evaluated on the clock for as long as it is in force. The key is <see cref="RuleGroup.Key"/>.</summary>
[Alias("vigil.metrics.IRuleGroupGrain")]
internal interface IRuleGroupGrain : IGrainWithStringKey
{
    /// <summary>Brings the group into force. Nothing happens where it is already, so that it may be told again at any time.</summary>
    [Alias("Apply")]
    Task ApplyAsync(RuleGroup group);

    /// <summary>Ends it: its series are marked as ended.</summary>
    [Alias("Retire")]
    Task RetireAsync();

    /// <summary>How it fares; null where it is not in force.</summary>
    [Alias("GetStatus")]
    Task<RuleGroupStatus?> GetStatusAsync();
}

/// <summary>How a group fares.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.RuleGroupStatus")]
internal sealed record RuleGroupStatus
{
    /// <summary>The moment it was last evaluated for; null before the first.</summary>
    [Id(0)] public DateTimeOffset? LastEvaluation { get; init; }

    /// <summary>How long that took.</summary>
    [Id(1)] public TimeSpan EvaluationTime { get; init; }

    /// <summary>One for each rule.</summary>
    [Id(2)] public required RuleStatus[] Rules { get; init; }
}

/// <summary>How a rule fares.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.RuleStatus")]
internal sealed record RuleStatus
{
    /// <summary>Which.</summary>
    [Id(0)] public required string Identity { get; init; }

    /// <summary>Null before the first evaluation.</summary>
    [Id(1)] public DateTimeOffset? LastEvaluation { get; init; }

    /// <summary>How long that took.</summary>
    [Id(2)] public TimeSpan EvaluationTime { get; init; }

    /// <summary>Why it failed, or what of it is not recorded; null where all is well.</summary>
    [Id(3)] public string? Error { get; init; }
}

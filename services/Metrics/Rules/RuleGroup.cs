using Orleans;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Rules;

/// <summary>An expression whose value is stored as a series of its own, over and over.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.RecordingRule")]
internal sealed record RecordingRule
{
    /// <summary>The name of the series that it yields.</summary>
    [Id(0)] public required string Record { get; init; }

    /// <summary>PromQL, as written.</summary>
    [Id(1)] public required string Expr { get; init; }

    /// <summary>Labels that are put on what it yields, over those that are there.</summary>
    [Id(2)] public required LabelSet Labels { get; init; }

    /// <summary>Where it stands in its file, from 1.</summary>
    [Id(3)] public int Line { get; init; }

    /// <summary>What tells it from others of its group: a rule whose expression changes goes on with the same series.</summary>
    public string Identity => $"{Record}{Labels}";
}

/// <summary>Rules that are evaluated together, one after the other, so that each sees what those before it yielded.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.RuleGroup")]
internal sealed record RuleGroup
{
    /// <summary>The file, relative to the directory.</summary>
    [Id(0)] public required string File { get; init; }

    /// <summary>Unique in its file.</summary>
    [Id(1)] public required string Name { get; init; }

    /// <summary>How often it is evaluated.</summary>
    [Id(2)] public TimeSpan Interval { get; init; }

    /// <summary>The most series that one of its rules may yield; 0 for no limit.</summary>
    [Id(3)] public int Limit { get; init; }

    /// <summary>How far behind the clock it is evaluated, for inputs that come late.</summary>
    [Id(4)] public TimeSpan QueryOffset { get; init; }

    /// <summary>In the order of the file.</summary>
    [Id(5)] public required RecordingRule[] Rules { get; init; }

    /// <summary>The key of its grain.</summary>
    public string Key => $"{File}:{Name}";

    /// <summary>Whether both say the same.</summary>
    public bool IsSame(RuleGroup? other) =>
        other is not null && (File, Name, Interval, Limit, QueryOffset) == (other.File, other.Name, other.Interval, other.Limit, other.QueryOffset)
        && Rules.AsSpan().SequenceEqual(other.Rules);
}

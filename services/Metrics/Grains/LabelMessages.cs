using Orleans;
using Orleans.Concurrency;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Grains;

/// <summary>What is wanted of the series that are found.</summary>
internal enum LabelsOf
{
    /// <summary>The series themselves: all of their labels.</summary>
    Series,

    /// <summary>The names of their labels.</summary>
    Names,

    /// <summary>The values of one label.</summary>
    Values,
}

/// <summary>Which labels there are.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.LabelRequest")]
internal sealed record LabelRequest
{
    [Id(0)] public LabelsOf Wanted { get; init; }

    /// <summary>The label whose values are wanted.</summary>
    [Id(1)] public string Label { get; init; } = "";

    /// <summary>A series is found where all matchers of one of these hold for it.</summary>
    [Id(2)] public required MatcherSpec[][] Selectors { get; init; }

    /// <summary>The series has a sample since then, milliseconds since 1970.</summary>
    [Id(3)] public long From { get; init; }

    /// <summary>And up to then. A series that began later, and part of which has left memory, may be found nevertheless.</summary>
    [Id(4)] public long To { get; init; }

    /// <summary>As many are wanted, the first in order.</summary>
    [Id(5)] public int Most { get; init; }

    /// <summary>As many as <see cref="Most"/> are too many: which of them are told does not matter then.</summary>
    [Id(6)] public bool IsRefusal { get; init; }
}

/// <summary>The first of those that were found, each once, in any order.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.LabelReply")]
internal sealed record LabelReply
{
    /// <summary>Names or values.</summary>
    [Id(0)] public string[] Texts { get; init; } = [];

    [Id(1)] public LabelSet[] Series { get; init; } = [];
}

using Orleans;
using Orleans.Concurrency;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Grains;

/// <summary>
/// An expression whose value is kept current while somebody follows it. The key is the expression's text: two callers that watch
/// the same share one evaluation.
/// </summary>
[Alias("vigil.metrics.IStandingQueryGrain")]
internal interface IStandingQueryGrain : IGrainWithStringKey
{
    /// <summary>Returns as soon as there is something newer than <paramref name="version"/>, and what there is after <paramref name="wait"/>.</summary>
    /// <param name="gone">The caller does not wait any more: a call that went on would keep the service from stopping.</param>
    [Alias("Next"), AlwaysInterleave]
    Task<StandingValue> NextAsync(long version, TimeSpan wait, CancellationToken gone = default);

    /// <summary>Samples that this expression reads have changed. Returns before the expression is evaluated.</summary>
    /// <param name="receivedUnixUs">When the newest of them had reached the service, microseconds since 1970; 0 for none in particular.</param>
    [Alias("InputsChanged"), AlwaysInterleave]
    Task InputsChangedAsync(long receivedUnixUs);
}

/// <summary>The value of an expression at a moment.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.StandingValue")]
internal sealed record StandingValue
{
    /// <summary>Counts up when the value, or what it was made from, changed. 0: not evaluated yet.</summary>
    [Id(0)] public long Version { get; init; }

    /// <summary>Milliseconds since 1970.</summary>
    [Id(1)] public long EvaluatedAt { get; init; }

    [Id(2)] public StandingElement[] Vector { get; init; } = [];

    /// <summary>Why there is no value; null where there is one.</summary>
    [Id(3)] public string? Error { get; init; }

    /// <summary>Series with a sample in their selector's window.</summary>
    [Id(4)] public int InputSeries { get; init; }

    /// <summary>Microseconds since 1970; 0 where time caused the evaluation.</summary>
    [Id(5)] public long CauseReceivedUnixUs { get; init; }
}

/// <summary>One element of a vector. A scalar is one without labels.</summary>
[GenerateSerializer, Immutable, Alias("vigil.metrics.StandingElement")]
internal sealed record StandingElement
{
    [Id(0)] public required LabelSet Labels { get; init; }

    /// <summary>NaN where it is a histogram.</summary>
    [Id(1)] public double Value { get; init; }

    /// <summary>The value, where it is a native histogram, as <see cref="HistogramCodec"/> writes it; null for a float.</summary>
    [Id(2)] public byte[]? Histogram { get; init; }

    /// <summary>Whether followers see no difference. Values are compared by bits: NaN is itself.</summary>
    public bool IsSame(StandingElement other) => BitConverter.DoubleToInt64Bits(Value) == BitConverter.DoubleToInt64Bits(other.Value)
        && Histogram.AsSpan().SequenceEqual(other.Histogram) && Labels.Equals(other.Labels);
}

using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Bounds on one evaluation.</summary>
/// <param name="MaxSamples">Samples held at once.</param>
/// <param name="MaxSteps">Steps of a range query or a subquery.</param>
internal sealed record EvaluationLimits(int MaxSamples = 50_000_000, int MaxSteps = 110_000);

/// <summary>The rules of evaluation that are not in the expression.</summary>
/// <param name="LookbackMs">How old a sample may be and still be the value of its series.</param>
/// <param name="DefaultSubqueryStepMs">The step of a subquery that names none.</param>
internal sealed record EvaluationOptions(long LookbackMs = 300_000, long DefaultSubqueryStepMs = 60_000)
{
    public EvaluationLimits Limits { get; init; } = new();

    /// <summary>The time zone of calendar windows that name none.</summary>
    public TimeZoneInfo Zone { get; init; } = TimeZoneInfo.Utc;
}

/// <summary>A selector of an expression, with the samples it can ever need: after <paramref name="FromMs"/> (exclusive), up to <paramref name="ToMs"/> (inclusive).</summary>
/// <param name="NewestOnly">Of each series the newest sample in the range is enough: the selector is evaluated at one moment only.</param>
internal sealed record SelectorRange(IReadOnlyList<LabelMatcher> Matchers, long FromMs, long ToMs, bool NewestOnly)
{
    /// <summary>
    /// Where the windows of a function begin and end, rising, if it takes a <see cref="Vigil.Metrics.Rollups.Rollup"/> for the samples in between; null where it wants each of them.
    /// </summary>
    public long[]? Boundaries { get; init; }

    /// <summary>The newest sample before a moment is wanted.</summary>
    public bool LooksBack { get; init; }
}

/// <summary>The samples of all selectors of an expression, fetched before it is evaluated.</summary>
internal interface ISeriesSource
{
    /// <summary>The series that match, each with at least the samples of the range.</summary>
    IReadOnlyList<SeriesSamples> Select(VectorSelector selector);
}

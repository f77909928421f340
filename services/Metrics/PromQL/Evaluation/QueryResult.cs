using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>What a query yields, with remarks on it.</summary>
/// <param name="Warnings">Prometheus' texts ("PromQL warning: ..."): the result may be wrong.</param>
/// <param name="Infos">The same ("PromQL info: ..."): the query may not mean what was meant.</param>
internal sealed record QueryResult(QueryValue Value, IReadOnlyList<string> Warnings, IReadOnlyList<string> Infos);

/// <summary>The value of a query.</summary>
internal abstract record QueryValue;

/// <param name="TimeMs">Milliseconds since 1970.</param>
internal sealed record ScalarValue(long TimeMs, double Value) : QueryValue;

internal sealed record TextValue(long TimeMs, string Text) : QueryValue;

/// <summary>Series with one sample each, all at one moment.</summary>
internal sealed record VectorValue(long TimeMs, IReadOnlyList<VectorElement> Elements) : QueryValue;

/// <param name="Value">NaN where the sample is a histogram.</param>
internal readonly record struct VectorElement(LabelSet Labels, double Value)
{
    public FloatHistogram? Histogram { get; init; }
}

/// <summary>Series with their samples, sorted by labels.</summary>
internal sealed record MatrixValue(IReadOnlyList<SeriesSamples> Series) : QueryValue;

/// <summary>Why an evaluation failed, in Prometheus' words.</summary>
internal sealed class EvaluationException(string message) : Exception(message)
{
    /// <summary>No data could help: the expression itself is wrong, as is found out only once the query's range and step are known.</summary>
    public bool IsOfExpression { get; init; }
}

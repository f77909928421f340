using Orleans.Runtime;
using Vigil.Metrics.Grains;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Watch;

/// <summary>Turns the value of a query into that of a standing query, and says whether two are the same.</summary>
internal static class StandingResult
{
    /// <summary>The error of a value whose inputs a grain does not give.</summary>
    public const string Unreadable = "the inputs cannot be read for the moment: the log says why";

    /// <summary>The error of a value that is too old to be confirmed.</summary>
    public const string PutOff = $"not evaluated for a minute: it takes long, or all watched expressions together take more than their share of the processors (Metrics:{nameof(MetricsOptions.StandingQueryShare)})";

    /// <summary>A vector as it is, a scalar as one element without labels; other values cannot be watched.</summary>
    public static StandingValue From(QueryValue value, long at, int inputSeries) => value switch
    {
        VectorValue vector => new StandingValue
        {
            EvaluatedAt = at,
            InputSeries = inputSeries,
            Vector = [.. vector.Elements.Select(e => new StandingElement { Labels = e.Labels, Value = e.Value, Histogram = e.Histogram is { } histogram ? HistogramCodec.Encode(histogram) : null })],
        },
        ScalarValue scalar => new StandingValue
        {
            EvaluatedAt = at,
            InputSeries = inputSeries,
            Vector = [new StandingElement { Labels = LabelSet.Empty, Value = scalar.Value }],
        },
        _ => new StandingValue { EvaluatedAt = at, Error = "only an expression that yields an instant vector or a scalar can be watched" },
    };

    /// <summary>What followers are told while a grain does not answer.</summary>
    public static StandingValue Interrupted(Exception cause, long at) =>
        new() { Version = -2, Error = $"the value cannot be had for the moment: {(cause is OrleansException or TimeoutException ? cause.Message : "the log says why")}", EvaluatedAt = at };

    /// <summary>Whether followers see no difference but the moment.</summary>
    public static bool Same(StandingValue a, StandingValue b)
    {
        if (a.Error != b.Error || a.InputSeries != b.InputSeries || a.Vector.Length != b.Vector.Length) return false;
        for (var i = 0; i < a.Vector.Length; i++)
        {
            if (!a.Vector[i].IsSame(b.Vector[i])) return false;
        }
        return true;
    }
}

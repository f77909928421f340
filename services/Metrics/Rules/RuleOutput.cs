using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Rules;

/// <summary>One series that a rule yields, with its value.</summary>
/// <param name="Labels">The series.</param>
/// <param name="Value">NaN where it is a histogram.</param>
/// <param name="Histogram">Null where it is a number.</param>
internal readonly record struct RecordedSample(LabelSet Labels, double Value, FloatHistogram? Histogram)
{
    /// <summary>The mark that a series ended.</summary>
    public static RecordedSample End(LabelSet labels) => new(labels, PromQL.Samples.Stale, null);
}

/// <summary>What a rule yielded.</summary>
/// <param name="Samples">No series twice.</param>
/// <param name="Fault">Why not all, or nothing, of it is recorded; null where all is well.</param>
/// <param name="Failed">Nothing is recorded, and what was recorded before goes on until it is too old.</param>
internal sealed record RuleOutput(IReadOnlyList<RecordedSample> Samples, string? Fault, bool Failed)
{
    /// <summary>Names and labels what an expression yielded.</summary>
    public static RuleOutput From(RecordingRule rule, QueryValue value, int limit, SeriesRules allowed)
    {
        var elements = value switch
        {
            VectorValue vector => vector.Elements,
            ScalarValue scalar => [new VectorElement(LabelSet.Empty, scalar.Value)],
            _ => throw new InvalidOperationException("the reader of rules takes no other type"),
        };
        if (limit > 0 && elements.Count > limit) return Failure($"exceeded limit of {limit} with {elements.Count} series");
        var samples = new Dictionary<LabelSet, RecordedSample>(elements.Count);
        string? fault = null;
        foreach (var element in elements)
        {
            var labels = Name(rule, element.Labels);
            if (allowed.Check(rule.Record, labels.AsLabels().Where(l => l.Name != LabelSet.NameLabel).ToArray()) is var (_, detail)) fault = detail;
            else if (!samples.TryAdd(labels, new RecordedSample(labels, element.Value, element.Histogram))) return Failure("vector contains metrics with the same labelset after applying rule labels");
        }
        return new RuleOutput([.. samples.Values], fault, false);
    }

    /// <summary>What a rule without a value leaves.</summary>
    public static RuleOutput Failure(string fault) => new([], fault, true);

    private static LabelSet Name(RecordingRule rule, LabelSet labels)
    {
        var named = labels.AsLabels().Where(l => l.Name != LabelSet.NameLabel && !rule.Labels.TryGet(l.Name, out _));
        return LabelSet.Create(named.Concat(rule.Labels.AsLabels()).Append(new Label(LabelSet.NameLabel, rule.Record)));
    }
}

using System.Runtime.InteropServices;

namespace Vigil.Metrics.PromQL;

/// <summary>What is known of the floats of one group at one moment, for every aggregation that needs no labels. One for the evaluator and for what is kept incrementally: both give the same bits.</summary>
internal struct FloatFold
{
    private KahanSum sum;
    private Mean mean;
    private double extreme;
    private double average;
    private double squares;
    private List<double>? values;

    /// <summary>Floats added.</summary>
    public int Count { get; private set; }

    /// <summary>Forgets all, and keeps the memory.</summary>
    public void Clear()
    {
        var kept = values;
        kept?.Clear();
        this = default;
        values = kept;
    }

    /// <summary>Adds one.</summary>
    public void Add(AggregateOperator op, double value)
    {
        Count++;
        switch (op)
        {
            case AggregateOperator.Sum:
                sum.Add(value);
                break;
            case AggregateOperator.Avg:
                mean.Add(value);
                break;
            // A NaN gives way to any number.
            case AggregateOperator.Min:
                if (Count == 1 || extreme > value || double.IsNaN(extreme)) extreme = value;
                break;
            case AggregateOperator.Max:
                if (Count == 1 || extreme < value || double.IsNaN(extreme)) extreme = value;
                break;
            // Welford's method.
            case AggregateOperator.Stddev or AggregateOperator.Stdvar when Count == 1:
                average = value;
                squares = double.IsFinite(value) ? 0 : double.NaN;
                break;
            case AggregateOperator.Stddev or AggregateOperator.Stdvar:
                var delta = value - average;
                average += delta / Count;
                squares += delta * (value - average);
                break;
            case AggregateOperator.Quantile:
                (values ??= []).Add(value);
                break;
        }
    }

    /// <summary>The aggregate of what was added, at least one.</summary>
    public readonly double Result(AggregateOperator op, double parameter) => op switch
    {
        AggregateOperator.Sum => sum.Sum + sum.Compensation,
        AggregateOperator.Avg => mean.Value,
        AggregateOperator.Count => Count,
        AggregateOperator.Group => 1,
        AggregateOperator.Stdvar => squares / Count,
        AggregateOperator.Stddev => Math.Sqrt(squares / Count),
        AggregateOperator.Quantile => Quantiles.Of(parameter, CollectionsMarshal.AsSpan(values)),
        _ => extreme,
    };
}

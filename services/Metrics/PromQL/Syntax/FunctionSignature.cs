using System.Collections.Frozen;

namespace Vigil.Metrics.PromQL;

/// <summary>A function's name and types.</summary>
/// <param name="Variadic">How often the last argument may be given beyond once, from zero times; -1 is without end, 0 is exactly once.</param>
internal sealed record FunctionSignature(string Name, IReadOnlyList<ExprType> Arguments, int Variadic, ExprType Returns)
{
    private const ExprType Scalar = ExprType.Scalar;
    private const ExprType Vector = ExprType.InstantVector;
    private const ExprType Range = ExprType.RangeVector;
    private const ExprType Text = ExprType.String;

    /// <summary>All functions, by name. Those that Prometheus calls experimental are on.</summary>
    public static readonly FrozenDictionary<string, FunctionSignature> All = Create().ToFrozenDictionary(f => f.Name, StringComparer.Ordinal);

    private static IEnumerable<FunctionSignature> Create()
    {
        foreach (var name in (string[])["abs", "absent", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "deg",
            "exp", "floor", "histogram_avg", "histogram_count", "histogram_sum", "histogram_stddev", "histogram_stdvar", "ln", "log10",
            "log2", "rad", "sgn", "sin", "sinh", "sort", "sort_desc", "sqrt", "start_timestamp", "tan", "tanh", "timestamp"])
            yield return new(name, [Vector], 0, Vector);
        foreach (var name in (string[])["days_in_month", "day_of_month", "day_of_week", "day_of_year", "hour", "minute", "month", "year"])
            yield return new(name, [Vector], 1, Vector);
        foreach (var name in (string[])["absent_over_time", "avg_over_time", "changes", "count_over_time", "delta", "deriv",
            "first_over_time", "idelta", "increase", "irate", "last_over_time", "mad_over_time", "max_over_time", "min_over_time",
            "present_over_time", "rate", "resets", "stddev_over_time", "stdvar_over_time", "sum_over_time", "ts_of_first_over_time",
            "ts_of_last_over_time", "ts_of_max_over_time", "ts_of_min_over_time"])
            yield return new(name, [Range], 0, Vector);
        foreach (var name in (string[])["pi", "time", "start", "end", "range", "step"]) yield return new(name, [], 0, Scalar);
        foreach (var name in (string[])["max_of", "min_of"]) yield return new(name, [Scalar, Scalar], 0, Scalar);
        foreach (var name in (string[])["clamp_max", "clamp_min"]) yield return new(name, [Vector, Scalar], 0, Vector);
        foreach (var name in (string[])["sort_by_label", "sort_by_label_desc"]) yield return new(name, [Vector, Text], -1, Vector);
        yield return new("clamp", [Vector, Scalar, Scalar], 0, Vector);
        yield return new("double_exponential_smoothing", [Range, Scalar, Scalar], 0, Vector);
        yield return new("histogram_fraction", [Scalar, Scalar, Vector], 0, Vector);
        yield return new("histogram_quantile", [Scalar, Vector], 0, Vector);
        yield return new("histogram_quantiles", [Vector, Text, Scalar, Scalar], 9, Vector);
        yield return new("info", [Vector, Vector], 1, Vector);
        yield return new("label_join", [Vector, Text, Text, Text], -1, Vector);
        yield return new("label_replace", [Vector, Text, Text, Text, Text], 0, Vector);
        yield return new("predict_linear", [Range, Scalar], 0, Vector);
        yield return new("quantile_over_time", [Scalar, Range], 0, Vector);
        yield return new("round", [Vector, Scalar], 1, Vector);
        yield return new("scalar", [Vector], 0, Scalar);
        yield return new("vector", [Scalar], 0, Vector);
    }
}

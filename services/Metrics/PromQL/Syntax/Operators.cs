namespace Vigil.Metrics.PromQL;

/// <summary>Binary operators, in no order of precedence; see <see cref="Operators.Precedence"/>.</summary>
internal enum BinaryOperator
{
    None,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Atan2,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Unless,
    TrimUpper,
    TrimLower,
}

internal enum AggregateOperator
{
    None,
    Sum,
    Avg,
    Count,
    Min,
    Max,
    Group,
    Stddev,
    Stdvar,
    TopK,
    BottomK,
    CountValues,
    Quantile,
    LimitK,
    LimitRatio,
}

internal static class Operators
{
    /// <summary>Binds tighter with a higher number. A unary sign binds like multiplication, so that -1^2 is -(1^2).</summary>
    public static int Precedence(this BinaryOperator op) => op switch
    {
        BinaryOperator.Or => 1,
        BinaryOperator.And or BinaryOperator.Unless => 2,
        BinaryOperator.Add or BinaryOperator.Subtract => 4,
        BinaryOperator.Multiply or BinaryOperator.Divide or BinaryOperator.Modulo or BinaryOperator.Atan2 => 5,
        BinaryOperator.Power => PowerPrecedence,
        _ => 3,
    };

    public const int PowerPrecedence = 6;

    public static bool IsComparison(this BinaryOperator op) => op is BinaryOperator.Equal or BinaryOperator.NotEqual
        or BinaryOperator.Less or BinaryOperator.LessOrEqual or BinaryOperator.Greater or BinaryOperator.GreaterOrEqual;

    public static bool IsSet(this BinaryOperator op) => op is BinaryOperator.And or BinaryOperator.Or or BinaryOperator.Unless;

    /// <summary>Cuts off a part of histograms.</summary>
    public static bool IsTrim(this BinaryOperator op) => op is BinaryOperator.TrimUpper or BinaryOperator.TrimLower;

    /// <summary>True where the result is no longer the metric that went in, so that its name goes.</summary>
    public static bool ChangesMeaning(this BinaryOperator op) => !op.IsComparison() && !op.IsSet() && !op.IsTrim();

    public static string Symbol(this BinaryOperator op) => op switch
    {
        BinaryOperator.Add => "+",
        BinaryOperator.Subtract => "-",
        BinaryOperator.Multiply => "*",
        BinaryOperator.Divide => "/",
        BinaryOperator.Modulo => "%",
        BinaryOperator.Power => "^",
        BinaryOperator.Atan2 => "atan2",
        BinaryOperator.Equal => "==",
        BinaryOperator.NotEqual => "!=",
        BinaryOperator.Less => "<",
        BinaryOperator.LessOrEqual => "<=",
        BinaryOperator.Greater => ">",
        BinaryOperator.GreaterOrEqual => ">=",
        BinaryOperator.And => "and",
        BinaryOperator.Or => "or",
        BinaryOperator.Unless => "unless",
        BinaryOperator.TrimUpper => "</",
        BinaryOperator.TrimLower => ">/",
        _ => throw new ArgumentOutOfRangeException(nameof(op), op, null),
    };

    public static string Symbol(this AggregateOperator op) => op switch
    {
        AggregateOperator.TopK => "topk",
        AggregateOperator.BottomK => "bottomk",
        AggregateOperator.CountValues => "count_values",
        AggregateOperator.LimitK => "limitk",
        AggregateOperator.LimitRatio => "limit_ratio",
        _ => op.ToString().ToLowerInvariant(),
    };

    public static string Symbol(this DurationOperator op) => op switch
    {
        DurationOperator.Step => "step",
        DurationOperator.Range => "range",
        DurationOperator.MinOf => "min_of",
        DurationOperator.MaxOf => "max_of",
        DurationOperator.Add => "+",
        DurationOperator.Subtract => "-",
        DurationOperator.Multiply => "*",
        DurationOperator.Divide => "/",
        DurationOperator.Modulo => "%",
        _ => "^",
    };

    /// <summary>The operator between durations that an operator between values is; null where there is none.</summary>
    public static DurationOperator? ForDurations(this BinaryOperator op) => op switch
    {
        BinaryOperator.Add => DurationOperator.Add,
        BinaryOperator.Subtract => DurationOperator.Subtract,
        BinaryOperator.Multiply => DurationOperator.Multiply,
        BinaryOperator.Divide => DurationOperator.Divide,
        BinaryOperator.Modulo => DurationOperator.Modulo,
        BinaryOperator.Power => DurationOperator.Power,
        _ => null,
    };

    public static bool TakesParameter(this AggregateOperator op) => op is AggregateOperator.TopK or AggregateOperator.BottomK
        or AggregateOperator.CountValues or AggregateOperator.Quantile or AggregateOperator.LimitK or AggregateOperator.LimitRatio;
}

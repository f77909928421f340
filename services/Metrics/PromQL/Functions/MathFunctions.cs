using System.Collections.Frozen;

namespace Vigil.Metrics.PromQL;

/// <summary>Functions of one sample's value alone.</summary>
internal static class MathFunctions
{
    public static readonly FrozenDictionary<string, Func<double, double>> All = new Dictionary<string, Func<double, double>>
    {
        ["abs"] = Math.Abs,
        ["acos"] = Math.Acos,
        ["acosh"] = Math.Acosh,
        ["asin"] = Math.Asin,
        ["asinh"] = Math.Asinh,
        ["atan"] = Math.Atan,
        ["atanh"] = Math.Atanh,
        ["ceil"] = Math.Ceiling,
        ["cos"] = Math.Cos,
        ["cosh"] = Math.Cosh,
        ["deg"] = static v => v * 180 / Math.PI,
        ["exp"] = Math.Exp,
        ["floor"] = Math.Floor,
        ["ln"] = Math.Log,
        ["log10"] = Math.Log10,
        ["log2"] = Math.Log2,
        ["rad"] = static v => v * Math.PI / 180,
        ["sgn"] = static v => v > 0 ? 1 : v < 0 ? -1 : v,
        ["sin"] = Math.Sin,
        ["sinh"] = Math.Sinh,
        ["sqrt"] = Math.Sqrt,
        ["tan"] = Math.Tan,
        ["tanh"] = Math.Tanh,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>To the nearest multiple; ties go up. Multiplying by the inverse is how Prometheus loses the fewest digits.</summary>
    public static double Round(double value, double toNearest)
    {
        var inverse = 1 / toNearest;
        return Math.Floor(value * inverse + 0.5) / inverse;
    }

    /// <summary>A NaN anywhere is the result, unless an infinity on the side that is looked for decides.</summary>
    public static double Clamp(double value, double min, double max) => Max(min, Min(max, value));

    /// <summary>Go's math.Max: a positive infinity is larger than a NaN.</summary>
    public static double Max(double a, double b) =>
        double.IsPositiveInfinity(a) || double.IsPositiveInfinity(b) ? double.PositiveInfinity : Math.Max(a, b);

    /// <summary>Go's math.Min: a negative infinity is smaller than a NaN.</summary>
    public static double Min(double a, double b) =>
        double.IsNegativeInfinity(a) || double.IsNegativeInfinity(b) ? double.NegativeInfinity : Math.Min(a, b);
}

namespace Vigil.Metrics.Series;

/// <summary>Values as whole numbers of a power of ten: what people and programs measure mostly has few decimals, and whole numbers compress far better than doubles.</summary>
internal static class DecimalScale
{
    /// <summary>Most decimals looked for.</summary>
    public const int MaxDecimals = 9;

    /// <summary>2^53: whole numbers below are doubles exactly.</summary>
    private const double Limit = 9_007_199_254_740_992;

    private static readonly double[] Powers = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

    /// <summary>The whole number that <see cref="ToValue"/> makes exactly this value of, bit by bit. False where there is none.</summary>
    public static bool TryScale(double value, int decimals, out long scaled)
    {
        var product = value * Powers[decimals];
        // Not a number fails this as well.
        if (!(Math.Abs(product) < Limit))
        {
            scaled = 0;
            return false;
        }
        scaled = (long)Math.Round(product);
        return BitConverter.DoubleToInt64Bits(ToValue(scaled, decimals)) == BitConverter.DoubleToInt64Bits(value);
    }

    /// <summary>The value. A division of two numbers that are exact, so that it gives the double nearest to the decimal number.</summary>
    public static double ToValue(long scaled, int decimals) => scaled / Powers[decimals];

    /// <summary>The values of many numbers; both may be the same memory.</summary>
    public static void ToValues(ReadOnlySpan<long> scaled, int decimals, Span<double> values)
    {
        var power = Powers[decimals];
        if (decimals == 0)
        {
            for (var i = 0; i < scaled.Length; i++) values[i] = scaled[i];
            return;
        }
        for (var i = 0; i < scaled.Length; i++) values[i] = scaled[i] / power;
    }

    /// <summary>The fewest decimals, not fewer than <paramref name="from"/>, with which the value is exact; -1 where it never is.</summary>
    public static int Decimals(double value, int from)
    {
        for (var decimals = from; decimals <= MaxDecimals; decimals++)
        {
            if (TryScale(value, decimals, out _)) return decimals;
        }
        return -1;
    }
}

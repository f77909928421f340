namespace Vigil.Metrics.PromQL;

/// <summary>Quantiles of samples.</summary>
internal static class Quantiles
{
    /// <summary>The q-quantile with linear interpolation between ranks; sorts <paramref name="values"/>. NaN of nothing; outside 0..1 an infinity.</summary>
    public static double Of(double q, Span<double> values)
    {
        values.Sort();
        return OfSorted(q, values);
    }

    /// <summary>The same of values that are sorted already, NaN first.</summary>
    public static double OfSorted(double q, ReadOnlySpan<double> values)
    {
        if (values.IsEmpty || double.IsNaN(q)) return double.NaN;
        if (q < 0) return double.NegativeInfinity;
        if (q > 1) return double.PositiveInfinity;
        var rank = q * (values.Length - 1);
        var lower = (int)Math.Max(0, Math.Floor(rank));
        var upper = Math.Min(values.Length - 1, lower + 1);
        var weight = rank - Math.Floor(rank);
        return values[lower] * (1 - weight) + values[upper] * weight;
    }

    /// <summary>Warns where q is no quantile.</summary>
    public static void Check(double q, PositionRange at, Annotations annotations)
    {
        if (double.IsNaN(q) || q < 0 || q > 1) annotations.Warn($"quantile value should be between 0 and 1, got {GoText.FloatG(q)}", at);
    }
}

namespace Vigil.Metrics.Series;

/// <summary>The mean of histograms: their sum divided by their number, or, where the sum would overflow, a mean kept up to date (less exact).</summary>
internal sealed class HistogramMean(FloatHistogram first)
{
    private HistogramSum sum = new(first);
    private double count = 1;
    private bool incremental;

    /// <summary>Adds a histogram. Where it is incompatible, there is no mean.</summary>
    public HistogramRemarks Add(FloatHistogram other)
    {
        count++;
        if (!incremental && !sum.MayOverflow(other)) return sum.Add(other);
        if (!incremental)
        {
            var next = sum.Clone();
            var remarks = next.Add(other);
            if ((remarks & HistogramRemarks.Incompatible) != 0 || !next.HasOverflow())
            {
                sum = next;
                return remarks;
            }
            incremental = true;
            sum.Divide(count - 1);
        }
        sum.Scale((count - 1) / count);
        return sum.Add(other.Divide(count));
    }

    /// <summary>The mean of all that were added.</summary>
    public FloatHistogram Value()
    {
        if (incremental) return sum.Total();
        var mean = sum.Clone();
        mean.Divide(count);
        return mean.Total();
    }
}

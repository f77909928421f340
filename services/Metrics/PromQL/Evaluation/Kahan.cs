namespace Vigil.Metrics.PromQL;

/// <summary>A sum with Neumaier's compensation: what rounding loses is kept aside and added at the end.</summary>
internal struct KahanSum
{
    private double compensation;

    public KahanSum(double start) => Sum = start;

    /// <summary>The sum without its compensation.</summary>
    public double Sum { get; private set; }

    public readonly double Compensation => compensation;

    /// <summary>The compensated sum. An infinite sum stays infinite.</summary>
    public readonly double Total => double.IsInfinity(Sum) ? Sum : Sum + compensation;

    public void Add(double value)
    {
        var sum = Sum + value;
        if (double.IsInfinity(sum)) compensation = 0;
        // The smaller of the two loses digits.
        else if (Math.Abs(Sum) >= Math.Abs(value)) compensation += Sum - sum + value;
        else compensation += value - sum + Sum;
        Sum = sum;
    }

    public void Scale(double factor)
    {
        Sum *= factor;
        compensation *= factor;
    }

    public void Divide(double divisor)
    {
        Sum /= divisor;
        compensation /= divisor;
    }
}

/// <summary>
/// A mean that does not overflow: the sum divided by the count, and only where the sum would leave the range of a double, the mean
/// itself kept up to date value by value (less exact).
/// </summary>
internal struct Mean
{
    private KahanSum sum;
    private bool incremental;
    private double count;

    public void Add(double value)
    {
        count++;
        if (count == 1)
        {
            sum = new KahanSum(value);
            return;
        }
        if (!incremental)
        {
            var next = sum;
            next.Add(value);
            if (!double.IsInfinity(next.Sum))
            {
                sum = next;
                return;
            }
            incremental = true;
            sum.Scale(1 / (count - 1));
        }
        sum.Scale((count - 1) / count);
        sum.Add(value / count);
    }

    public readonly double Value => incremental ? sum.Sum + sum.Compensation : sum.Sum / count + sum.Compensation / count;
}

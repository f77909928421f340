using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>The moments an expression is evaluated at: <paramref name="StartMs"/>, then every <paramref name="StepMs"/>. An instant is one step.</summary>
internal readonly record struct StepGrid(long StartMs, long StepMs, int Steps)
{
    public long TimeOf(int step) => StartMs + step * StepMs;

    public bool IsInstant => Steps == 1;

    public static StepGrid Range(long startMs, long endMs, long stepMs) =>
        endMs < startMs ? new(startMs, stepMs, 0) : new(startMs, stepMs, checked((int)((endMs - startMs) / stepMs) + 1));
}

/// <summary>
/// One series of a vector over all steps of a grid. A step without a sample holds <see cref="Samples.Absent"/>, a NaN that no
/// arithmetic yields. Native histograms will stand beside the floats, as a second column that is null while there are none.
/// </summary>
/// <param name="DropName">The metric name goes when the result leaves the engine; until then label functions may still see it.</param>
internal sealed record BlockSeries(LabelSet Labels, double[] Values, bool DropName);

/// <summary>The value of an expression over all steps.</summary>
internal abstract record Block;

/// <summary>A scalar: one value per step.</summary>
internal sealed record ScalarBlock(double[] Values) : Block;

internal sealed record TextBlock(string Text) : Block;

/// <summary>A vector; the order of the series is kept where it means something (sort, topk at an instant).</summary>
internal sealed record VectorBlock(IReadOnlyList<BlockSeries> Series) : Block
{
    public static readonly VectorBlock Empty = new([]);
}

/// <summary>Marks of samples.</summary>
internal static class Samples
{
    /// <summary>Prometheus' staleness marker: a series ended here. A signalling NaN, so that arithmetic cannot produce it.</summary>
    public static readonly double Stale = BitConverter.UInt64BitsToDouble(0x7ff0000000000002);

    /// <summary>No sample at a step.</summary>
    public static readonly double Absent = Stale;

    public static bool IsStale(double value) => BitConverter.DoubleToUInt64Bits(value) == 0x7ff0000000000002;

    public static bool IsAbsent(double value) => IsStale(value);

    /// <summary>An array with no sample at any step.</summary>
    public static double[] NoneOf(int steps)
    {
        var values = new double[steps];
        values.AsSpan().Fill(Absent);
        return values;
    }
}

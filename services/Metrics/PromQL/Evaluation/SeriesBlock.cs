using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>The moments an expression is evaluated at: <paramref name="StartMs"/>, then every <paramref name="StepMs"/>. An instant is one step.</summary>
internal readonly record struct StepGrid(long StartMs, long StepMs, int Steps)
{
    private readonly long afterLastStep;

    /// <summary>The end that was asked for, which may lie up to a step behind the last moment; end() and range() go by it.</summary>
    public long EndMs
    {
        get => TimeOf(Math.Max(0, Steps - 1)) + afterLastStep;
        private init => afterLastStep = value - TimeOf(Math.Max(0, Steps - 1));
    }

    public bool IsInstant => Steps == 1 && afterLastStep == 0;

    public long TimeOf(int step) => StartMs + step * StepMs;

    public static StepGrid Range(long startMs, long endMs, long stepMs) =>
        endMs < startMs ? new(startMs, stepMs, 0) : new(startMs, stepMs, checked((int)((endMs - startMs) / stepMs) + 1)) { EndMs = endMs };
}

/// <summary>
/// One series of a vector over all steps of a grid. A step without a sample, or with a histogram, holds <see cref="Samples.Absent"/>, a NaN that no
/// arithmetic yields: what works on floats alone need not know of histograms.
/// </summary>
/// <param name="DropName">The metric name goes when the result leaves the engine; until then label functions may still see it.</param>
internal sealed record BlockSeries(LabelSet Labels, double[] Values, bool DropName)
{
    /// <summary>The histograms, by step; null where there is none at any.</summary>
    public FloatHistogram?[]? Histograms { get; init; }

    public bool Has(int step) => !Samples.IsAbsent(Values[step]) || Histograms?[step] is not null;

    public Sample At(int step) => new(Values[step], Histograms?[step]);

    public bool HasAny() => Values.AsSpan().ContainsAnyPresent() || HasAnyHistogram();

    public bool HasAnyHistogram() => Histograms is not null && Array.Exists(Histograms, static h => h is not null);
}

/// <summary>A value of a series at one moment: a number, or a histogram.</summary>
internal readonly record struct Sample(double Number, FloatHistogram? Histogram)
{
    public static readonly Sample Absent = new(Samples.Absent, null);

    public bool IsAbsent => Histogram is null && Samples.IsAbsent(Number);

    public static implicit operator Sample(double number) => new(number, null);

    public static implicit operator Sample(FloatHistogram histogram) => new(Samples.Absent, histogram);
}

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
    /// <summary>The bits of <see cref="Absent"/> and <see cref="Stale"/>.</summary>
    public const long AbsentBits = 0x7ff0000000000002;

    /// <summary>Prometheus' staleness marker: a series ended here. A signalling NaN, so that arithmetic cannot produce it.</summary>
    public static readonly double Stale = BitConverter.Int64BitsToDouble(AbsentBits);

    /// <summary>No sample at a step.</summary>
    public static readonly double Absent = Stale;

    public static bool IsStale(double value) => BitConverter.DoubleToInt64Bits(value) == AbsentBits;

    public static bool IsAbsent(double value) => IsStale(value);

    /// <summary>An array with no sample at any step.</summary>
    public static double[] NoneOf(int steps)
    {
        var values = new double[steps];
        values.AsSpan().Fill(Absent);
        return values;
    }
}

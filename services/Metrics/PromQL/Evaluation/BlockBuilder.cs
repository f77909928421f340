using System.Runtime.InteropServices;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>Collects the samples of a result vector: those with the same labels make one series, which has one sample per step at most.</summary>
internal sealed class BlockBuilder(int steps)
{
    private readonly Dictionary<LabelSet, int> places = [];
    private readonly List<BlockSeries> series = [];

    /// <summary>The place of the series with these labels, made where there is none yet.</summary>
    public int Place(LabelSet labels, bool dropName)
    {
        if (places.TryGetValue(labels, out var place)) return place;
        place = series.Count;
        places.Add(labels, place);
        series.Add(new(labels, Samples.NoneOf(steps), dropName));
        return place;
    }

    /// <exception cref="EvaluationException">The series has a sample at this step already.</exception>
    public void Set(int place, int step, double value)
    {
        var one = series[place];
        if (one.Has(step)) throw SameLabels();
        one.Values[step] = value;
    }

    /// <exception cref="EvaluationException">The series has a sample at this step already.</exception>
    public void Set(int place, int step, Sample sample)
    {
        if (sample.Histogram is not { } histogram)
        {
            Set(place, step, sample.Number);
            return;
        }
        var one = series[place];
        if (one.Has(step)) throw SameLabels();
        if (one.Histograms is null) series[place] = one = one with { Histograms = new FloatHistogram?[steps] };
        one.Histograms![step] = histogram;
    }

    /// <summary>Adds all samples of a series, under its labels.</summary>
    public void Merge(BlockSeries added)
    {
        if (!places.TryGetValue(added.Labels, out var place))
        {
            places.Add(added.Labels, series.Count);
            series.Add(added);
            return;
        }
        // Not in place: the values may be shared with another block.
        var merged = series[place];
        series[place] = merged with { Values = (double[])merged.Values.Clone(), Histograms = (FloatHistogram?[]?)merged.Histograms?.Clone() };
        for (var step = 0; step < steps; step++)
        {
            if (added.Has(step)) Set(place, step, added.At(step));
        }
    }

    /// <summary>The series that have any sample.</summary>
    public VectorBlock Build() => new(series.Where(s => s.HasAny()).ToArray());

    public static EvaluationException SameLabels() => new("vector cannot contain metrics with the same labelset");
}

internal static class BlockExtensions
{
    public static bool ContainsAnyPresent(this Span<double> values) => Bits(values).ContainsAnyExcept(Samples.AbsentBits);

    public static bool ContainsStale(this ReadOnlySpan<double> values) => Bits(values).Contains(Samples.AbsentBits);

    /// <summary>Applies a function to every float; the result is another thing than the metric was, so the name goes. Histograms are left out.</summary>
    public static VectorBlock Map(this VectorBlock block, Func<double, double> function) => block.Map((value, _) => function(value));

    public static VectorBlock Map(this VectorBlock block, Func<double, int, double> function)
    {
        var result = new List<BlockSeries>(block.Series.Count);
        foreach (var source in block.Series)
        {
            if (source.Histograms is not null && !source.Values.AsSpan().ContainsAnyPresent()) continue;
            var values = new double[source.Values.Length];
            for (var step = 0; step < values.Length; step++)
            {
                var value = source.Values[step];
                values[step] = Samples.IsAbsent(value) ? value : function(value, step);
            }
            result.Add(new(source.Labels, values, DropName: true));
        }
        return new(result);
    }

    /// <summary>The number that a function makes of every histogram. Floats are left out.</summary>
    public static VectorBlock MapHistograms(this VectorBlock block, Func<FloatHistogram, double> function)
    {
        var result = new List<BlockSeries>();
        foreach (var source in block.Series)
        {
            if (!source.HasAnyHistogram()) continue;
            result.Add(new(source.Labels, Array.ConvertAll(source.Histograms!, h => h is null ? Samples.Absent : function(h)), DropName: true));
        }
        return new(result);
    }

    // Bits are compared many at once, and the mark of no sample is a NaN that equals nothing.
    private static ReadOnlySpan<long> Bits(ReadOnlySpan<double> values) => MemoryMarshal.Cast<double, long>(values);
}

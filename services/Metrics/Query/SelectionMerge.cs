using Vigil.Metrics.Grains;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Query;

/// <summary>
/// Puts together what several grains found. A series may lie in two of them, when the number of shards was changed while it was
/// being written: its samples are merged, and for a moment that both have the first grain's value is taken.
/// </summary>
internal sealed class SelectionMerge(int selectors, int maxSeries, int maxSamples)
{
    private readonly List<SeriesSamples>[] found = [.. Enumerable.Range(0, selectors).Select(_ => new List<SeriesSamples>())];
    private readonly Dictionary<LabelSet, int>[] positions = [.. Enumerable.Range(0, selectors).Select(_ => new Dictionary<LabelSet, int>())];
    private int series;
    private long samples;

    /// <summary>One list per selector.</summary>
    public IReadOnlyList<SeriesSamples>[] Found => found;

    /// <summary>Rollups of two grains are of the same series: they cannot be told apart, and the selection has to be read sample by sample.</summary>
    public bool OverlapsInRollups { get; private set; }

    /// <summary>Adds what one grain found.</summary>
    /// <exception cref="RefusalException">A limit is hit, there or here.</exception>
    public void Add(SelectReply reply)
    {
        if (reply.LimitHit is { } limit) throw TooMuch(limit);
        for (var i = 0; i < reply.Found.Length; i++)
        {
            foreach (var one in reply.Found[i])
            {
                samples += one.Times.Length;
                if (samples > maxSamples) throw TooMuch($"the query finds more than {maxSamples} samples (Metrics:{nameof(MetricsOptions.MaxSamplesPerQuery)})");
                var added = new SeriesSamples(one.Labels, one.Times, one.Values)
                {
                    Histograms = Decode(one),
                    Rollups = one.Rollups,
                    ResolutionMs = one.ResolutionMs,
                    RolledThrough = one.RolledThrough,
                };
                if (positions[i].TryGetValue(one.Labels, out var at))
                {
                    if (!added.Rollups.IsEmpty || !found[i][at].Rollups.IsEmpty) OverlapsInRollups = true;
                    found[i][at] = Merge(found[i][at], added);
                    continue;
                }
                if (++series > maxSeries) throw TooMuch($"the query finds more than {maxSeries} series (Metrics:{nameof(MetricsOptions.MaxSeriesPerQuery)})");
                positions[i].Add(one.Labels, found[i].Count);
                found[i].Add(added);
            }
        }
    }

    private static FloatHistogram?[] Decode(SelectedSeries series)
    {
        if (series.Histograms is not { } encoded) return [];
        var decoded = new FloatHistogram?[encoded.Length];
        for (var i = 0; i < encoded.Length; i++)
        {
            if (encoded[i] is { } bytes && !HistogramCodec.TryDecode(bytes, out decoded[i]))
                throw new RefusalException(RefusalKind.Unavailable, $"a stored histogram of {series.Labels} cannot be read");
        }
        return decoded;
    }

    private static SeriesSamples Merge(SeriesSamples first, SeriesSamples second)
    {
        var (times, values) = (new List<long>(first.Count + second.Count), new List<double>(first.Count + second.Count));
        var histograms = first.Histograms.IsEmpty && second.Histograms.IsEmpty ? null : new List<FloatHistogram?>(first.Count + second.Count);
        var starts = first.StartTimes.IsEmpty && second.StartTimes.IsEmpty ? null : new List<long>();
        int a = 0, b = 0;
        while (a < first.Count || b < second.Count)
        {
            var takeFirst = b >= second.Count || (a < first.Count && first.Times.Span[a] <= second.Times.Span[b]);
            var (from, at) = takeFirst ? (first, a++) : (second, b++);
            if (times.Count > 0 && times[^1] == from.Times.Span[at]) continue;
            times.Add(from.Times.Span[at]);
            values.Add(from.Values.Span[at]);
            histograms?.Add(from.Histograms.IsEmpty ? null : from.Histograms.Span[at]);
            starts?.Add(from.StartTimes.IsEmpty ? 0 : from.StartTimes.Span[at]);
        }
        return new SeriesSamples(first.Labels, times.ToArray(), values.ToArray())
        {
            Histograms = histograms?.ToArray(),
            StartTimes = starts?.ToArray(),
            ResolutionMs = Math.Max(first.ResolutionMs, second.ResolutionMs),
            RolledThrough = Math.Max(first.RolledThrough, second.RolledThrough),
        };
    }

    private static RefusalException TooMuch(string what) => new(RefusalKind.ResourceExhausted, $"{what}: ask for less time, or for fewer series");
}

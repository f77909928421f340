using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>What a script loaded.</summary>
internal sealed class ScriptStorage
{
    private readonly Dictionary<LabelSet, SortedDictionary<long, (ScriptValue Value, long Start)>> series = [];

    public void Clear() => series.Clear();

    /// <param name="withCustomBuckets">Classic histograms are loaded as native ones too.</param>
    public void Load(long step, IReadOnlyList<string> definitions, bool withCustomBuckets)
    {
        List<long?>? starts = null;
        var loaded = new List<(LabelSet, List<ScriptValue?>)>();
        foreach (var definition in definitions)
        {
            if (ScriptSeries.ReadStartTimes(definition) is { } startTimes)
            {
                starts = startTimes.Offsets;
                continue;
            }
            var (labels, values) = ScriptSeries.Read(definition);
            for (var i = 0; i < values.Count; i++)
            {
                if (values[i] is { } value) Set(labels, i * step, value, starts?[i] is { } offset ? i * step + offset : 0);
            }
            loaded.Add((labels, values));
            starts = null;
        }
        if (withCustomBuckets) LoadCustomBuckets(step, loaded);
    }

    /// <param name="grid">The query.</param>
    /// <param name="onlyWhatIsAskedFor">Leave out samples that the collector does not ask for: proves that it asks for enough.</param>
    public PrefetchedSeries Source(Expr expr, StepGrid grid, bool onlyWhatIsAskedFor)
    {
        var source = new PrefetchedSeries();
        foreach (var (selector, range) in SelectorCollector.Collect(expr, grid, new EvaluationOptions()))
        {
            source.Add(selector, series.Where(s => LabelMatcher.AllMatch(range.Matchers, s.Key)).Select(s => AsStored(s.Key, s.Value.Select(v => (v.Key, v.Value)).ToArray(),
                time => !onlyWhatIsAskedFor || (time > range.FromMs && time <= range.ToMs))));
        }
        return source;
    }

    private void Set(LabelSet labels, long time, ScriptValue value, long start = 0)
    {
        if (!series.TryGetValue(labels, out var samples)) series.Add(labels, samples = []);
        samples[time] = (value, start);
    }

    private static SeriesSamples AsStored(LabelSet labels, (long Time, (ScriptValue Value, long Start) Sample)[] all, Func<long, bool> wanted)
    {
        var histograms = Hinted(all.Select(s => s.Sample.Value).ToArray()).Where((_, i) => wanted(all[i].Time)).ToArray();
        var samples = all.Where(s => wanted(s.Time)).ToArray();
        return new(labels, samples.Select(s => s.Time).ToArray(), samples.Select(s => s.Sample.Value.Number).ToArray())
        {
            Histograms = histograms.Any(h => h is not null) ? histograms : default,
            StartTimes = samples.Any(s => s.Sample.Start != 0) ? samples.Select(s => s.Sample.Start).ToArray() : default,
        };
    }

    /// <summary>
    /// Histograms with the hints that Prometheus' storage gives them: it stores them in chunks, within which no counter is reset. The first of a chunk
    /// has no hint, whatever hint it came with; those behind it were not reset. A chunk ends where a histogram does not continue the one before.
    /// </summary>
    private static FloatHistogram?[] Hinted(ScriptValue[] values)
    {
        var hinted = new FloatHistogram?[values.Length];
        FloatHistogram? previous = null;
        for (var i = 0; i < values.Length; i++)
        {
            var histogram = values[i].Histogram;
            if (histogram is null || histogram.Hint == CounterResetHint.Gauge)
            {
                hinted[i] = histogram;
                previous = null;
                continue;
            }
            var continues = previous is not null && histogram.Hint != CounterResetHint.Reset && histogram.Schema == previous.Schema
                && histogram.ZeroThreshold == previous.ZeroThreshold && histogram.CustomBounds.AsSpan().SequenceEqual(previous.CustomBounds)
                && !CounterResets.IsReset(previous, histogram with { Hint = CounterResetHint.Unknown });
            hinted[i] = histogram with { Hint = continues ? CounterResetHint.NotReset : CounterResetHint.Unknown };
            previous = histogram.IsStale ? null : histogram;
        }
        return hinted;
    }

    private void LoadCustomBuckets(long step, List<(LabelSet Labels, List<ScriptValue?> Values)> loaded)
    {
        var histograms = new Dictionary<(LabelSet Labels, long Time), (SortedDictionary<double, double> Buckets, double? Count, double Sum)>();
        foreach (var (labels, values) in loaded)
        {
            string[] suffixes = ["_bucket", "_count", "_sum"];
            if (suffixes.FirstOrDefault(s => labels.Name.EndsWith(s, StringComparison.Ordinal)) is not { } suffix) continue;
            if (!NumberText.TryParse(labels.Get("le"), out var bound) && suffix == "_bucket") continue;
            var own = labels.Without("le").With(LabelSet.NameLabel, labels.Name[..^suffix.Length]);
            for (var i = 0; i < values.Count; i++)
            {
                if (values[i] is not { Histogram: null } value) continue;
                var known = histograms.GetValueOrDefault((own, i * step), ([], null, 0));
                if (suffix == "_bucket") known.Buckets.TryAdd(bound, value.Number);
                histograms[(own, i * step)] = suffix switch
                {
                    "_count" => known with { Count = value.Number },
                    "_sum" => known with { Sum = value.Number },
                    _ => known,
                };
            }
        }
        foreach (var ((labels, time), (buckets, count, sum)) in histograms)
        {
            var total = count ?? buckets.Values.LastOrDefault();
            buckets.TryAdd(double.PositiveInfinity, total);
            var before = 0.0;
            var counts = buckets.Values.Select(cumulative => (cumulative - before, before = cumulative).Item1).ToArray();
            Set(labels, time, new(double.NaN, new FloatHistogram
            {
                Schema = BucketBounds.CustomSchema,
                Count = total,
                Sum = sum,
                CustomBounds = [.. buckets.Keys.Where(b => !double.IsPositiveInfinity(b))],
                Positive = HistogramBuckets.From([.. Enumerable.Range(0, counts.Length)], counts).Compact(),
            }));
        }
    }
}

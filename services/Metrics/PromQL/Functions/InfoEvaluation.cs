using System.Globalization;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.PromQL;

/// <summary>
/// info(): adds labels of info series (target_info and the like, whose values say nothing) to the series of a vector, where both have the same
/// instance and job. Of several info series that do, the one with the newest sample counts.
/// </summary>
internal static class InfoEvaluation
{
    private static readonly string[] Identifying = ["instance", "job"];

    /// <exception cref="EvaluationException">Two info series of the same age say different things, or what is chosen is no info series.</exception>
    public static VectorBlock Evaluate(Evaluator evaluator, CallExpr call, StepGrid grid)
    {
        var input = evaluator.Vector(call.Arguments[0], grid);
        var matchers = InfoFunction.LabelMatchers(call.Arguments);
        var names = InfoFunction.NameMatchers(matchers);
        var wanted = matchers.Where(m => m.Name != LabelSet.NameLabel).ToArray();
        // Info series that are asked for themselves are left alone.
        var enriched = input.Series.Select(s => !names.All(m => m.Matches(s.Labels.Name))).ToArray();
        var infos = Infos(evaluator, call, input.Series.Where((_, i) => enriched[i]).Select(s => s.Labels).ToArray(), grid);
        var builder = new BlockBuilder(grid.Steps);
        for (var step = 0; step < grid.Steps; step++)
        {
            evaluator.Cancellation.ThrowIfCancellationRequested();
            var newest = NewestByTarget(infos, step);
            for (var i = 0; i < enriched.Length; i++)
            {
                var series = input.Series[i];
                if (!series.Has(step)) continue;
                var labels = enriched[i] ? Enrich(series.Labels, newest, wanted) : series.Labels;
                if (labels is not null) builder.Set(builder.Place(labels, series.DropName), step, series.At(step));
            }
        }
        return builder.Build();
    }

    /// <summary>The info series of the targets that the vector's series belong to, with the time of each step's sample.</summary>
    private static List<(LabelSet Labels, long?[] Times)> Infos(Evaluator evaluator, CallExpr call, LabelSet[] bases, StepGrid grid)
    {
        var known = Identifying.ToDictionary(name => name, name => bases.Select(b => b.Get(name)).Where(v => v.Length > 0).ToHashSet(StringComparer.Ordinal));
        var found = new List<(LabelSet, long?[])>();
        if (known.Values.All(v => v.Count == 0)) return found;
        var (pinned, offset) = InfoFunction.Anchor(call.Arguments[0], evaluator.Query);
        foreach (var series in evaluator.Fetch(call.InfoSeries!))
        {
            evaluator.Cancellation.ThrowIfCancellationRequested();
            if (known.Any(k => k.Value.Count > 0 && !k.Value.Contains(series.Labels.Get(k.Key)))) continue;
            var times = new long?[grid.Steps];
            for (var step = 0; step < times.Length; step++) times[step] = NewestAt(series, (pinned ?? grid.TimeOf(step)) - offset, evaluator.Options.LookbackMs);
            if (Array.TrueForAll(times, static t => t is null)) continue;
            evaluator.Charge(times.Length);
            found.Add((series.Labels, times));
        }
        return found;
    }

    private static long? NewestAt(SeriesSamples series, long time, long lookback)
    {
        var times = series.Times.Span;
        var at = Evaluator.UpperBound(times, time) - 1;
        if (at < 0 || times[at] <= time - lookback) return null;
        if (!series.Histograms.IsEmpty && series.Histograms.Span[at] is { } histogram)
            return histogram.IsStale ? null : throw new EvaluationException($"this should be an info metric, with float samples: {LabelOrder.Text(series.Labels)}");
        return Samples.IsStale(series.Values.Span[at]) ? null : times[at];
    }

    private static Dictionary<(string Name, string Instance, string Job), (LabelSet Labels, long Time)> NewestByTarget(List<(LabelSet Labels, long?[] Times)> infos, int step)
    {
        var newest = new Dictionary<(string, string, string), (LabelSet Labels, long Time)>();
        foreach (var (labels, times) in infos)
        {
            if (times[step] is not { } time) continue;
            var key = (labels.Name, labels.Get(Identifying[0]), labels.Get(Identifying[1]));
            if (newest.TryGetValue(key, out var existing) && existing.Time >= time)
            {
                if (existing.Time > time) continue;
                throw new EvaluationException(string.Create(CultureInfo.InvariantCulture,
                    $"found duplicate series for info metric: existing {LabelOrder.Text(existing.Labels)} @ {existing.Time}, new {LabelOrder.Text(labels)} @ {time}"));
            }
            newest[key] = (labels, time);
        }
        return newest;
    }

    /// <summary>The labels with those added that were asked for; null where the series is to go, because no info series says what was asked for.</summary>
    private static LabelSet? Enrich(
        LabelSet labels, Dictionary<(string Name, string Instance, string Job), (LabelSet Labels, long Time)> newest, LabelMatcher[] wanted)
    {
        var added = new Dictionary<string, string>(StringComparer.Ordinal);
        var (instance, job, any) = (labels.Get(Identifying[0]), labels.Get(Identifying[1]), false);
        foreach (var (key, info) in newest)
        {
            if (key.Instance != instance || key.Job != job) continue;
            any = true;
            foreach (var (name, value) in info.Labels.AsLabels())
            {
                if (name == LabelSet.NameLabel || (wanted.Length > 0 && !Array.Exists(wanted, w => w.Name == name))) continue;
                if (added.TryGetValue(name, out var other) && other != value) throw new EvaluationException($"conflicting label: {name}");
                if (!labels.TryGet(name, out _)) added[name] = value;
            }
        }
        if (!any && !Array.TrueForAll(wanted, static w => w.MatchesEmpty)) return null;
        return added.Count == 0 ? labels : LabelSet.Create(labels.AsLabels().Concat(added.Select(a => new Label(a.Key, a.Value))));
    }
}

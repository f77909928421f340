using Vigil.Metrics.Api;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Series;

namespace Vigil.Metrics.Scrape;

/// <summary>Stores the samples of a target: declares what is new and hands each service grain its own.</summary>
internal sealed class TargetWriter(SeriesRouter router, SampleColumnsPool pool, MetricsInstruments instruments, MetricsOptions options, Door door)
{
    private const int SamplesPerBatch = 65_536;

    /// <summary>Scrapes until a series that was refused for a limit is declared again.</summary>
    private const int RefusedPause = 10;

    /// <summary>Returns once everything that was not refused is durable. What is sent twice is stored once.</summary>
    /// <param name="samples">The samples.</param>
    /// <param name="scrape">Running number of the scrape.</param>
    /// <param name="receivedUnixUs">When they came, microseconds since 1970.</param>
    /// <param name="refused">Takes what was refused.</param>
    /// <exception cref="ServiceDefaults.RefusalException">A grain cannot be reached for the moment.</exception>
    public async Task WriteAsync(IReadOnlyList<TargetSample> samples, long scrape, long receivedUnixUs, ScrapeRefusals refused)
    {
        var forgotten = await StoreAsync(samples, scrape, receivedUnixUs, refused);
        if (forgotten.Count == 0) return;
        // They expired since they were last written.
        foreach (var series in forgotten) series.Forget();
        await StoreAsync([.. samples.Where(s => forgotten.Contains(s.Series))], scrape, receivedUnixUs, refused);
    }

    private async Task<HashSet<TargetSeries>> StoreAsync(IReadOnlyList<TargetSample> samples, long scrape, long receivedUnixUs, ScrapeRefusals refused)
    {
        await DeclareAsync(samples, scrape);
        var forgotten = new HashSet<TargetSeries>();
        for (var start = 0; start < samples.Count; start += SamplesPerBatch)
        {
            var end = Math.Min(samples.Count, start + SamplesPerBatch);
            var columns = new Dictionary<string, SampleColumns>(StringComparer.Ordinal);
            var histograms = new Dictionary<string, List<TargetSample>>(StringComparer.Ordinal);
            // Those of a target are mostly of one grain.
            string? grainBefore = null;
            SampleColumns? batch = null;
            for (var i = start; i < end; i++)
            {
                var (series, time, value, histogram) = samples[i];
                if (series.Grain is not { } grain)
                {
                    instruments.Refuse(door, RefusalCause.SeriesLimit);
                    refused.Add(RefusalCause.SeriesLimit, 1, series.LimitHit ?? "");
                    continue;
                }
                if (histogram is not null)
                {
                    if (!histograms.TryGetValue(grain, out var some)) histograms.Add(grain, some = []);
                    some.Add(samples[i]);
                    continue;
                }
                if (!ReferenceEquals(grain, grainBefore) && !columns.TryGetValue(grain, out batch)) columns.Add(grain, batch = pool.Rent(end - start));
                grainBefore = grain;
                batch!.Add(series.Id, time, value);
            }
            var replies = await Task.WhenAll(columns.Select(c => AppendAsync(c.Key, c.Value, receivedUnixUs)).Concat(histograms.Select(h => AppendAsync(h.Key, h.Value, receivedUnixUs))));
            foreach (var (grain, of) in replies.SelectMany(r => r.Refused.Where(s => s.Cause != RefusalCause.UndeclaredSeries).Select(s => (r.Grain, s))))
                refused.Add(of.Cause, of.Samples, $"{samples.First(s => s.Series.Grain == grain && s.Series.Id == of.Series).Series.Spec.Labels}: {of.Cause.Describe(options)}");
            var gone = replies.SelectMany(r => r.Refused.Where(s => s.Cause == RefusalCause.UndeclaredSeries).Select(s => (r.Grain, s.Series))).ToHashSet();
            if (gone.Count == 0) continue;
            for (var i = start; i < end; i++)
            {
                if (samples[i].Series is { Grain: { } grain } series && gone.Contains((grain, series.Id))) forgotten.Add(series);
            }
        }
        return forgotten;
    }

    private async Task DeclareAsync(IReadOnlyList<TargetSample> samples, long scrape)
    {
        HashSet<TargetSeries>? unknown = null;
        foreach (var (series, _, _, _) in samples)
        {
            if (series.Grain is null && series.RetryIn <= scrape) (unknown ??= []).Add(series);
        }
        if (unknown is null) return;
        var asked = unknown.ToArray();
        var routed = await router.DeclareAsync([.. asked.Select(s => s.Spec)]);
        for (var i = 0; i < asked.Length; i++)
        {
            if (routed[i].LimitHit is null) asked[i].Declared(routed[i].Grain, routed[i].Id);
            else asked[i].Refused(routed[i].LimitHit!, scrape + RefusedPause);
        }
    }

    private async Task<(string Grain, RefusedSamples[] Refused)> AppendAsync(string grain, List<TargetSample> histograms, long receivedUnixUs)
    {
        var reply = await router.AppendAsync(grain, new AppendBatch
        {
            Count = histograms.Count,
            Series = [.. histograms.Select(h => h.Series.Id)],
            Times = [.. histograms.Select(h => h.TimeMs)],
            Values = [],
            Histograms = [.. histograms.Select(h => h.Histogram!)],
            ReceivedUnixUs = receivedUnixUs,
            Door = door,
        });
        return (grain, reply.Refused);
    }

    private async Task<(string Grain, RefusedSamples[] Refused)> AppendAsync(string grain, SampleColumns columns, long receivedUnixUs)
    {
        var reply = await router.AppendAsync(grain, new AppendBatch
        {
            Count = columns.Count,
            Series = columns.Series,
            Times = columns.Times,
            Values = columns.Values,
            ReceivedUnixUs = receivedUnixUs,
            Door = door,
        });
        // Not after a failure: a call that timed out may still read them.
        pool.Return(columns);
        return (grain, reply.Refused);
    }
}

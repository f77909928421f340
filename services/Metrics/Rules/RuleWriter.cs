using Vigil.Metrics.Api;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Rules;

/// <summary>Stores what rules yield, durably, by the same way as all that comes from outside.</summary>
internal sealed class RuleWriter(SeriesRouter router, MetricsInstruments instruments, TimeProvider clock)
{
    /// <summary>Stores one sample for each series.</summary>
    /// <returns>Why some are not stored; null where all are.</returns>
    /// <exception cref="RefusalException">Nothing is known of what is stored: the same may be stored again.</exception>
    public async Task<string?> StoreAsync(IReadOnlyList<RecordedSample> samples, long timeMs)
    {
        if (samples.Count == 0) return null;
        var routed = await router.DeclareAsync([.. samples.Select(s => new SeriesSpec { Labels = s.Labels })]).ConfigureAwait(false);
        string? fault = null;
        var batches = new Dictionary<(string Grain, bool Histograms), List<int>>();
        for (var i = 0; i < routed.Length; i++)
        {
            if (routed[i].LimitHit is { } limit)
            {
                instruments.Refuse(Door.Rule, RefusalCause.SeriesLimit);
                fault = limit;
                continue;
            }
            var key = (routed[i].Grain, samples[i].Histogram is not null);
            if (!batches.TryGetValue(key, out var indexes)) batches.Add(key, indexes = []);
            indexes.Add(i);
        }
        var now = clock.GetUtcNow();
        var replies = await Task.WhenAll(batches.Select(batch => router.AppendAsync(batch.Key.Grain, new AppendBatch
        {
            Count = batch.Value.Count,
            Series = [.. batch.Value.Select(i => routed[i].Id)],
            Times = [.. Enumerable.Repeat(timeMs, batch.Value.Count)],
            Values = [.. batch.Value.Select(i => samples[i].Value)],
            Histograms = batch.Key.Histograms ? [.. batch.Value.Select(i => HistogramCodec.Encode(samples[i].Histogram!))] : null,
            Door = Door.Rule,
            ReceivedUnixUs = now.ToUnixTimeMilliseconds() * 1000 + now.Microsecond,
        }))).ConfigureAwait(false);
        var refused = replies.SelectMany(r => r.Refused).ToArray();
        return refused.Length == 0 ? fault : $"{refused.Sum(r => r.Samples)} of {samples.Count} samples are refused ({string.Join(", ", refused.Select(r => r.Cause).Distinct())})";
    }
}

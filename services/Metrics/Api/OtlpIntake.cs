using Microsoft.Extensions.Options;
using OpenTelemetry.Proto.Collector.Metrics.V1;
using OpenTelemetry.Proto.Metrics.V1;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>Takes an OTLP export, however it came: what is not refused is durable when it returns.</summary>
internal sealed class OtlpIntake(SeriesRouter router, SeriesRules rules, IOptions<MetricsOptions> settings, TimeProvider clock, MetricsInstruments instruments)
{
    private readonly MetricsOptions options = settings.Value;
    private readonly OtlpNames names = new(settings.Value.OtlpTranslation);

    /// <summary>Stores an export and says how much of it was refused.</summary>
    /// <exception cref="RefusalException">It has too many points, or a grain cannot be reached for the moment.</exception>
    public async Task<ExportMetricsServiceResponse> TakeAsync(ExportMetricsServiceRequest request)
    {
        var points = request.ResourceMetrics.Sum(r => r.ScopeMetrics.Sum(s => s.Metrics.Sum(Points)));
        if (points > options.MaxPointsPerExport)
            throw new RefusalException(RefusalKind.InvalidArgument, $"resource_metrics: {points} data points; at most {options.MaxPointsPerExport} in an export (Metrics:{nameof(MetricsOptions.MaxPointsPerExport)})");
        var now = clock.GetUtcNow();
        var translator = new OtlpTranslator(rules, names, now.ToUnixTimeMilliseconds());
        foreach (var resource in request.ResourceMetrics) translator.Add(resource);
        foreach (var (cause, refused) in translator.Causes) instruments.Refuse(Door.Otlp, cause, refused);
        await StoreAsync(translator, now).ConfigureAwait(false);
        var response = new ExportMetricsServiceResponse();
        // A point may have become several samples.
        if (translator.Refused > 0)
            response.PartialSuccess = new ExportMetricsPartialSuccess { RejectedDataPoints = Math.Min(translator.Refused, points), ErrorMessage = translator.Message };
        return response;
    }

    private async Task StoreAsync(OtlpTranslator translator, DateTimeOffset now)
    {
        var samples = translator.Samples;
        if (samples.Count == 0) return;
        var routed = await router.DeclareAsync([.. samples.Select(s => s.Series)]).ConfigureAwait(false);
        var batches = new Dictionary<(string Grain, bool Delta, bool Histograms), List<int>>();
        for (var i = 0; i < routed.Length; i++)
        {
            if (routed[i].LimitHit is { } limit)
            {
                instruments.Refuse(Door.Otlp, RefusalCause.SeriesLimit);
                translator.Refuse(RefusalCause.SeriesLimit, limit, 1);
                continue;
            }
            var key = (routed[i].Grain, samples[i].Delta, samples[i].Histogram is not null);
            if (!batches.TryGetValue(key, out var indexes)) batches.Add(key, indexes = []);
            indexes.Add(i);
        }
        var received = now.ToUnixTimeMilliseconds() * 1000 + now.Microsecond;
        var replies = await Task.WhenAll(batches.Select(batch => router.AppendAsync(batch.Key.Grain, new AppendBatch
        {
            Count = batch.Value.Count,
            Series = [.. batch.Value.Select(i => routed[i].Id)],
            Times = [.. batch.Value.Select(i => samples[i].TimeMs)],
            Values = [.. batch.Value.Select(i => samples[i].Value)],
            Histograms = batch.Key.Histograms ? [.. batch.Value.Select(i => HistogramCodec.Encode(samples[i].Histogram!))] : null,
            Deltas = batch.Key.Delta,
            Door = Door.Otlp,
            ReceivedUnixUs = received,
        }))).ConfigureAwait(false);
        // Counted where they were refused.
        foreach (var refused in replies.SelectMany(r => r.Refused)) translator.Refuse(refused.Cause, refused.Cause.Describe(options), refused.Samples);
    }

    private static int Points(Metric metric) => metric.DataCase switch
    {
        Metric.DataOneofCase.Gauge => metric.Gauge.DataPoints.Count,
        Metric.DataOneofCase.Sum => metric.Sum.DataPoints.Count,
        // A point becomes a series per bound and three more.
        Metric.DataOneofCase.Histogram => metric.Histogram.DataPoints.Sum(p => p.ExplicitBounds.Count + 3),
        Metric.DataOneofCase.ExponentialHistogram => metric.ExponentialHistogram.DataPoints.Count,
        Metric.DataOneofCase.Summary => metric.Summary.DataPoints.Sum(p => p.QuantileValues.Count + 2),
        _ => 0,
    };
}

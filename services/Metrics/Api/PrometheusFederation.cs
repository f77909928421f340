using System.Text;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Query;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>
/// <c>/federate</c>: the newest sample of the series that are asked for, in the text format 0.0.4, for a Prometheus that takes a part of what is here. Metrics are
/// untyped in it, as Prometheus' own are.
/// </summary>
internal sealed class PrometheusFederation(QueryCoordinator coordinator, MetricsInstruments instruments, TimeProvider clock)
{
    private const string ContentType = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    private const string Quoted = "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8";

    /// <summary>Maps the endpoint.</summary>
    public void Map(IEndpointRouteBuilder endpoints) => endpoints.MapGet("/federate", AnswerAsync).RequireScope(Scope.Read);

    private async Task AnswerAsync(HttpContext context)
    {
        var response = context.Response;
        try
        {
            var found = await FindAsync(context).ConfigureAwait(false);
            // Quoted names break readers that do not know of them.
            var quoted = context.Request.Headers.Accept.ToString().Contains("escaping=allow-utf-8", StringComparison.Ordinal);
            response.ContentType = quoted ? Quoted : ContentType;
            await response.WriteAsync(Write(found, quoted), context.RequestAborted).ConfigureAwait(false);
            return;
        }
        catch (PrometheusException e)
        {
            await RefuseAsync(response, e).ConfigureAwait(false);
        }
        catch (RefusalException e)
        {
            await RefuseAsync(response, PrometheusException.From(e.Refusal)).ConfigureAwait(false);
        }
    }

    private async Task<IEnumerable<SeriesSamples>> FindAsync(HttpContext context)
    {
        var to = clock.GetUtcNow().ToUnixTimeMilliseconds();
        var from = to - coordinator.Evaluation.LookbackMs;
        var found = new Dictionary<LabelSet, SeriesSamples>();
        foreach (var (text, matchers) in PrometheusSelector.Read(await PrometheusParameters.ReadAsync(context.Request).ConfigureAwait(false)))
        {
            var some = await coordinator.SeriesAsync(text, matchers, from, to, new QueryTerms("federate", context.GetActor()), context.RequestAborted).ConfigureAwait(false);
            foreach (var series in some) found[series.Labels] = series;
        }
        // The format has no staleness markers: a series that ended is left out. Nor has it histograms.
        return found.Values
            .Where(s => s.Labels.Name.Length > 0 && !Samples.IsStale(s.Values.Span[^1]))
            .OrderBy(s => s.Labels.Name, StringComparer.Ordinal).ThenBy(s => s.Labels, Comparer<LabelSet>.Create(LabelOrder.Compare));
    }

    private static string Write(IEnumerable<SeriesSamples> found, bool quoted)
    {
        var text = new StringBuilder();
        var family = "";
        foreach (var series in found)
        {
            var labels = quoted ? series.Labels : Underscored(series.Labels);
            if (labels.Name != family) text.Append("# TYPE ").Append(LabelNames.IsLegacyMetric(family = labels.Name) ? family : GoText.Quote(family)).Append(" untyped\n");
            text.Append(labels).Append(' ').Append(GoText.FloatG(series.Values.Span[^1])).Append(' ').Append(series.Times.Span[^1]).Append('\n');
        }
        return text.ToString();
    }

    private static LabelSet Underscored(LabelSet labels) => labels.AsLabels().All(l => LabelNames.IsLegacy(l.Name)) && LabelNames.IsLegacyMetric(labels.Name)
        ? labels
        : LabelSet.Create(labels.AsLabels().Select(l => l.Name == LabelSet.NameLabel
            ? l with { Value = LabelEscaping.Underscored(l.Value, metric: true) }
            : l with { Name = LabelEscaping.Underscored(l.Name, metric: false) }).DistinctBy(l => l.Name));

    private Task RefuseAsync(HttpResponse response, PrometheusException refusal)
    {
        instruments.QueriesRefused.Add(1, new KeyValuePair<string, object?>("type", refusal.Type));
        response.StatusCode = refusal.Status;
        return response.WriteAsync(refusal.Message);
    }
}

using Microsoft.Extensions.Options;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Query;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>What there is to ask for: series, their labels, and what metrics mean.</summary>
internal sealed class PrometheusSeries(QueryCoordinator coordinator, MetricCatalog catalog, IOptions<MetricsOptions> options, TimeProvider clock)
{
    /// <summary>Maps the endpoints.</summary>
    public void Map(RouteGroupBuilder group, PrometheusEndpoint endpoint)
    {
        group.MapMethods("/series", PrometheusApi.GetOrPost, endpoint.Answer(SeriesAsync));
        group.MapMethods("/labels", PrometheusApi.GetOrPost, endpoint.Answer(LabelsAsync));
        group.MapGet("/label/{name}/values", endpoint.Answer(LabelValuesAsync));
        group.MapGet("/metadata", endpoint.Answer(MetadataAsync));
    }

    private async Task<PrometheusReply> SeriesAsync(HttpContext context, PrometheusParameters parameters)
    {
        if (parameters.All("match[]").Count == 0) throw PrometheusException.BadData("no match[] parameter provided");
        var limit = parameters.Limit();
        var sorted = (await FindAsync(context, parameters, PrometheusSelector.ReadNamed(parameters)).ConfigureAwait(false)).ToArray();
        Array.Sort(sorted, LabelOrder.Compare);
        return PrometheusReply.List(sorted, limit, PrometheusJson.WriteLabels);
    }

    private async Task<PrometheusReply> LabelsAsync(HttpContext context, PrometheusParameters parameters)
    {
        var limit = parameters.Limit();
        var found = await FindAsync(context, parameters, PrometheusSelector.Read(parameters)).ConfigureAwait(false);
        var names = found.SelectMany(l => l.AsLabels()).Select(l => l.Name).ToHashSet(StringComparer.Ordinal);
        return PrometheusReply.List(names.Order(StringComparer.Ordinal).ToArray(), limit, static (json, name) => json.WriteStringValue(name));
    }

    private async Task<PrometheusReply> LabelValuesAsync(HttpContext context, PrometheusParameters parameters)
    {
        var name = LabelEscaping.Unescape((string)context.Request.RouteValues["name"]!);
        if (!LabelNames.IsValid(name)) throw PrometheusException.BadData($"invalid label name: {GoText.Quote(name)}");
        var limit = parameters.Limit();
        var found = await FindAsync(context, parameters, PrometheusSelector.Read(parameters)).ConfigureAwait(false);
        var values = found.Select(l => l.Get(name)).Where(v => v.Length > 0).ToHashSet(StringComparer.Ordinal);
        return PrometheusReply.List(values.Order(StringComparer.Ordinal).ToArray(), limit, static (json, value) => json.WriteStringValue(value));
    }

    private async Task<PrometheusReply> MetadataAsync(HttpContext context, PrometheusParameters parameters)
    {
        var limit = parameters.Number("limit", -1, "limit must be a number");
        var perMetric = parameters.Number("limit_per_metric", -1, "limit_per_metric must be a number");
        var metric = parameters.Text("metric");
        var families = await catalog.ReadAsync(context.RequestAborted).ConfigureAwait(false);
        var shown = families.Where(f => metric.Length == 0 || f.Key == metric);
        return new(json =>
        {
            json.WriteStartObject();
            foreach (var (name, meanings) in limit >= 0 ? shown.Take(limit) : shown)
            {
                json.WriteStartArray(name);
                foreach (var meaning in perMetric > 0 ? meanings.Take(perMetric) : meanings)
                {
                    json.WriteStartObject();
                    json.WriteString("type", meaning.Type);
                    json.WriteString("help", meaning.Help);
                    json.WriteString("unit", meaning.Unit);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
            }
            json.WriteEndObject();
        });
    }

    /// <summary>The series that any of the selectors finds in the time asked for; all of them where there is none.</summary>
    private async Task<HashSet<LabelSet>> FindAsync(HttpContext context, PrometheusParameters parameters, IReadOnlyList<PrometheusSelector> selectors)
    {
        var now = clock.GetUtcNow();
        var from = parameters.Time("start", (now - options.Value.Retention).ToUnixTimeMilliseconds());
        var to = parameters.Time("end", (now + options.Value.MaxAhead).ToUnixTimeMilliseconds());
        if (selectors.Count == 0) selectors = [new("{}", [])];
        var found = new HashSet<LabelSet>();
        foreach (var (text, matchers) in selectors)
        {
            var series = await coordinator.SeriesAsync(text, matchers, from, to, new QueryTerms("series", context.GetActor()), context.RequestAborted).ConfigureAwait(false);
            foreach (var one in series) found.Add(one.Labels);
        }
        return found;
    }
}

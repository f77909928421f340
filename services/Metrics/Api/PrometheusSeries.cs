using Microsoft.Extensions.Options;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Query;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Api;

/// <summary>What there is to ask for: series, their labels, and what metrics mean.</summary>
internal sealed class PrometheusSeries(LabelFinder labels, MetricCatalog catalog, IOptions<MetricsOptions> options, TimeProvider clock)
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
        var question = Question(parameters, parameters.Limit(), PrometheusSelector.ReadNamed(parameters));
        var found = await labels.SeriesAsync(question, context.GetActor(), context.RequestAborted).ConfigureAwait(false);
        return PrometheusReply.List(found, question.Limit, PrometheusJson.WriteLabels);
    }

    private async Task<PrometheusReply> LabelsAsync(HttpContext context, PrometheusParameters parameters)
    {
        var question = Question(parameters, parameters.Limit(), PrometheusSelector.Read(parameters));
        var names = await labels.NamesAsync(question, context.GetActor(), context.RequestAborted).ConfigureAwait(false);
        return PrometheusReply.List(names, question.Limit, static (json, name) => json.WriteStringValue(name));
    }

    private async Task<PrometheusReply> LabelValuesAsync(HttpContext context, PrometheusParameters parameters)
    {
        var name = LabelEscaping.Unescape((string)context.Request.RouteValues["name"]!);
        if (!LabelNames.IsValid(name)) throw PrometheusException.BadData($"invalid label name: {GoText.Quote(name)}");
        var question = Question(parameters, parameters.Limit(), PrometheusSelector.Read(parameters));
        var values = await labels.ValuesAsync(question, name, context.GetActor(), context.RequestAborted).ConfigureAwait(false);
        return PrometheusReply.List(values, question.Limit, static (json, value) => json.WriteStringValue(value));
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

    /// <summary>What is asked for, which all three have in common.</summary>
    private LabelQuestion Question(PrometheusParameters parameters, int limit, IReadOnlyList<PrometheusSelector> selectors)
    {
        var now = clock.GetUtcNow();
        var from = parameters.Time("start", (now - options.Value.Retention.Raw).ToUnixTimeMilliseconds());
        var to = parameters.Time("end", (now + options.Value.MaxAhead).ToUnixTimeMilliseconds());
        return new LabelQuestion([.. selectors.Select(s => (s.Text, s.Matchers))], from, to, limit);
    }
}

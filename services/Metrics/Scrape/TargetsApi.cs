using System.Globalization;
using System.Text.Json;
using Orleans;
using Vigil.Metrics.Api;
using Vigil.Metrics.PromQL;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;

namespace Vigil.Metrics.Scrape;

/// <summary>Prometheus' <c>/api/v1/targets</c>, <c>/api/v1/targets/metadata</c> and <c>/api/v1/scrape_pools</c>. Needs the scope read.</summary>
internal sealed class TargetsApi(ScrapeTargets targets, IGrainFactory grains)
{
    private const int MetadataConcurrency = 16;

    /// <summary>Maps the endpoints.</summary>
    public static void Map(IEndpointRouteBuilder endpoints)
    {
        var api = ActivatorUtilities.CreateInstance<TargetsApi>(endpoints.ServiceProvider);
        var group = endpoints.MapGroup("/api/v1").RequireScope(Scope.Read).WithErrorFormat(PrometheusErrorFormat.Instance);
        group.MapGet("/targets", api.TargetsAsync);
        group.MapGet("/scrape_pools", api.PoolsAsync);
        group.MapGet("/targets/metadata", api.MetadataAsync);
    }

    private Task TargetsAsync(HttpContext context)
    {
        var state = context.Request.Query["state"].ToString().ToLowerInvariant();
        var pool = context.Request.Query["scrapePool"].ToString();
        var set = targets.Current;
        return PrometheusJson.WriteAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("activeTargets");
            if (state is not "dropped")
            {
                foreach (var target in set.Active.Where(t => pool.Length == 0 || t.Job.Name == pool)) Write(json, target, targets.ReportOf(target.Key));
            }
            json.WriteEndArray();
            var dropped = set.Dropped.Where(d => pool.Length == 0 || d.Job == pool).ToArray();
            json.WriteStartArray("droppedTargets");
            if (state is not "active")
            {
                foreach (var target in dropped)
                {
                    json.WriteStartObject();
                    json.WritePropertyName("discoveredLabels");
                    PrometheusJson.WriteLabels(json, target.Discovered);
                    json.WriteEndObject();
                }
            }
            json.WriteEndArray();
            json.WriteStartObject("droppedTargetCounts");
            foreach (var job in set.Active.Select(t => t.Job.Name).Concat(set.Dropped.Select(d => d.Job)).Distinct(StringComparer.Ordinal))
                json.WriteNumber(job, dropped.Count(d => d.Job == job));
            json.WriteEndObject();
            json.WriteEndObject();
        }, [], []);
    }

    private Task PoolsAsync(HttpContext context)
    {
        var set = targets.Current;
        return PrometheusJson.WriteAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("scrapePools");
            foreach (var job in set.Active.Select(t => t.Job.Name).Concat(set.Dropped.Select(d => d.Job)).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
                json.WriteStringValue(job);
            json.WriteEndArray();
            json.WriteEndObject();
        }, [], []);
    }

    private static void Write(Utf8JsonWriter json, ScrapeTarget target, TargetReport? report)
    {
        json.WriteStartObject();
        json.WritePropertyName("discoveredLabels");
        PrometheusJson.WriteLabels(json, target.Discovered);
        json.WritePropertyName("labels");
        PrometheusJson.WriteLabels(json, target.Labels);
        json.WriteString("scrapePool", target.Job.Name);
        json.WriteString("scrapeUrl", target.Address);
        json.WriteString("globalUrl", target.Address);
        json.WriteString("lastError", report?.Error ?? "");
        // Go's zero time stands for never.
        json.WriteString("lastScrape", report is null ? "0001-01-01T00:00:00Z"
            : DateTimeOffset.FromUnixTimeMilliseconds(report.AtUnixMs).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
        json.WriteNumber("lastScrapeDuration", report?.DurationSeconds ?? 0);
        json.WriteString("health", report is null ? "unknown" : report.Error is null ? "up" : "down");
        json.WriteString("scrapeInterval", Durations.Format((long)target.Interval.TotalMilliseconds));
        json.WriteString("scrapeTimeout", Durations.Format((long)target.Timeout.TotalMilliseconds));
        json.WriteEndObject();
    }

    private async Task MetadataAsync(HttpContext context)
    {
        var query = context.Request.Query;
        var metric = query["metric"].ToString();
        IReadOnlyList<LabelMatcher> matchers = [];
        if (query["match_target"].ToString() is { Length: > 0 } text)
        {
            if (!PromQlParser.TryParseSelector(text, out var selector, out var error))
            {
                context.Response.StatusCode = StatusCodes.Status400BadRequest;
                await PrometheusErrorFormat.WriteAsync(context, "bad_data", $"invalid parameter \"match_target\": {error}").ConfigureAwait(false);
                return;
            }
            matchers = selector.Matchers;
        }
        var limit = -1;
        if (query["limit"].ToString() is { Length: > 0 } number && !int.TryParse(number, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out limit))
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            await PrometheusErrorFormat.WriteAsync(context, "bad_data", "limit must be a number").ConfigureAwait(false);
            return;
        }
        var found = new List<(ScrapeTarget Target, TargetMetadata Metadata)>();
        foreach (var some in targets.Current.Active.Where(t => LabelMatcher.AllMatch(matchers, t.Labels)).Chunk(MetadataConcurrency))
        {
            var replies = await Task.WhenAll(some.Select(t => grains.GetGrain<IScrapeTargetGrain>(t.Key).GetMetadataAsync())).WaitAsync(context.RequestAborted).ConfigureAwait(false);
            for (var i = 0; i < some.Length; i++)
            {
                foreach (var one in replies[i])
                {
                    if (metric.Length == 0 || one.Metric == metric) found.Add((some[i], one));
                }
            }
            if (limit >= 0 && found.Count >= limit) break;
        }
        if (limit >= 0 && found.Count > limit) found.RemoveRange(limit, found.Count - limit);
        await PrometheusJson.WriteAsync(context, json =>
        {
            json.WriteStartArray();
            foreach (var (target, one) in found)
            {
                json.WriteStartObject();
                json.WritePropertyName("target");
                PrometheusJson.WriteLabels(json, target.Labels);
                if (metric.Length == 0) json.WriteString("metric", one.Metric);
                json.WriteString("type", one.Type);
                json.WriteString("help", one.Help);
                json.WriteString("unit", one.Unit);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }, [], []).ConfigureAwait(false);
    }
}

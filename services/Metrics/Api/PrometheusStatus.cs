using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Options;
using Vigil.Metrics.Query;
using Vigil.Metrics.Rules;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults;
using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Metrics.Api;

/// <summary>What this server is, how it is set, and how it does. Where Prometheus has a number for something that is not here, there is none.</summary>
internal sealed class PrometheusStatus(QueryCoordinator coordinator, RuleTable rules, IOptions<MetricsOptions> options, TimeProvider clock)
{
    private readonly DateTimeOffset started = clock.GetUtcNow();

    /// <summary>Maps the endpoints.</summary>
    public void Map(RouteGroupBuilder group, PrometheusEndpoint endpoint)
    {
        group.MapGet("/status/buildinfo", endpoint.Answer(Now(WriteBuild)));
        group.MapGet("/status/runtimeinfo", endpoint.Answer(Now(WriteRuntime)));
        group.MapGet("/status/flags", endpoint.Answer(Now(WriteFlags)));
        group.MapGet("/status/config", endpoint.Answer(Now(WriteConfiguration)));
        group.MapGet("/status/walreplay", endpoint.Answer(Now(WriteReplay)));
        group.MapGet("/status/tsdb", endpoint.Answer(TsdbAsync));
        group.MapGet("/alertmanagers", endpoint.Answer(Now(WriteAlertmanagers)));
        group.MapGet("/notifications", endpoint.Answer((_, _) => Task.FromResult(PrometheusReply.Nothing)));
    }

    private static Func<HttpContext, PrometheusParameters, Task<PrometheusReply>> Now(Action<Utf8JsonWriter> write) => (_, _) => Task.FromResult(new PrometheusReply(write));

    /// <summary>Clients read the version to know what they may ask: it is Prometheus', whose API this is; ours stands beside it.</summary>
    private static void WriteBuild(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("version", "3.0.0");
        json.WriteString("revision", typeof(PrometheusApi).Assembly.GetName().Version?.ToString(3));
        json.WriteString("branch", "vigil");
        json.WriteString("buildUser", "");
        json.WriteString("buildDate", "");
        json.WriteString("goVersion", RuntimeInformation.FrameworkDescription);
        json.WriteEndObject();
    }

    private void WriteRuntime(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("startTime", PrometheusJson.Moment(started));
        json.WriteString("CWD", Environment.CurrentDirectory);
        json.WriteString("hostname", Environment.MachineName);
        json.WriteString("serverTime", PrometheusJson.Moment(clock.GetUtcNow()));
        json.WriteBoolean("reloadConfigSuccess", !rules.HasErrors);
        json.WriteString("lastConfigTime", PrometheusJson.Moment(rules.LoadedAt ?? started));
        json.WriteNumber("goroutineCount", ThreadPool.ThreadCount);
        json.WriteNumber("GOMAXPROCS", Environment.ProcessorCount);
        json.WriteNumber("GOMEMLIMIT", GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        json.WriteString("GOGC", "");
        json.WriteString("GODEBUG", "");
        json.WriteString("storageRetention", PrometheusDuration.Format(options.Value.Retention.Raw));
        json.WriteEndObject();
    }

    /// <summary>Prometheus' names where a setting here means the same, and every setting by its own.</summary>
    private void WriteFlags(Utf8JsonWriter json)
    {
        var own = options.Value;
        json.WriteStartObject();
        json.WriteString("query.lookback-delta", PrometheusDuration.Format(TimeSpan.FromMilliseconds(coordinator.Evaluation.LookbackMs)));
        json.WriteString("query.max-concurrency", Text(own.MaxConcurrentQueries));
        json.WriteString("query.max-samples", Text(own.MaxSamplesPerQuery));
        json.WriteString("query.timeout", PrometheusDuration.Format(own.QueryTimeout));
        json.WriteString("storage.tsdb.retention.time", PrometheusDuration.Format(own.Retention.Raw));
        json.WriteString("web.cors.origin", own.CorsOrigin);
        json.WriteString("web.enable-admin-api", "false");
        json.WriteString("web.enable-otlp-receiver", "true");
        json.WriteString("web.enable-remote-write-receiver", "true");
        foreach (var (name, value) in Settings()) json.WriteString($"{MetricsOptions.Section}:{name}", value);
        json.WriteEndObject();
    }

    private void WriteConfiguration(Utf8JsonWriter json)
    {
        var yaml = new StringBuilder("metrics:\n");
        foreach (var (name, value) in Settings()) yaml.Append(CultureInfo.InvariantCulture, $"  {name}: \"{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"\n");
        json.WriteStartObject();
        json.WriteString("yaml", yaml.ToString());
        json.WriteEndObject();
    }

    /// <summary>Numbers, durations and words. What has parts of its own, which may hold secrets, is left out.</summary>
    private IEnumerable<(string Name, string Value)> Settings() =>
        from property in typeof(MetricsOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance)
        where property.PropertyType.IsPrimitive || property.PropertyType.IsEnum || property.PropertyType == typeof(TimeSpan) || property.Name == nameof(MetricsOptions.CorsOrigin)
        orderby property.Name
        select (property.Name, Text(property.GetValue(options.Value)));

    private static string Text(object? value) => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";

    /// <summary>Each service's journal is replayed when it is first asked for, before anything is answered of it: nobody ever sees a part.</summary>
    private static void WriteReplay(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteNumber("min", 0);
        json.WriteNumber("max", 0);
        json.WriteNumber("current", 0);
        json.WriteEndObject();
    }

    private static void WriteAlertmanagers(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteStartArray("activeAlertmanagers");
        json.WriteEndArray();
        json.WriteStartArray("droppedAlertmanagers");
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private async Task<PrometheusReply> TsdbAsync(HttpContext context, PrometheusParameters parameters)
    {
        const int Most = 10_000;
        var limit = parameters.Number("limit", 10, "limit must be a positive number");
        if (limit < 1) throw PrometheusException.BadData("limit must be a positive number");
        if (limit > Most) throw PrometheusException.BadData($"limit must not exceed {Most}");
        var now = clock.GetUtcNow();
        var from = (now - options.Value.MemoryWindow).ToUnixTimeMilliseconds();
        var found = await coordinator.SeriesAsync("{}", [], from, (now + options.Value.MaxAhead).ToUnixTimeMilliseconds(), new QueryTerms("series", context.GetActor()), context.RequestAborted).ConfigureAwait(false);
        var cardinality = new SeriesCardinality();
        foreach (var series in found) cardinality.Add(series.Labels);
        return new(json =>
        {
            json.WriteStartObject();
            json.WriteStartObject("headStats");
            json.WriteNumber("numSeries", found.Count);
            json.WriteNumber("numLabelPairs", cardinality.Pairs);
            json.WriteNumber("minTime", from);
            json.WriteNumber("maxTime", found.Count == 0 ? from : found.Max(s => s.Times.Span[^1]));
            json.WriteEndObject();
            Write(json, "seriesCountByMetricName", cardinality.SeriesByMetric(limit));
            Write(json, "labelValueCountByLabelName", cardinality.ValuesByLabel(limit));
            Write(json, "memoryInBytesByLabelName", cardinality.BytesByLabel(limit));
            Write(json, "seriesCountByLabelValuePair", cardinality.SeriesByPair(limit));
            json.WriteEndObject();
        });
    }

    private static void Write(Utf8JsonWriter json, string name, IEnumerable<KeyValuePair<string, long>> counts)
    {
        json.WriteStartArray(name);
        foreach (var (key, count) in counts)
        {
            json.WriteStartObject();
            json.WriteString("name", key);
            json.WriteNumber("value", count);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}

using System.Net;
using System.Text.Json;
using Vigil.Metrics.Tests.Service;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Api;

/// <summary>
/// Every call that Grafana's Prometheus data source makes, in the form in which it makes it (grafana/pkg/promlib/client/client.go and
/// grafana/packages/grafana-prometheus/src), and what it reads from the answer.
/// </summary>
public sealed class GrafanaTests : IAsyncLifetime
{
    private MetricsHost host = null!;
    private PrometheusClient client = null!;
    private long now;

    private string Now => $"{now / 1000}";

    public async Task InitializeAsync()
    {
        host = await MetricsHost.StartAsync();
        client = new PrometheusClient(host);
        now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() / 1000 * 1000;
        using var push = await host.OpenAsync("s", ("job", "api"));
        var described = PushClient.Series(2, "requests_total", ("code", "200"));
        (described.Kind, described.Help, described.Unit) = (V1.SeriesKind.Counter, "Requests answered.", "1");
        await push.DeclareAsync(PushClient.Series(1, "up", ("instance", "a")), described, PushClient.Series(3, "wait_bucket", ("le", "+Inf")), PushClient.Series(4, "wait_count"), PushClient.Series(5, "wait_sum"));
        await push.SendAsync(1, (1, now - 2000, 1), (2, now - 2000, 7), (3, now - 2000, 1), (4, now - 2000, 1), (5, now - 2000, 0.5));
        await push.AckAsync();
    }

    public async Task DisposeAsync()
    {
        client.Dispose();
        await host.DisposeAsync();
    }

    /// <summary>"Save and test": the health check evaluates 1+1 and reads the version.</summary>
    [Fact]
    public async Task M18_Grafana_HealthCheck()
    {
        var answer = await client.PostAsync("query", ("query", "1+1"), ("time", "4"), ("timeout", "60s"));
        Assert.Equal("2", answer.GetProperty("data").GetProperty("result")[1].GetString());
        Assert.StartsWith("3.", (await client.GetAsync("status/buildinfo")).GetProperty("data").GetProperty("version").GetString());
    }

    [Fact]
    public async Task M18_Grafana_PanelRange()
    {
        var answer = await client.PostAsync("query_range", ("query", "up"), ("start", $"{now / 1000 - 2}"), ("end", Now), ("step", "0.5"), ("timeout", "30s"));
        Assert.Equal("matrix", answer.GetProperty("data").GetProperty("resultType").GetString());
        Assert.Equal(5, answer.GetProperty("data").GetProperty("result")[0].GetProperty("values").GetArrayLength());
    }

    [Fact]
    public async Task M18_Grafana_PanelInstant() =>
        Assert.Equal("vector", (await client.PostAsync("query", ("query", "up"), ("time", Now))).GetProperty("data").GetProperty("resultType").GetString());

    [Fact]
    public async Task M18_Grafana_Exemplars_AreAnEmptyList()
    {
        Assert.Equal("[]", (await client.PostAsync("query_exemplars", ("query", "up"), ("start", "0"), ("end", Now))).GetProperty("data").GetRawText());
        Assert.Equal((HttpStatusCode.BadRequest, "bad_data", "end timestamp must not be before start timestamp"), await client.RefusedAsync("query_exemplars?query=up&start=2&end=1"));
        Assert.Equal(HttpStatusCode.BadRequest, (await client.RefusedAsync("query_exemplars?query=sum(")).Status);
    }

    [Fact]
    public async Task M18_Grafana_LabelNames_ByForm()
    {
        var answer = await client.PostAsync("labels", ("start", "0"), ("end", Now), ("match[]", "up"), ("limit", "40000"));
        Assert.Equal("""["__name__","instance","job"]""", answer.GetProperty("data").GetRawText());
    }

    [Fact]
    public async Task M18_Grafana_LabelValues_ByUrl()
    {
        var answer = await client.GetAsync($"label/__name__/values?start=0&end={Now}&limit=2");
        Assert.Equal("""["requests_total","up"]""", answer.GetProperty("data").GetRawText());
        Assert.Equal("""["results truncated due to limit"]""", answer.GetProperty("warnings").GetRawText());
        Assert.Equal("""["a"]""", (await client.GetAsync("label/instance/values?match[]=%7Bjob%3D%22api%22%7D")).GetProperty("data").GetRawText());
        // It tries by POST first where the data source is set to it, and by GET when that is answered with 405.
        using var posted = await client.SendAsync(HttpMethod.Post, "label/job/values");
        Assert.Equal(HttpStatusCode.MethodNotAllowed, posted.StatusCode);
    }

    [Fact]
    public async Task M18_Grafana_Series_ByForm() =>
        Assert.Equal("""[{"__name__":"up","instance":"a","job":"api"}]""",
            (await client.PostAsync("series", ("match[]", "{__name__=\"up\"}"), ("start", "0"), ("end", Now), ("limit", "40000"))).GetProperty("data").GetRawText());

    [Fact]
    public async Task M18_Grafana_Metadata_SaysWhatMetricsAre()
    {
        var data = (await client.GetAsync("metadata?limit=40000")).GetProperty("data");
        Assert.Equal("""[{"type":"counter","help":"Requests answered.","unit":"1"}]""", data.GetProperty("requests_total").GetRawText());
        Assert.Equal("histogram", data.GetProperty("wait")[0].GetProperty("type").GetString());
        Assert.False(data.TryGetProperty("wait_count", out _));
        Assert.Equal("gauge", data.GetProperty("up")[0].GetProperty("type").GetString());
        Assert.Single((await client.GetAsync("metadata?metric=up")).GetProperty("data").EnumerateObject());
        Assert.Single((await client.GetAsync("metadata?limit=1&limit_per_metric=1")).GetProperty("data").EnumerateObject());
        Assert.Equal((HttpStatusCode.BadRequest, "bad_data", "limit must be a number"), await client.RefusedAsync("metadata?limit=many"));
    }

    /// <summary>Read when a query editor opens, to expand recording rules, and by the list of alerts.</summary>
    [Fact]
    public async Task M18_Grafana_RulesAndAlerts_WithoutAlerting_AreEmptyAndRight()
    {
        Assert.Equal("""{"groups":[]}""", (await client.GetAsync("rules")).GetProperty("data").GetRawText());
        Assert.Equal("""{"alerts":[]}""", (await client.GetAsync("alerts")).GetProperty("data").GetRawText());
        Assert.Equal((HttpStatusCode.BadRequest, "bad_data", "invalid parameter \"type\": not supported value \"both\""), await client.RefusedAsync("rules?type=both"));
    }

    /// <summary>The rest of what its proxy lets through.</summary>
    [Theory]
    [InlineData("alertmanagers", "activeAlertmanagers")]
    [InlineData("status/config", "yaml")]
    [InlineData("status/flags", "query.timeout")]
    [InlineData("status/runtimeinfo", "storageRetention")]
    [InlineData("status/buildinfo", "version")]
    [InlineData("status/tsdb", "headStats")]
    [InlineData("status/walreplay", "current")]
    [InlineData("notifications", null)]
    public async Task M18_Grafana_Status(string path, string? property)
    {
        var data = (await client.GetAsync(path)).GetProperty("data");
        if (property is null) Assert.Equal(JsonValueKind.Array, data.ValueKind);
        else Assert.True(data.TryGetProperty(property, out _), data.GetRawText());
    }

    [Fact]
    public async Task Tsdb_CountsSeriesByMetricLabelAndPair()
    {
        var data = (await client.GetAsync("status/tsdb?limit=1")).GetProperty("data");
        Assert.Equal(5, data.GetProperty("headStats").GetProperty("numSeries").GetInt32());
        Assert.Equal("""[{"name":"__name__","value":5}]""", data.GetProperty("labelValueCountByLabelName").GetRawText());
        Assert.Equal("""[{"name":"job=api","value":5}]""", data.GetProperty("seriesCountByLabelValuePair").GetRawText());
        Assert.Equal((HttpStatusCode.BadRequest, "bad_data", "limit must not exceed 10000"), await client.RefusedAsync("status/tsdb?limit=10001"));
    }

    /// <summary>A browser that asks by itself, in Grafana's mode "direct": it asks first whether it may.</summary>
    [Fact]
    public async Task M18_Grafana_FromTheBrowser_IsAllowedByCors()
    {
        using var stranger = new HttpClient { BaseAddress = host.HttpAddress };
        using var preflight = new HttpRequestMessage(HttpMethod.Options, new Uri("api/v1/query", UriKind.Relative));
        preflight.Headers.Add("Origin", "https://grafana.example");
        using var allowed = await stranger.SendAsync(preflight).DefaultTimeout();
        Assert.Equal(HttpStatusCode.NoContent, allowed.StatusCode);
        Assert.Equal("*", Assert.Single(allowed.Headers.GetValues("Access-Control-Allow-Origin")));
        Assert.Contains("Authorization", Assert.Single(allowed.Headers.GetValues("Access-Control-Allow-Headers")), StringComparison.Ordinal);

        using var answer = await client.SendAsync(HttpMethod.Get, "query?query=1", ("Origin", "https://grafana.example"));
        Assert.Equal("*", Assert.Single(answer.Headers.GetValues("Access-Control-Allow-Origin")));
        using var refused = await client.SendAsync(HttpMethod.Get, "query?query=(", ("Origin", "https://grafana.example"));
        Assert.Equal("*", Assert.Single(refused.Headers.GetValues("Access-Control-Allow-Origin")));
        using var plain = await client.SendAsync(HttpMethod.Get, "query?query=1");
        Assert.False(plain.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Fact]
    public async Task M18_Grafana_AsksForGzip_AndGetsIt()
    {
        using var packed = new PrometheusClient(host, new HttpClientHandler { AutomaticDecompression = DecompressionMethods.None });
        using var raw = await packed.SendAsync(HttpMethod.Get, "query?query=up", ("Accept-Encoding", "gzip"));
        Assert.Equal("gzip", Assert.Single(raw.Content.Headers.ContentEncoding));
        using var unpacking = new PrometheusClient(host, new HttpClientHandler { AutomaticDecompression = DecompressionMethods.GZip });
        Assert.Equal("1", await unpacking.ValueAsync("up"));
    }

    [Fact]
    public async Task Federate_GivesTheNewestSamplesInTextFormat()
    {
        using var answer = await client.SendAsync(HttpMethod.Get, "/federate?match[]=up&match[]=requests_total");
        Assert.Equal($"# TYPE requests_total untyped\nrequests_total{{code=\"200\",job=\"api\"}} 7 {now - 2000}\n# TYPE up untyped\nup{{instance=\"a\",job=\"api\"}} 1 {now - 2000}\n", await answer.Content.ReadAsStringAsync());
        using var refused = await client.SendAsync(HttpMethod.Get, "/federate?match[]=%7B%7D");
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
    }

    [Fact]
    public async Task Query_WithLookbackDelta_SeesSamplesOfThatAgeOnly()
    {
        Assert.Equal("[]", (await client.GetAsync($"query?query=up&time={Now}&lookback_delta=1s")).GetProperty("data").GetProperty("result").GetRawText());
        Assert.Equal("1", await client.ValueAsync("up", $"&time={now / 1000 + 400}&lookback_delta=10m"));
        Assert.Equal((HttpStatusCode.BadRequest, "bad_data", "error parsing lookback delta duration: cannot parse \"long\" to a valid duration"), await client.RefusedAsync("query?query=up&lookback_delta=long"));
    }

    [Fact]
    public async Task Query_WithStats_TellsTimesAndSamples()
    {
        var data = (await client.GetAsync("query?query=up&stats=all")).GetProperty("data");
        Assert.Equal(1, data.GetProperty("stats").GetProperty("samples").GetProperty("totalQueryableSamples").GetInt32());
        Assert.True(data.GetProperty("stats").GetProperty("timings").GetProperty("execTotalTime").GetDouble() > 0);
        Assert.False((await client.GetAsync("query?query=up")).GetProperty("data").TryGetProperty("stats", out _));
    }
}

/// <summary>Without a token, as the local profile allows it.</summary>
public sealed class CorsTests
{
    [Theory]
    [InlineData("https://elsewhere.example", null)]
    [InlineData("http://localhost:3000", "*")]
    public async Task Cors_CallerWithoutToken_OnlyPagesFromThisMachineMayRead(string origin, string? expected)
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Auth:AllowLoopbackRead", "true")]);
        using var client = new PrometheusClient(host);
        client.Http.DefaultRequestHeaders.Authorization = null;
        using var answer = await client.SendAsync(HttpMethod.Get, "query?query=1", ("Origin", origin));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(expected, answer.Headers.TryGetValues("Access-Control-Allow-Origin", out var allowed) ? allowed.Single() : null);
    }

    [Theory]
    [InlineData("https://a.example", "https://a.example")]
    [InlineData("https://b.example", null)]
    public async Task Cors_WithAnOriginConfigured_NamesItAndNoOther(string origin, string? expected)
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:CorsOrigin", "https://a\\.example")]);
        using var client = new PrometheusClient(host);
        using var answer = await client.SendAsync(HttpMethod.Get, "query?query=1", ("Origin", origin));
        Assert.Equal(expected, answer.Headers.TryGetValues("Access-Control-Allow-Origin", out var allowed) ? allowed.Single() : null);
    }
}

using System.Net;
using System.Text.Json;
using Vigil.Metrics.Tests.PromQL;
using Vigil.Metrics.Tests.Service;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Api;

/// <summary>The Prometheus API over HTTP, against the whole service with a few samples.</summary>
public sealed class PrometheusApiTests : IAsyncLifetime
{
    private readonly HttpClient http = new();
    private MetricsHost host = null!;
    private long now;

    public async Task InitializeAsync()
    {
        host = await MetricsHost.StartAsync(settings: [("Auth:AllowLoopbackRead", "true")]);
        http.BaseAddress = host.HttpAddress;
        now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() / 1000 * 1000;
        using var client = await host.OpenAsync("s", ("job", "api"));
        await client.DeclareAsync(PushClient.Series(1, "up", ("instance", "a")), PushClient.Series(2, "up", ("instance", "b")), PushClient.Series(3, "latency", ("instance", "a")));
        await client.SendAsync(1, (1, now - 2000, 1), (2, now - 2000, 1), (1, now - 1000, 0), (2, now - 1000, 1), (3, now - 1000, 1e-7));
        await client.AckAsync();
    }

    public async Task DisposeAsync()
    {
        http.Dispose();
        await host.DisposeAsync();
    }

    [Fact]
    public async Task M18_Query_OfVector_HasPrometheusForm()
    {
        var answer = await GetAsync($"query?query=up&time={now / 1000}.250");
        Assert.Equal(
            $$$"""{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","instance":"a","job":"api"},"value":[{{{now / 1000}}}.250,"0"]},{"metric":{"__name__":"up","instance":"b","job":"api"},"value":[{{{now / 1000}}}.250,"1"]}]}}""",
            answer.GetRawText());
    }

    [Theory]
    [InlineData("1.5", "1970-01-01T00:00:01.5Z")]
    [InlineData("3600", "1970-01-01T03:00:00+02:00")]
    public async Task Query_TimeAsRfc3339_IsTheSameMoment(string unix, string text)
    {
        var answer = await GetAsync($"query?query=time()&time={Uri.EscapeDataString(text)}");
        Assert.Equal($$"""{"resultType":"scalar","result":[{{unix}},"{{unix}}"]}""", answer.GetProperty("data").GetRawText());
    }

    [Fact]
    public async Task Query_Posted_ReadsTheForm()
    {
        using var form = new FormUrlEncodedContent([new("query", "sum(up)"), new("time", $"{now / 1000}")]);
        var response = await http.PostAsync(new Uri("api/v1/query", UriKind.Relative), form).DefaultTimeout();
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Contains("\"value\":[", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Query_OfSmallValue_KeepsItsExponentInVectorsAndNotInScalars()
    {
        Assert.Contains("\"1e-07\"", (await GetAsync($"query?query=latency&time={now / 1000}")).GetRawText());
        Assert.Contains("\"0.0000001\"", (await GetAsync($"query?query=scalar(latency)&time={now / 1000}")).GetRawText());
    }

    [Fact]
    public async Task QueryRange_OfVector_HasOneValuePerStep()
    {
        var answer = await GetAsync($"query_range?query=up%7Binstance%3D%22a%22%7D&start={now / 1000 - 3}&end={now / 1000}&step=1s");
        Assert.Equal(
            $$$"""{"resultType":"matrix","result":[{"metric":{"__name__":"up","instance":"a","job":"api"},"values":[[{{{now / 1000 - 2}}},"1"],[{{{now / 1000 - 1}}},"0"],[{{{now / 1000}}},"0"]]}]}""",
            answer.GetProperty("data").GetRawText());
    }

    [Theory]
    [InlineData("query?query=sum(", 400, "bad_data", "invalid parameter \"query\": 1:5: parse error: unclosed left parenthesis")]
    [InlineData("query?query=rate(up[step()])", 400, "bad_data", "invalid parameter \"query\": 8:14: duration must be greater than 0")]
    [InlineData("query", 400, "bad_data", "invalid parameter \"query\": 1:1: parse error: no expression found in input")]
    [InlineData("query?query=1&time=yesterday", 400, "bad_data", "invalid parameter \"time\": invalid time value for 'time': cannot parse \"yesterday\" to a valid timestamp")]
    [InlineData("query?query=1&time=05/06/2026", 400, "bad_data", "invalid parameter \"time\": invalid time value for 'time': cannot parse \"05/06/2026\" to a valid timestamp")]
    [InlineData("query?query=1&timeout=soon", 400, "bad_data", "invalid parameter \"timeout\": cannot parse \"soon\" to a valid duration")]
    [InlineData("query?query=1&limit=-1", 400, "bad_data", "invalid parameter \"limit\": limit must be non-negative")]
    [InlineData("query?query=1&timeout=0", 503, "timeout", "query timed out in expression evaluation")]
    [InlineData("query?query=label_replace(up,%22a%22,%22b%22,%22c%22,%22(%22)", 422, "execution", "invalid regular expression in label_replace(): (")]
    [InlineData("query?query=up%20*%20on()%20up", 422, "execution", null)]
    [InlineData("query_range?query=1&end=1&step=1", 400, "bad_data", "invalid parameter \"start\": cannot parse \"\" to a valid timestamp")]
    [InlineData("query_range?query=1&start=2&end=1&step=1", 400, "bad_data", "invalid parameter \"end\": end timestamp must not be before start time")]
    [InlineData("query_range?query=1&start=1&end=2&step=0", 400, "bad_data", "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer")]
    [InlineData("query_range?query=1&start=0&end=11001&step=1", 400, "bad_data", "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")]
    [InlineData("query_range?query=up[5m]&start=0&end=1&step=1", 400, "bad_data", "invalid parameter \"query\": invalid expression type \"range vector\" for range query, must be Scalar or instant Vector")]
    [InlineData("series", 400, "bad_data", "no match[] parameter provided")]
    [InlineData("series?match[]=up%5B5m%5D", 400, "bad_data", "invalid parameter \"match[]\": 1:3: parse error: unexpected \"[\"")]
    [InlineData("series?match[]=", 400, "bad_data", "invalid parameter \"match[]\": 1:1: parse error: unexpected end of input")]
    [InlineData("series?match[]=%7B%7D", 400, "bad_data", "invalid parameter \"match[]\": match[] must contain at least one non-empty matcher")]
    [InlineData("labels?match[]=up%2B1", 400, "bad_data", "1:3: parse error: unexpected <op:+>")]
    [InlineData("label/job/values?match[]=%7Bjob%3D~%22.*%22%7D", 400, "bad_data", "match[] must contain at least one non-empty matcher")]
    [InlineData("targets/metadata?match_target=%7B", 400, "bad_data", "invalid parameter \"match_target\": 1:2: parse error: unexpected end of input inside braces")]
    [InlineData("query?query=up%7Bjob%3D~%22(%22%7D", 400, "bad_data", "invalid parameter \"query\": 1:4: parse error: error parsing regexp: missing closing ): `(`")]
    [InlineData("query?query=1&time=0x10", 400, "bad_data", "invalid parameter \"time\": invalid time value for 'time': cannot parse \"0x10\" to a valid timestamp")]
    [InlineData("format_query?query=sum(", 400, "bad_data", null)]
    public async Task Endpoint_BadRequest_HasPrometheusTypeAndStatus(string path, int status, string type, string? message)
    {
        var response = await http.GetAsync(new Uri($"api/v1/{path}", UriKind.Relative)).DefaultTimeout();
        Assert.Equal(status, (int)response.StatusCode);
        var answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;
        Assert.Equal(("error", type), (answer.GetProperty("status").GetString(), answer.GetProperty("errorType").GetString()));
        if (message is not null) Assert.Equal(message, answer.GetProperty("error").GetString());
    }

    [Theory]
    [InlineData("GET", "nope", 404, null)]
    [InlineData("POST", "query/x", 404, null)]
    [InlineData("GET", "label/job", 404, null)]
    [InlineData("DELETE", "query", 405, "GET, OPTIONS, POST")]
    [InlineData("HEAD", "query", 405, "GET, OPTIONS, POST")]
    [InlineData("POST", "label/job/values", 405, "GET, OPTIONS")]
    [InlineData("PUT", "targets", 405, "GET, OPTIONS")]
    [InlineData("GET", "write", 405, "OPTIONS, POST")]
    [InlineData("OPTIONS", "nope", 204, null)]
    public async Task Address_WithoutEndpoint_IsAnsweredWithoutToken(string method, string path, int status, string? allowed)
    {
        using var stranger = new HttpClient { BaseAddress = host.HttpAddress };
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri($"api/v1/{path}", UriKind.Relative));
        using var response = await stranger.SendAsync(request).DefaultTimeout();
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal(allowed, response.Content.Headers.Allow.Count == 0 ? null : string.Join(", ", response.Content.Headers.Allow));
    }

    [Fact]
    public async Task Time_WithLeadingZero_IsDecimal() =>
        Assert.Equal("""{"resultType":"scalar","result":[10,"10"]}""", (await GetAsync("query?query=time()&time=010")).GetProperty("data").GetRawText());

    [Fact]
    public async Task ScrapePools_WithoutScrapeFile_AreNone() =>
        Assert.Equal("""{"scrapePools":[]}""", (await GetAsync("scrape_pools")).GetProperty("data").GetRawText());

    [Fact]
    public async Task QueryRange_AtPointLimit_IsTaken() =>
        Assert.Equal(11_001, (await GetAsync("query_range?query=1&start=0&end=11000&step=1")).GetProperty("data").GetProperty("result")[0].GetProperty("values").GetArrayLength());

    [Fact]
    public async Task Series_OfSelectors_AreListedOnce()
    {
        var answer = await GetAsync("series?match[]=up&match[]=%7Binstance%3D%22a%22%7D");
        Assert.Equal(
            """[{"__name__":"latency","instance":"a","job":"api"},{"__name__":"up","instance":"a","job":"api"},{"__name__":"up","instance":"b","job":"api"}]""",
            answer.GetProperty("data").GetRawText());
        Assert.Equal("[]", (await GetAsync("series?match[]=up&end=1000")).GetProperty("data").GetRawText());
        var limited = await GetAsync("series?match[]=up&limit=1");
        Assert.Equal(1, limited.GetProperty("data").GetArrayLength());
        Assert.Equal("""["results truncated due to limit"]""", limited.GetProperty("warnings").GetRawText());
    }

    [Fact]
    public async Task Labels_AndValues_AreSorted()
    {
        Assert.Equal("""["__name__","instance","job"]""", (await GetAsync("labels")).GetProperty("data").GetRawText());
        Assert.Equal("""["latency","up"]""", (await GetAsync("label/__name__/values")).GetProperty("data").GetRawText());
        Assert.Equal("""["a"]""", (await GetAsync("label/instance/values?match[]=latency")).GetProperty("data").GetRawText());
        Assert.Equal("[]", (await GetAsync("label/U__my_2e_label/values")).GetProperty("data").GetRawText());
    }

    [Fact]
    public async Task Query_Remarks_AreInTheAnswer()
    {
        var answer = await GetAsync("query?query=rate(up[5m])");
        Assert.Equal("PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"up\" (1:6)", answer.GetProperty("infos")[0].GetString());
        Assert.Contains("\"warnings\":[\"PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)\"]", (await GetAsync("query?query=quantile(2,up)")).GetRawText());
    }

    [Fact]
    public async Task FormatAndParse_OfQuery_ShowItsStructure()
    {
        Assert.Equal("sum by (job) (up)", (await GetAsync("format_query?query=sum(up)by(job)")).GetProperty("data").GetString());
        var tree = (await GetAsync("parse_query?query=sum(up)by(job)")).GetProperty("data");
        Assert.Equal("aggregation", tree.GetProperty("type").GetString());
        Assert.Equal("up", tree.GetProperty("expr").GetProperty("name").GetString());
    }

    [Fact]
    public async Task Query_WithoutScopeRead_IsRefusedInTheApisForm()
    {
        using var stranger = new HttpRequestMessage(HttpMethod.Get, new Uri("api/v1/query?query=1", UriKind.Relative));
        stranger.Headers.Authorization = new("Bearer", "unknown");
        var response = await http.SendAsync(stranger).DefaultTimeout();
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.StartsWith("{\"status\":\"error\",\"errorType\":", await response.Content.ReadAsStringAsync());
    }

    [FactNeeds("promtool")]
    public async Task M18_Promtool_QueriesOurService()
    {
        var (code, output) = await PrometheusProcess.RunAsync(Needs.Require("promtool"), "query", "instant", $"--time={now / 1000}", host.HttpAddress.ToString(), "sum by (job) (up)");
        Assert.True(code == 0, output);
        Assert.Equal($"{{job=\"api\"}} => 1 @[{now / 1000}]", output.Trim());
        (code, output) = await PrometheusProcess.RunAsync(Needs.Require("promtool"), "query", "series", "--match=up", host.HttpAddress.ToString());
        Assert.True(code == 0, output);
        Assert.Contains("instance=\"b\"", output);
        (code, output) = await PrometheusProcess.RunAsync(Needs.Require("promtool"), "query", "instant", host.HttpAddress.ToString(), "sum(");
        Assert.NotEqual(0, code);
        Assert.Contains("unclosed left parenthesis", output);
    }

    private async Task<JsonElement> GetAsync(string path)
    {
        using var response = await http.GetAsync(new Uri($"api/v1/{path}", UriKind.Relative)).DefaultTimeout();
        var body = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, body);
        return JsonDocument.Parse(body).RootElement;
    }
}

using System.Net;
using System.Text.Json;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.PromQL;

/// <summary>What is seldom asked, and what is refused: a real Prometheus' answer is ours, and its words.</summary>
public sealed class EdgeDifferentialTests
{
    private static readonly HttpMethod[] Methods = [HttpMethod.Get, HttpMethod.Post, HttpMethod.Put, HttpMethod.Delete, HttpMethod.Patch, HttpMethod.Options];

    /// <summary>Paths that this service has as Prometheus 2.42 has them, and that it has not.</summary>
    private static readonly string[] Paths =
    [
        "query", "query_range", "labels", "label/dc/values", "label/dc/value", "label/dc", "metadata", "rules", "targets", "status/buildinfo", "nope", "query/x", "alerts",
        "query_exemplars", "format_query?query=g", "targets/metadata", "scrape_pools",
    ];

    private static readonly string[] Requests =
    [
        "query", "query?query=", "query?query=1&time=1e3", "query?query=1&time=-1", "query?query=1&time=1.5", "query?query=1&time=2026-11-22T10:00:00Z",
        "query?query=1&time=2026-11-22T10:00:00.5%2B02:00", "query?query=1&time=1_0", "query?query=1&time=%2B1", "query?query=1&time=010", "query?query=1&time=1&timeout=abc", "query?query=1&time=1&timeout=",
        "query?query=1&time=1&timeout=1e300", "query?query=1&time=1&timeout=5m", "query?query=1&time=1&stats=", "query?query=1&time=1&foo=bar", "query?query=%22a%22&time=1",
        "query_range", "query_range?query=1", "query_range?query=1&start=1", "query_range?query=1&start=1&end=2", "query_range?query=1&start=1&end=2&step=", "query_range?query=1&start=1&end=2&step=0",
        "query_range?query=1&start=1&end=2&step=-1", "query_range?query=1&start=1&end=2&step=abc", "query_range?query=1&start=1&end=2&step=1s", "query_range?query=1&start=1&end=2&step=1h30m",
        "query_range?query=1&start=1&end=2&step=0.5", "query_range?query=1&start=1&end=2&step=Inf", "query_range?query=1&start=1&end=2&step=1e300", "query_range?query=1&start=1&end=2&step=0s",
        "query_range?query=1&start=2&end=1&step=1", "query_range?query=1&start=abc&end=1&step=1", "query_range?query=1&start=1&end=abc&step=1", "query_range?query=1&start=&end=1&step=1",
        "query_range?query=1&start=1&end=1&step=1", "query_range?query=1&start=0&end=11001&step=1", "query_range?query=1&start=0&end=11000.5&step=1", "query_range?query=1&start=1.0004&end=2.0006&step=0.333",
        "query_range?query=g&start=0&end=1&step=1&timeout=abc", "series", "series?", "series?match[]=", "series?match[]=g%5B5m%5D", "series?match[]={}", "series?match[]=foo(", "series?match[]=g%2Bg",
        "series?match[]=sum(g)", "series?match[]=nothing", "series?match[]=g&start=5&end=1", "series?match[]=g%20offset%205m", "series?match[]={__name__=~%22.*%22}", "series?match[]={dc=%22%22}", "series?match=g",
        "series?match[]=%22g%22", "series?match[]=1", "series?match[]=info&match[]=one&match[]=info", "series?match[]={job=%22api%22,env=%22prod%22,__name__=~%22g|info%22}", "series?match[]=info&start=1&end=2",
        "labels", "labels?match[]=g", "labels?match[]=", "labels?match[]={}", "labels?match[]=foo(", "labels?start=5&end=1", "labels?start=1&end=2", "labels?match[]=g&match[]=info", "labels?match[]=nothing",
        "label/dc/values", "label/dc/values?match[]=g", "label/dc/values?match[]=nothing", "label/nope/values", "label/__name__/values?match[]={job=%22api%22}", "label/dc/values?match[]={}",
        "label/dc/values?match[]=foo(", "label/dc/values?start=1&end=2", "metadata?limit=abc", "metadata?metric=nope", "targets/metadata?limit=x", "targets/metadata?match_target={", "alerts", "alertmanagers",
        "scrape_pools", "rules?type=foo", "query_exemplars?query=g&start=1&end=2", "query_exemplars?query=foo(&start=1&end=2", "query_exemplars?query=g&start=5&end=2", "format_query?query=",
        "format_query?query=foo(", "format_query?query=sum(g)by(a)/on(b)group_left(c)g",
        "format_query?query=sum%20by%20(a)%20(rate(a_long_name_of_a_metric_total{label=%22value%22}[5m]))%20/%20on(a)%20group_left(b)%20-sum(max_over_time((g%20or%20a_long_name_of_another_metric{label=%22value%22})[1h:1m]%20offset%205m))",
    ];

    [FactNeeds("prometheus", "promtool")]
    public async Task M18_Query_AnswersLikePrometheus_AtTheEdges()
    {
        var end = Twins.WholeMinute();
        await using var twins = await Twins.StartAsync(EdgeData.Series(end));
        var differences = new List<string>();
        foreach (var expression in Lines("edges.txt"))
        {
            differences.AddRange(await twins.CompareAsync(expression, end - 500));
            if (!expression.Contains("lab,", StringComparison.Ordinal)) differences.AddRange(await twins.CompareAsync(expression, end - 1_200_500, end - 500, 67));
        }
        Assert.True(differences.Count == 0, $"{differences.Count} answers differ\n{string.Join("\n", differences)}");
    }

    [FactNeeds("prometheus", "promtool")]
    public async Task M18_Refusals_AreInPrometheusWords()
    {
        var end = Twins.WholeMinute();
        await using var twins = await Twins.StartAsync(EdgeData.Series(end));
        var differences = new List<string>();
        foreach (var text in Lines("errors.txt"))
        {
            // What stands around a matcher's pattern in Prometheus 2 is not the user's.
            await CompareAsync($"query?query={Uri.EscapeDataString(text)}&time=1", answer => answer.Replace("`^(?:", "`", StringComparison.Ordinal).Replace(")$`", "`", StringComparison.Ordinal));
        }
        // Prometheus 3 writes these words in lower case.
        foreach (var request in Requests) await CompareAsync(request, answer => answer.Replace("Invalid time value", "invalid time value", StringComparison.Ordinal));
        Assert.True(differences.Count == 0, $"{differences.Count} answers differ\n{string.Join("\n", differences)}");

        async Task CompareAsync(string path, Func<string, string> theirWords)
        {
            var (theirs, ours) = (await AskAsync(twins.Theirs, HttpMethod.Get, path), await AskAsync(twins.Ours, HttpMethod.Get, path));
            var their = theirWords(theirs.Body);
            if (theirs.Status != ours.Status || !SameJson(their, ours.Body)) differences.Add($"{Uri.UnescapeDataString(path)}\n  theirs: {theirs.Status} {their}\n  ours:   {ours.Status} {ours.Body}");
        }
    }

    [FactNeeds("prometheus", "promtool")]
    public async Task M18_Methods_AreTakenWherePrometheusTakesThem()
    {
        await using var twins = await Twins.StartAsync(EdgeData.Series(Twins.WholeMinute()));
        foreach (var path in Paths)
        {
            foreach (var method in Methods)
            {
                var (theirs, ours) = (await AskAsync(twins.Theirs, method, path), await AskAsync(twins.Ours, method, path));
                if (theirs.Status is HttpStatusCode.OK or HttpStatusCode.BadRequest) Assert.Equal((method, path, theirs.Status), (method, path, ours.Status));
                else Assert.Equal((method, path, theirs.Status, theirs.Allow, theirs.Body), (method, path, ours.Status, ours.Allow, ours.Body));
            }
        }
    }

    private static IEnumerable<string> Lines(string file) =>
        File.ReadLines(Path.Combine(AppContext.BaseDirectory, "PromQL", "Differential", file)).Skip(1);

    private static bool SameJson(string a, string b) => a == b || (a.StartsWith('{') && b.StartsWith('{')
        && JsonElement.DeepEquals(JsonDocument.Parse(a).RootElement, JsonDocument.Parse(b).RootElement));

    private static async Task<(HttpStatusCode Status, string Allow, string Body)> AskAsync(HttpClient http, HttpMethod method, string path)
    {
        using var request = new HttpRequestMessage(method, new Uri($"api/v1/{path}", UriKind.Relative));
        using var response = await http.SendAsync(request).DefaultTimeout();
        return (response.StatusCode, string.Join(", ", response.Content.Headers.Allow), await response.Content.ReadAsStringAsync());
    }
}

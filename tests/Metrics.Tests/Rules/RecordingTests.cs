using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Vigil.Metrics.Rules;
using Vigil.Metrics.Tests.Api;
using Vigil.Metrics.Tests.Service;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Rules;

/// <summary>Recording rules in the whole service, on a clock that the test moves.</summary>
public sealed class RecordingTests : IAsyncLifetime
{
    private const string Rules = """
        groups:
          - name: g
            interval: 10s
            rules:
              - record: job:m:sum
                expr: sum by (job) (m)
                labels: { from: rule }
              - record: job:m:double
                expr: job:m:sum * 2
              - record: broken
                expr: m * on() group_left() m
        """;

    private readonly FakeClock clock = new();
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("vigil-rules-");
    private MetricsHost host = null!;
    private PrometheusClient client = null!;

    private string Seconds => $"{clock.GetUtcNow().ToUnixTimeSeconds()}";

    public async Task InitializeAsync() => await StartAsync();

    public async Task DisposeAsync()
    {
        client.Dispose();
        await host.DisposeAsync();
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Recording_IsStoredListedAndSeenByTheRulesAfterIt()
    {
        await LoadAsync(Rules);
        Assert.Equal("unknown", (await RuleAsync("job:m:sum")).GetProperty("health").GetString());
        using var push = await PushAsync(2, 3);
        await EvaluateAsync();
        Assert.Equal("5", await client.ValueAsync("job:m:sum{job=\"api\",from=\"rule\"}", $"&time={Seconds}"));
        Assert.Equal("10", await client.ValueAsync("job:m:double", $"&time={Seconds}"));

        var group = (await client.GetAsync("rules?type=record")).GetProperty("data").GetProperty("groups")[0];
        Assert.Equal(("g", "rules.yaml", 10), (group.GetProperty("name").GetString(), group.GetProperty("file").GetString(), group.GetProperty("interval").GetDouble()));
        var sum = await RuleAsync("job:m:sum");
        Assert.Equal(("ok", "recording", "sum by (job) (m)"), (sum.GetProperty("health").GetString(), sum.GetProperty("type").GetString(), sum.GetProperty("query").GetString()));
        Assert.Equal("""{"from":"rule"}""", sum.GetProperty("labels").GetRawText());
        Assert.Equal(group.GetProperty("lastEvaluation").GetString(), sum.GetProperty("lastEvaluation").GetString());
        var broken = await RuleAsync("broken");
        Assert.Equal("err", broken.GetProperty("health").GetString());
        Assert.NotEmpty(broken.GetProperty("lastError").GetString()!);
        Assert.Equal("[]", (await client.GetAsync($"query?query=ALERTS&time={Seconds}")).GetProperty("data").GetProperty("result").GetRawText());
    }

    [Fact]
    public async Task Files_WithOneRuleTooManyTogether_AreRefusedByName_Counted_AndTheOthersGoOn()
    {
        client.Dispose();
        await host.DisposeAsync();
        await StartAsync(("Rules:MaxRules", "3"));
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "z.yaml"), "groups: [{name: z, interval: 10s, rules: [{record: z, expr: '1'}]}]");
        await LoadAsync("groups: [{name: g, interval: 10s, rules: [{record: a, expr: '1'}, {record: b, expr: '2'}]}]");
        var table = host.Services.GetRequiredService<RuleTable>();
        Assert.Empty(table.Diagnostics);
        await LoadAsync("groups: [{name: g, interval: 10s, rules: [{record: a, expr: '1'}, {record: b, expr: '2'}, {record: c, expr: '3'}]}]");
        var refused = Assert.Single(table.Diagnostics);
        Assert.Contains("more than 3 recording rules (Rules:MaxRules)", refused.ToString(), StringComparison.Ordinal);
        // Once, or twice where the loader's own first reading came after this one.
        Assert.InRange(await Counters.SumAsync(host, "vigil_metrics_rules_files_refused_total"), 1, 2);
        Assert.Equal(["g"], table.Groups.Select(g => g.Name));
        await EvaluateAsync();
        Assert.Equal("3", await client.ValueAsync("c", $"&time={Seconds}"));
    }

    [Fact]
    public async Task Recording_ResultGone_EndsAtOnce()
    {
        await LoadAsync("groups: [{name: g, interval: 10s, rules: [{record: high, expr: 'm > 2'}]}]");
        using var push = await PushAsync(2, 3);
        await EvaluateAsync();
        Assert.Equal("1", await client.ValueAsync("count(high)", $"&time={Seconds}"));
        await SendAsync(push, 2, 1, 1);
        await EvaluateAsync();
        // Not only after five minutes without a sample.
        Assert.Equal("[]", (await client.GetAsync($"query?query=high&time={Seconds}")).GetProperty("data").GetProperty("result").GetRawText());
    }

    [Fact]
    public async Task Rules_TakenOutOfTheFile_End()
    {
        await LoadAsync("groups: [{name: g, interval: 10s, rules: [{record: a, expr: 'm'}, {record: b, expr: m}]}, {name: h, interval: 10s, rules: [{record: c, expr: m}]}]");
        using var push = await PushAsync(2, 3);
        await EvaluateAsync();
        Assert.Equal("3", await client.ValueAsync("count(count by (__name__) ({__name__=~\"[abc]\"}))", $"&time={Seconds}"));
        await LoadAsync("groups: [{name: g, interval: 10s, rules: [{record: a, expr: 'm'}]}]");
        await EvaluateAsync();
        Assert.Equal("a", Assert.Single((await client.GetAsync($"query?query=count%20by%20(__name__)%20(%7B__name__%3D~%22%5Babc%5D%22%7D)&time={Seconds}")).GetProperty("data").GetProperty("result").EnumerateArray())
            .GetProperty("metric").GetProperty("__name__").GetString());
    }

    [Fact]
    public async Task Recording_IsDurable()
    {
        await LoadAsync("groups: [{name: g, interval: 10s, rules: [{record: kept, expr: 'sum(m)'}]}]");
        using (await PushAsync(2, 3)) await EvaluateAsync();
        var at = Seconds;
        client.Dispose();
        await host.DisposeAsync();
        File.Delete(Path.Combine(folder.FullName, "rules.yaml"));
        await StartAsync();
        Assert.Equal("5", await client.ValueAsync("kept", $"&time={at}"));
    }

    [Fact]
    public async Task QueryOffset_IsEvaluatedThatFarBack()
    {
        await LoadAsync("groups: [{name: g, interval: 10s, query_offset: 30s, rules: [{record: late, expr: 'timestamp(m)'}]}]");
        var sent = clock.GetUtcNow();
        using var push = await PushAsync(1, 1);
        for (var i = 0; i < 4; i++) await EvaluateAsync();
        var result = (await client.GetAsync($"query?query=late[1m]&time={Seconds}")).GetProperty("data").GetProperty("result");
        Assert.All(result.EnumerateArray(), series => Assert.True(series.GetProperty("values")[0][0].GetDouble() <= clock.GetUtcNow().ToUnixTimeSeconds() - 20));
        Assert.Equal($"{sent.ToUnixTimeSeconds()}", result[0].GetProperty("values")[0][1].GetString());
    }

    [Fact]
    public async Task BadFile_ChangesNothingOfIt_AndIsReportedAndCounted()
    {
        await LoadAsync(Rules);
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "other.yaml"), "groups: [{name: o, rules: [{record: o, expr: 1}]}]");
        await LoadAsync("groups: [{name: g, rules: [{record: job:m:sum, expr: 'sum('}]}]");
        var names = (await client.GetAsync("rules")).GetProperty("data").GetProperty("groups").EnumerateArray().Select(g => g.GetProperty("name").GetString());
        Assert.Equal(["o", "g"], names);
        Assert.Equal("sum by (job) (m)", (await RuleAsync("job:m:sum")).GetProperty("query").GetString());
        Assert.False((await client.GetAsync("status/runtimeinfo")).GetProperty("data").GetProperty("reloadConfigSuccess").GetBoolean());
        using var metrics = await client.SendAsync(HttpMethod.Get, "/metrics");
        Assert.Matches("vigil_metrics_rules_files_refused[^\n]* 1\n", await metrics.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Rules_AreFilteredAndPaged()
    {
        await LoadAsync("groups: [{name: a, rules: [{record: x, expr: 1, labels: {t: '1'}}, {record: y, expr: 1}]}, {name: b, rules: [{record: x, expr: 1}]}, {name: c, rules: [{record: z, expr: 1}]}]");
        Assert.Equal("a/x b/x", await ListAsync("rule_name[]=x"));
        Assert.Equal("b/x", await ListAsync("rule_group[]=b"));
        Assert.Equal("", await ListAsync("file[]=elsewhere.yaml"));
        Assert.Equal("a/x", await ListAsync("match[]=%7Bt%3D%221%22%7D"));
        Assert.Equal("", await ListAsync("type=alert"));
        var first = (await client.GetAsync("rules?group_limit=2")).GetProperty("data");
        Assert.Equal(2, first.GetProperty("groups").GetArrayLength());
        Assert.Equal("c/z", await ListAsync($"group_limit=2&group_next_token={first.GetProperty("groupNextToken").GetString()}"));
        Assert.Equal("invalid parameter \"group_next_token\": invalid group_next_token 'x'. were rule groups changed?", (await client.RefusedAsync("rules?group_limit=1&group_next_token=x")).Message);
        Assert.Equal("invalid parameter \"group_limit\": group_limit needs to be greater than 0", (await client.RefusedAsync("rules?group_limit=0")).Message);
    }

    private async Task<string> ListAsync(string query) => string.Join(' ', (await client.GetAsync($"rules?{query}")).GetProperty("data").GetProperty("groups").EnumerateArray()
        .SelectMany(g => g.GetProperty("rules").EnumerateArray().Select(r => $"{g.GetProperty("name").GetString()}/{r.GetProperty("name").GetString()}")));

    private async Task StartAsync(params (string Key, string Value)[] settings)
    {
        host = await MetricsHost.StartAsync(Path.Combine(folder.FullName, "data"), clock: clock, settings: [("Rules:Directory", folder.FullName), ("Rules:ReloadPoll", "01:00:00"), .. settings]);
        client = new PrometheusClient(host);
    }

    private async Task LoadAsync(string rules)
    {
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "rules.yaml"), rules);
        await host.Services.GetRequiredService<RuleLoader>().LoadAsync(CancellationToken.None).DefaultTimeout();
    }

    private async Task<PushClient> PushAsync(double first, double second)
    {
        var push = await host.OpenAsync("s", ("job", "api"));
        await push.DeclareAsync(PushClient.Series(1, "m", ("n", "1")), PushClient.Series(2, "m", ("n", "2")));
        await SendAsync(push, 1, first, second);
        return push;
    }

    private async Task SendAsync(PushClient push, ulong sequence, double first, double second)
    {
        var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        await push.SendAsync(sequence, (1, now, first), (2, now, second));
        await push.AckAsync();
    }

    /// <summary>Lets ten seconds pass, in which every group is evaluated once, and waits until all have been.</summary>
    private async Task EvaluateAsync()
    {
        var after = clock.GetUtcNow();
        clock.Advance(TimeSpan.FromSeconds(10));
        await Waiting.Until(async () =>
        {
            var groups = (await client.GetAsync("rules")).GetProperty("data").GetProperty("groups").EnumerateArray().ToArray();
            return groups.All(g => g.GetProperty("lastEvaluation").GetDateTimeOffset() > after);
        }, "all groups are evaluated");
    }

    private async Task<JsonElement> RuleAsync(string name) => Assert.Single((await client.GetAsync($"rules?rule_name[]={name}")).GetProperty("data").GetProperty("groups")[0].GetProperty("rules").EnumerateArray());
}

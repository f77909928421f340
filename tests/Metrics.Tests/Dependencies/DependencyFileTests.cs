using Vigil.Metrics.Dependencies;
using Vigil.Metrics.PromQL;
using Vigil.ServiceDefaults.Yaml;
using Xunit;

namespace Vigil.Metrics.Tests.Dependencies;

public sealed class DependencyFileTests
{
    [Fact]
    public void Parse_TheShippedGraph_IsTheUnionOfTableAndDiagram_O10()
    {
        var (graph, findings) = Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "policies", "dependencies", "services.yaml")));
        Assert.Empty(findings);
        var edges = graph.Services.Where(s => !s.Name.StartsWith("capsight")).SelectMany(s => s.DependsOn.Select(d => $"{s.Name}->{d}")).ToHashSet();
        string[] printed =
        [
            "load-balancer->web", "web->health-api", "web->model", "web->database", "model->database", "backup->database", "prometheus->grafana", "prometheus->alertmanager",
            .. graph.Services.Select(s => s.Name).Where(n => n != "monitoring" && !n.StartsWith("capsight")).Select(n => $"monitoring->{n}"),
        ];
        Assert.Equal(printed.Order(), edges.Order());
        Assert.Equal(["web", "health-api", "model", "database"], graph.Below("load-balancer").Select(s => s.Name));
        Assert.All(graph.Services, s => Assert.NotEmpty(s.Checks));
    }

    [Theory]
    [InlineData("- { name: a, depends_on: [ b ] }", "f:2:26: error: services[0].depends_on: no service is named 'b'")]
    [InlineData("- { name: a, depends_on: [ a ] }", "f:2:26: error: services[0].depends_on: goes in a circle: a -> a")]
    [InlineData("- { name: a, depends_on: [ b ] }\n- { name: b, depends_on: [ c ] }\n- { name: c, depends_on: [ b ] }", "f:4:26: error: services[2].depends_on: goes in a circle: b -> c -> b")]
    [InlineData("- { name: a }\n- { name: a }", "f:3:11: error: services[1].name: another service is named 'a'")]
    [InlineData("- { name: a, depend_on: [ b ] }", "f:2:14: error: services[0].depend_on: unknown key; did you mean 'depends_on'?")]
    [InlineData("- { name: a, checks: [ { name: c, expr: 'up{' } ] }", "f:2:41: error: services[0].checks[0].expr: 1:4: parse error: unexpected end of input inside braces")]
    [InlineData("- { name: a, checks: [ { name: c, expr: 'up[5m]' } ] }", "f:2:41: error: services[0].checks[0].expr: must yield an instant vector or a scalar")]
    [InlineData("- { name: a b }", "f:2:11: error: services[0].name: 'a b' must be up to 128 of a-z, A-Z, 0-9, '-', '_' and '.'")]
    public void Parse_WhatIsWrong_IsNamedWithPlaceKeyAndReason(string services, string expected)
    {
        var (graph, findings) = Parse("services:\n" + services);
        Assert.Empty(graph.Services);
        Assert.Equal(expected, Assert.Single(findings));
    }

    [Fact]
    public void Parse_AStar_MeansAllOthers()
    {
        var (graph, findings) = Parse("services: [ { name: m, depends_on: '*' }, { name: a }, { name: b } ]");
        Assert.Empty(findings);
        Assert.Equal(["a", "b"], graph.Services[0].DependsOn);
    }

    [Fact]
    public void Parse_AsManyServicesAsMayBe_InOneChain_AreRead_AndOneMoreIsNot()
    {
        static string Chain(int count) => "services:\n" + string.Concat(Enumerable.Range(0, count).Select(i => $"- {{ name: s{i}, depends_on: [{(i + 1 < count ? $" s{i + 1} " : "")}] }}\n"));
        var (graph, findings) = Parse(Chain(DependencyFile.MaxServices));
        Assert.Empty(findings);
        Assert.Equal(DependencyFile.MaxServices - 1, graph.Below("s0").Count());
        Assert.Contains("at most 1,000 are allowed", Assert.Single(Parse(Chain(DependencyFile.MaxServices + 1)).Findings));
    }

    [Theory]
    // holding of series, one pair a check; ! for a required one
    [InlineData("1/1 1/1", "Up", "all checks hold")]
    [InlineData("0/1 1/1", "Degraded", "c0 fails")]
    [InlineData("!0/1 1/1", "Down", "c0 fails")]
    [InlineData("0/2 0/1", "Down", "c0, c1 fail")]
    [InlineData("0/2 0/0", "Down", "c0 fails")]
    [InlineData("1/2 1/1", "Degraded", "c0 holds for 1 of 2")]
    [InlineData("0/0 1/1", "Degraded", "c0 has no data")]
    [InlineData("0/0", "Unknown", "no check has data")]
    [InlineData("", "Unknown", "it has no checks")]
    public void Judge_Checks_GiveTheServicesState(string checks, string state, string reason)
    {
        var results = checks.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select((c, i) =>
        {
            var parts = c.TrimStart('!').Split('/');
            return new CheckResult(new HealthCheck($"c{i}", "", null!, c[0] == '!'), int.Parse(parts[0]), int.Parse(parts[1]), null);
        }).ToArray();
        Assert.Equal((Enum.Parse<HealthState>(state), reason), Health.Judge(results));
    }

    internal static (ServiceGraph Graph, IReadOnlyList<string> Findings) Parse(string content)
    {
        var report = new YamlReport("f");
        var graph = DependencyFile.Parse(content, report);
        return (graph, [.. report.Sorted().Select(d => d.ToString())]);
    }
}

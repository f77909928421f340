using Vigil.Alerting.Policies;
using Vigil.ServiceDefaults.Yaml;

namespace Vigil.Alerting.Tests.Policies;

public sealed class PolicyFileParserTests
{
    private const string Good = """
        groups:
          - name: g
            rules:
              - alert: A
                expr: up == 0

        """;

    [Fact]
    public void Parse_ByteOrderMark_IsPassedOver()
    {
        var parsed = PolicyFileParser.Parse("p.yaml", "\uFEFF" + Good);
        Assert.Empty(parsed.Diagnostics);
        Assert.Equal("A", Assert.Single(parsed.Policies).Alert);
    }

    /// <summary>The example of Prometheus' documentation, as it stands.</summary>
    [Fact]
    public void Parse_PrometheusRuleFile_LoadsUnchanged()
    {
        var parsed = PolicyFileParser.Parse("example.yml", """
            groups:
            - name: example
              labels:
                team: myteam
              interval: 30s
              limit: 10
              rules:
              - record: job:http_inprogress_requests:sum
                expr: sum by (job) (http_inprogress_requests)
              - alert: HighRequestLatency
                expr: job:request_latency_seconds:mean5m{job="myjob"} > 0.5
                for: 10m
                keep_firing_for: 5m
                labels:
                  severity: page
                annotations:
                  summary: High request latency
                  description: "{{ $labels.instance }} of job {{ $labels.job }} has been at {{ humanize $value }} for more than 10 minutes."
            """);

        Assert.False(parsed.HasErrors, string.Join('\n', parsed.Diagnostics));
        var policy = Assert.Single(parsed.Policies);
        Assert.Equal("example.yml:example/HighRequestLatency", policy.Key);
        Assert.Equal(TimeSpan.FromMinutes(10), policy.For);
        Assert.Equal(TimeSpan.FromMinutes(5), policy.KeepFiringFor);
        Assert.Equal(TimeSpan.FromSeconds(30), policy.Interval);
        Assert.Equal(10, policy.Limit);
        Assert.Equal("myteam", policy.Labels["team"]);
        Assert.Equal("page", policy.Labels["severity"]);
        Assert.Equal(("page", 1), (policy.Response.Severity, policy.Response.Level));
        Assert.Equal(1, parsed.RecordingRules);
        Assert.Empty(parsed.Diagnostics);
    }

    [Fact]
    public void Parse_VigilsKeys_AreTakenAndSeverityGivesItsDefaults()
    {
        var parsed = PolicyFileParser.Parse("a.yaml", """
            severities:
              P1: { respond_within: 15m, escalate: [CEO, CTO], communicate: [status page] }
              Funky: { level: 2 }
            groups:
              - name: g
                rules:
                  - alert: A
                    row: A1
                    severity: P1
                    expr: up == 0
                    communicate: everybody
                    action: Restart it
                    playbook: playbooks/restart.md
                    no_data: alert
                    unless_down: [db]
                  - alert: A
                    expr: up == 1
                    severity: Funky
                    respond_within: 5m
            """);

        Assert.False(parsed.HasErrors, string.Join('\n', parsed.Diagnostics));
        var (first, second) = (parsed.Policies[0], parsed.Policies[1]);
        Assert.Equal(("P1", 1, TimeSpan.FromMinutes(15)), (first.Response.Severity, first.Response.Level, first.Response.RespondWithin));
        Assert.Equal(["CEO", "CTO"], first.Response.Escalate);
        Assert.Equal(["everybody"], first.Response.Communicate);
        Assert.Equal(("Restart it", "playbooks/restart.md", "A1"), (first.Response.Action, first.Response.Playbook, first.Response.Row));
        Assert.Equal(NoDataPolicy.Alert, first.NoData);
        Assert.Equal(["db"], first.UnlessDown);
        Assert.Equal("P1", first.Labels["severity"]);
        Assert.Equal("a.yaml:g/A#2", second.Key);
        Assert.Equal(("Funky", 2, TimeSpan.FromMinutes(5)), (second.Response.Severity, second.Response.Level, second.Response.RespondWithin));
    }

    [Theory]
    [InlineData("expr: up == 0", "for: 5 minutes", 6, 14, "groups[0].rules[0].for", "'5 minutes' is not a duration")]
    [InlineData("expr: up == 0", "fro: 5m", 6, 9, "groups[0].rules[0].fro", "did you mean 'for'?")]
    [InlineData("expr: up == 0", "colour: red", 6, 9, "groups[0].rules[0].colour", "known are action, alert")]
    [InlineData("expr: up == (0", "for: 5m", 5, 15, "groups[0].rules[0].expr", "'(' at character 7 is not closed")]
    [InlineData("expr: ''", "for: 5m", 5, 15, "groups[0].rules[0].expr", "is empty")]
    [InlineData("for: 5m", "labels: {}", 4, 9, "groups[0].rules[0].expr", "is missing")]
    [InlineData("expr: up", "labels: { 9x: y }", 6, 23, "groups[0].rules[0].labels.9x", "is not a name")]
    [InlineData("expr: up", "labels: { alertname: y }", 6, 17, "groups[0].rules[0].labels.alertname", "cannot be set")]
    [InlineData("expr: up", "annotations: { a: '{{ nofun }}' }", 6, 27, "groups[0].rules[0].annotations.a", "function \"nofun\" not defined")]
    [InlineData("expr: up", "annotations: { a: '{{ $value' }", 6, 27, "groups[0].rules[0].annotations.a", "unclosed action")]
    [InlineData("expr: up", "no_data: maybe", 6, 18, "groups[0].rules[0].no_data", "must be keep, alert or ok")]
    [InlineData("expr: up", "level: 4", 6, 16, "groups[0].rules[0].level", "1 to 3")]
    [InlineData("expr: up", "labels: [a]", 6, 17, "groups[0].rules[0].labels", "must be a mapping")]
    [InlineData("expr: up", "expr: up", 6, 9, "", "is not YAML: Duplicate key")]
    public void Parse_BadRule_NamesLineColumnKeyAndReason(string first, string second, int line, int column, string key, string reason)
    {
        var parsed = PolicyFileParser.Parse("a.yaml", $"groups:\n  - name: g\n    rules:\n      - alert: A\n        {first}\n        {second}\n");

        Assert.Empty(parsed.Policies);
        var error = Assert.Single(parsed.Diagnostics, d => d.Level == DiagnosticLevel.Error);
        Assert.Equal(("a.yaml", line, column, key), (error.File, error.Line, error.Column, error.Key));
        Assert.Contains(reason, error.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("groups: [", "is not YAML")]
    [InlineData("- a\n- b\n", "must be a mapping with the key 'groups'")]
    [InlineData("groups: {}\n", "must be a list")]
    [InlineData("rules: []\n", "unknown key")]
    [InlineData("groups: []\n---\ngroups: []\n", "more than one YAML document")]
    [InlineData("groups:\n- name: a\n- name: a\n", "is the name of an earlier group")]
    [InlineData("groups:\n- name: a\n  interval: 0s\n", "must be longer than 0")]
    [InlineData("groups:\n- name: a\n  rules:\n  - record: x\n    expr: up\n    for: 5m\n", "does not belong to a recording rule")]
    [InlineData("severities: { Odd: { } }\ngroups: []\n", "is on no known scale")]
    public void Parse_BadFile_IsRefusedWithReason(string content, string reason)
    {
        var parsed = PolicyFileParser.Parse("a.yaml", content);

        Assert.True(parsed.HasErrors);
        Assert.Contains(parsed.Diagnostics, d => d.Reason.Contains(reason, StringComparison.Ordinal));
    }

    [Fact]
    public void Parse_SeveralMistakes_AreAllReportedInOrder()
    {
        var parsed = PolicyFileParser.Parse("a.yaml", Good + "      - alert: B\n        for: x\n      - alert: C\n        expr: )\n");

        Assert.Equal([(6, "groups[0].rules[1].expr"), (7, "groups[0].rules[1].for"), (9, "groups[0].rules[2].expr")],
            parsed.Diagnostics.Select(d => (d.Line, d.Key)));
        Assert.Empty(parsed.Policies);
    }

    [Fact]
    public void Parse_SeverityAgainstItsLabel_IsRefused()
    {
        var parsed = PolicyFileParser.Parse("a.yaml", Good + "        severity: P1\n        labels: { severity: P2 }\n");

        Assert.Contains(parsed.Diagnostics, d => d.Reason.Contains("the label severity says 'P2'", StringComparison.Ordinal));
    }

    [Fact]
    public void Parse_AnchorsAndMerges_AreResolved()
    {
        var parsed = PolicyFileParser.Parse("a.yaml", """
            groups:
              - name: g
                rules:
                  - &base
                    alert: A
                    expr: up == 0
                    for: 5m
                  - <<: *base
                    alert: B
            """);

        Assert.False(parsed.HasErrors, string.Join('\n', parsed.Diagnostics));
        Assert.Equal([("A", "up == 0"), ("B", "up == 0")], parsed.Policies.Select(p => (p.Alert, p.Expr)));
        Assert.Equal(TimeSpan.FromMinutes(5), parsed.Policies[1].For);
    }

    [Fact]
    public void Parse_SameRuleTwice_IsWarnedOf() =>
        Assert.Contains(PolicyFileParser.Parse("a.yaml", Good + "      - alert: A\n        expr: up == 0\n").Diagnostics,
            d => d.Level == DiagnosticLevel.Warning && d.Reason.Contains("stands in this group twice", StringComparison.Ordinal));

    [Fact]
    public void Parse_HundredThousandBrackets_IsRefusedAndEndsNothing() =>
        Assert.Contains(PolicyFileParser.Parse("a.yaml", "groups: " + new string('[', 100_000)).Diagnostics,
            d => d.Reason.Contains("nested deeper", StringComparison.Ordinal));

    [Fact]
    public void Parse_FileAtItsLimit_LoadsAndOneCharacterMoreIsRefused()
    {
        var padded = Good + "#" + new string(' ', PolicyFileParser.MaxLength - Good.Length - 1);

        Assert.False(PolicyFileParser.Parse("a.yaml", padded).HasErrors);
        Assert.True(PolicyFileParser.Parse("a.yaml", padded + " ").HasErrors);
    }

    [Fact]
    public void Parse_EmptyFile_HasNoPoliciesAndNoErrors() => Assert.False(PolicyFileParser.Parse("a.yaml", "").HasErrors);

    [Fact]
    public void Read_OneBadFileAmongGood_LoadsNothing()
    {
        var set = PolicySet.Read([("a.yaml", Good), ("b.yaml", "nonsense: 1\n")]);

        Assert.True(set.HasErrors);
        Assert.Empty(set.Policies);
        Assert.Equal("b.yaml", Assert.Single(set.Diagnostics).File);
    }

    [Fact]
    public void Version_ChangedAnnotation_StaysAndChangedExpressionDoesNot()
    {
        var policy = PolicyFileParser.Parse("a.yaml", Good).Policies[0];

        Assert.Equal(policy.Version, (policy with { Annotations = new Dictionary<string, string> { ["x"] = "y" } }).Version);
        Assert.NotEqual(policy.Version, (policy with { Expr = "up == 1" }).Version);
        Assert.NotEqual(policy.Version, (policy with { For = TimeSpan.FromSeconds(1) }).Version);
        Assert.Equal(policy.Version, PolicyDefinition.FromJson(policy.ToJson()).Version);
    }
}

using Vigil.Metrics.PromQL;
using Vigil.Metrics.Rules;
using Vigil.Metrics.Series;
using Xunit;

namespace Vigil.Metrics.Tests.Rules;

public sealed class RuleFileTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public void Read_GroupsOfBothKinds_TakesTheRecordingHalf()
    {
        var file = RuleFileReader.Read("a.yaml", """
            severities: { Odd: { level: 2 } }
            groups:
              - name: mixed
                interval: 30s
                limit: 5
                query_offset: 10s
                labels: { team: core, tier: gold }
                rules:
                  - record: job:up:sum
                    expr: sum by (job) (up)
                    labels: { tier: silver }
                  - alert: Down
                    expr: up == 0
                    severity: Odd
              - name: alerts only
                known_to_alerting_only: 1
                rules: [{ alert: A, expr: 'not promql at all (' }]
              - name: by default
                rules: [{ record: one, expr: 1 }]
            """, Minute);
        Assert.Empty(file.Diagnostics);
        Assert.Equal(["mixed", "by default"], file.Groups.Select(g => g.Name));
        var mixed = file.Groups[0];
        Assert.Equal((TimeSpan.FromSeconds(30), 5, TimeSpan.FromSeconds(10), "a.yaml:mixed"), (mixed.Interval, mixed.Limit, mixed.QueryOffset, mixed.Key));
        var rule = Assert.Single(mixed.Rules);
        Assert.Equal(("job:up:sum", "sum by (job) (up)", 9), (rule.Record, rule.Expr, rule.Line));
        Assert.Equal(LabelSet.Of("team", "core", "tier", "silver"), rule.Labels);
        Assert.Equal(Minute, file.Groups[1].Interval);
    }

    [Theory]
    [InlineData("groups: [{name: g, rules: [{record: 'up{job=api}', expr: up}]}]", "groups[0].rules[0].record", "has braces: should it be in 'expr'?")]
    [InlineData("groups: [{name: g, rules: [{record: r, expr: 'sum('}]}]", "groups[0].rules[0].expr", "unclosed left parenthesis")]
    [InlineData("groups: [{name: g, rules: [{record: r, expr: 'up[5m]'}]}]", "groups[0].rules[0].expr", "only a scalar or an instant vector")]
    [InlineData("groups: [{name: g, rules: [{record: r}]}]", "groups[0].rules[0].expr", "is missing")]
    [InlineData("groups: [{name: g, rules: [{expr: up}]}]", "groups[0].rules[0].record", "is missing")]
    [InlineData("groups: [{name: g, rules: [{record: r, expr: up, for: 5m}]}]", "groups[0].rules[0].for", "does not belong to a recording rule")]
    [InlineData("groups: [{name: g, rules: [{record: r, expr: up, label: {}}]}]", "groups[0].rules[0].label", "labels")]
    [InlineData("groups: [{name: g, rules: [{record: r, expr: up, labels: {__name__: x}}]}]", "groups[0].rules[0].labels.__name__", "is set by 'record'")]
    [InlineData("groups: [{name: g, rules: [{record: r, expr: up, labels: {'': x}}]}]", "groups[0].rules[0].labels.", "is not a label name")]
    [InlineData("groups: [{name: g, rules: [{record: r, expr: up}, {record: r, expr: down}]}]", "groups[0].rules[1].record", "twice with the same labels")]
    [InlineData("groups: [{name: g, interval: 10ms, rules: [{record: r, expr: up}]}]", "groups[0].interval", "must be 1s to 1d")]
    [InlineData("groups: [{name: g, interval: often, rules: [{record: r, expr: up}]}]", "groups[0].interval", "is not a duration")]
    [InlineData("groups: [{name: g, rules: [{record: r, expr: up}]}, {name: g, rules: []}]", "groups[1].name", "earlier group of this file")]
    [InlineData("groups: [{name: g, intervall: 1m, rules: [{record: r, expr: up}]}]", "groups[0].intervall", "interval")]
    [InlineData("groups: ]", "", "is not YAML")]
    public void Read_BadFile_NamesLineKeyAndReason_AndTakesNothing(string content, string key, string reason)
    {
        var file = RuleFileReader.Read("bad.yaml", content, Minute);
        Assert.True(file.HasErrors);
        Assert.Empty(file.Groups);
        var finding = Assert.Single(file.Diagnostics, d => d.Key == key);
        Assert.Equal(("bad.yaml", 1), (finding.File, finding.Line));
        Assert.Contains(reason, finding.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Group_ThatSaysTheSame_IsTheSame()
    {
        const string Text = "groups: [{name: g, rules: [{record: r, expr: up, labels: {a: b}}]}]";
        var group = RuleFileReader.Read("a.yaml", Text, Minute).Groups[0];
        Assert.True(group.IsSame(RuleFileReader.Read("a.yaml", Text, Minute).Groups[0]));
        Assert.False(group.IsSame(RuleFileReader.Read("a.yaml", Text.Replace("expr: up", "expr: down", StringComparison.Ordinal), Minute).Groups[0]));
        Assert.False(group.IsSame(RuleFileReader.Read("a.yaml", Text, 2 * Minute).Groups[0]));
        Assert.False(group.IsSame(null));
    }

    [Fact]
    public void Schedule_KeepsToMomentsAnIntervalApart_WhateverTheTime()
    {
        var schedule = RuleSchedule.Of(new RuleGroup { File = "f", Name = "g", Interval = Minute, Rules = [] });
        var now = new DateTimeOffset(2026, 1, 5, 12, 0, 0, TimeSpan.Zero);
        var next = schedule.Next(now);
        Assert.InRange(next - now, TimeSpan.FromTicks(1), Minute);
        Assert.Equal(next, schedule.Slot(next));
        Assert.Equal(next, schedule.Slot(next + Minute - TimeSpan.FromTicks(1)));
        Assert.Equal(next + Minute, schedule.Next(next));
        Assert.Equal(next - Minute, schedule.Slot(next - TimeSpan.FromTicks(1)));
        Assert.Equal((0, 0, 4), (schedule.Between(next, next), schedule.Between(next, next + Minute), schedule.Between(next, next + 5 * Minute)));
        Assert.NotEqual(next, RuleSchedule.Of(new RuleGroup { File = "f", Name = "h", Interval = Minute, Rules = [] }).Next(now));
    }

    [Fact]
    public void Output_IsNamedAndLabelled()
    {
        var rule = Rule("r", ("env", "prod"));
        var vector = new VectorValue(0, [new VectorElement(LabelSet.Of("__name__", "up", "env", "dev", "job", "a"), 1)]);
        var output = RuleOutput.From(rule, vector, 1, new SeriesRules());
        Assert.Equal((LabelSet.Of("__name__", "r", "env", "prod", "job", "a"), 1d), (output.Samples[0].Labels, output.Samples[0].Value));
        Assert.Equal((null, false), (output.Fault, output.Failed));
        Assert.Equal(LabelSet.Of("__name__", "r", "env", "prod"), Assert.Single(RuleOutput.From(rule, new ScalarValue(0, 3), 0, new SeriesRules()).Samples).Labels);
    }

    [Fact]
    public void Output_OneSeriesTooMany_RecordsNothing()
    {
        var vector = new VectorValue(0, [new VectorElement(LabelSet.Of("n", "1"), 1), new VectorElement(LabelSet.Of("n", "2"), 1)]);
        Assert.Equal(2, RuleOutput.From(Rule("r"), vector, 2, new SeriesRules()).Samples.Count);
        var output = RuleOutput.From(Rule("r"), vector, 1, new SeriesRules());
        Assert.Equal(("exceeded limit of 1 with 2 series", true, 0), (output.Fault, output.Failed, output.Samples.Count));
    }

    [Fact]
    public void Output_ThatItsLabelsMakeAlike_IsRefusedInPrometheusWords()
    {
        var vector = new VectorValue(0, [new VectorElement(LabelSet.Of("n", "1"), 1), new VectorElement(LabelSet.Of("n", "2"), 1)]);
        var output = RuleOutput.From(Rule("r", ("n", "3")), vector, 0, new SeriesRules());
        Assert.Equal(("vector contains metrics with the same labelset after applying rule labels", true), (output.Fault, output.Failed));
    }

    [Fact]
    public void Output_WithALabelThatMayNotBe_RecordsTheRest()
    {
        var vector = new VectorValue(0, [new VectorElement(LabelSet.Of("n", new string('x', 2000)), 1), new VectorElement(LabelSet.Of("n", "2"), 1)]);
        var output = RuleOutput.From(Rule("r"), vector, 0, new SeriesRules());
        Assert.Equal((1, false), (output.Samples.Count, output.Failed));
        Assert.Contains("2000 bytes", output.Fault, StringComparison.Ordinal);
    }

    private static RecordingRule Rule(string record, params (string, string)[] labels) =>
        new() { Record = record, Expr = "x", Labels = LabelSet.Create(labels.Select(l => new Label(l.Item1, l.Item2))) };
}

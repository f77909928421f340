using Vigil.Metrics.PromQL;
using Vigil.Metrics.Scrape;
using Vigil.Metrics.Series;
using Vigil.ServiceDefaults.Yaml;
using Xunit;

namespace Vigil.Metrics.Tests.Scrape;

public sealed class RelabelTests
{
    [Theory]
    // From Prometheus' own table of cases, model/relabel.
    [InlineData("source_labels: [a], target_label: d, separator: ';', regex: 'f(.*)', replacement: 'ch${1}-ch${1}', action: replace", "a=foo b=bar", "a=foo b=bar d=choo-choo")]
    [InlineData("source_labels: [a, b], target_label: a, separator: ';', regex: 'f(.*);(.*)r', replacement: 'b${1}${2}m'", "a=foo b=bar c=baz", "a=boobam b=bar c=baz")]
    [InlineData("source_labels: [a], regex: '.*o.*', action: drop", "a=foo", null)]
    [InlineData("source_labels: [a], regex: 'no-match', action: drop", "a=foo", "a=foo")]
    [InlineData("source_labels: [a], regex: 'f|o', action: drop", "a=foo", "a=foo")]
    [InlineData("source_labels: [a], regex: 'no-match', action: keep", "a=foo", null)]
    [InlineData("source_labels: [a], regex: 'f.*', action: keep", "a=foo", "a=foo")]
    [InlineData("source_labels: [a], target_label: b, regex: 'f', replacement: r", "a=foo b=bar", "a=foo b=bar")]
    [InlineData("source_labels: [c], target_label: d, separator: ';', action: hashmod, modulus: 1000", "a=foo b=bar c=baz", "a=foo b=bar c=baz d=976")]
    [InlineData("regex: '(b.*)', replacement: 'bar_${1}', action: labelmap", "a=foo b1=bar b2=baz", "a=foo b1=bar b2=baz bar_b1=bar bar_b2=baz")]
    [InlineData("regex: '(b.*)', action: labeldrop", "a=foo b1=bar b2=baz", "a=foo")]
    [InlineData("regex: '(b.*)', action: labelkeep", "a=foo b1=bar b2=baz", "b1=bar b2=baz")]
    [InlineData("source_labels: [a], regex: '(.*)', replacement: '', target_label: b", "a=foo b=bar", "a=foo")]
    [InlineData("source_labels: [foo], target_label: up, action: uppercase", "foo=bAr123Foo", "foo=bAr123Foo up=BAR123FOO")]
    [InlineData("source_labels: [foo], target_label: low, action: lowercase", "foo=bAr123Foo", "foo=bAr123Foo low=bar123foo")]
    [InlineData("source_labels: [a], target_label: p, action: keepequal", "a=1 p=1", "a=1 p=1")]
    [InlineData("source_labels: [a], target_label: p, action: keepequal", "a=1 p=2", null)]
    [InlineData("source_labels: [a], target_label: p, action: dropequal", "a=1 p=1", null)]
    [InlineData("source_labels: [a], target_label: p, action: dropequal", "a=1 p=2", "a=1 p=2")]
    [InlineData("source_labels: [a], regex: 'some-([^-]+)-([^,]+)', replacement: '${2}', target_label: '${1}'", "a=some-name-value", "a=some-name-value name=value")]
    [InlineData("source_labels: [a], regex: 'some-([^-]+)-([^,]+)', replacement: '${3}', target_label: '${1}'", "a=some-name-value name=v", "a=some-name-value")]
    [InlineData("source_labels: [a], regex: 'some-([^-]+)-([^,]+)', replacement: '${1}', target_label: '${3}'", "a=some-name-value", "a=some-name-value")]
    public void Rule_DoesWhatPrometheusDoes(string rule, string labels, string? expected)
    {
        var report = new YamlReport("f");
        var jobs = ScrapeFile.Parse("f", $"scrape_configs: [{{ job_name: j, metric_relabel_configs: [{{ {rule} }}] }}]", report);
        Assert.Empty(report.Diagnostics);
        Assert.Equal(expected is null ? null : Set(expected), RelabelRule.Apply(jobs[0].MetricRelabel, Set(labels)));
    }

    private static LabelSet Set(string pairs) => LabelSet.Create(pairs.Split(' ').Select(p => new Label(p.Split('=')[0], p.Split('=')[1])));
}

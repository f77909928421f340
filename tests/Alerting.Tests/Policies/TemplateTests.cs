using Vigil.Alerting.Policies;

namespace Vigil.Alerting.Tests.Policies;

public sealed class TemplateTests
{
    private static string Expand(string template, double value = 0.256) =>
        Template.Parse(template).Expand(new TemplateData(AlertLabels.From([new("instance", "web-1.example.com:9100"), new("job", "api")]), value, "http://vigil:9093/x"));

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("{{ $labels.instance }} of {{ $labels.job }}", "web-1.example.com:9100 of api")]
    [InlineData("{{ .Labels.job }} {{ .Value }}", "api 0.256")]
    [InlineData("{{$value}}", "0.256")]
    [InlineData("{{ $labels.nosuch }}|", "|")]
    [InlineData("{{ index $labels \"job\" }}", "api")]
    [InlineData("{{ $value | humanizePercentage }}", "25.6%")]
    [InlineData("{{ humanizePercentage $value }}", "25.6%")]
    [InlineData("{{ printf \"%.2f\" $value }}", "0.26")]
    [InlineData("{{ $value | printf \"%.1f%%\" }}", "0.3%")]
    [InlineData("{{ printf \"%-6s|%5.1f|%q\" $labels.job $value \"x\" }}", "api   |  0.3|\"x\"")]
    [InlineData("{{ printf \"%d\" 7 }}{{ printf \"%d\" $value }}", "7%!d(float64=0.256)")]
    [InlineData("{{ $labels.instance | stripPort }} {{ stripDomain $labels.instance }}", "web-1.example.com web-1:9100")]
    [InlineData("{{ $labels.job | toUpper }}", "API")]
    [InlineData("{{ if gt $value 0.2 }}high{{ else }}low{{ end }}", "high")]
    [InlineData("{{ if gt $value 1.0 }}high{{ else if gt $value 0.2 }}middle{{ else }}low{{ end }}", "middle")]
    [InlineData("{{ if and (eq $labels.job \"api\") (lt $value 1.0) }}y{{ end }}", "y")]
    [InlineData("{{ with $labels.job }}job {{ . }}{{ end }}", "job api")]
    [InlineData("{{ $x := $labels.job }}{{ $x }}!", "api!")]
    [InlineData("a  {{- /* comment */ -}}  b", "ab")]
    [InlineData("a {{- $labels.job -}} b", "aapib")]
    [InlineData("{{ reReplaceAll \"(.*):.*\" \"$1\" $labels.instance }}", "web-1.example.com")]
    [InlineData("{{ match \"a.i\" $labels.job }}", "true")]
    [InlineData("{{ externalURL }}{{ pathPrefix }}", "http://vigil:9093/x/x")]
    [InlineData("{{ \"}}\" }}", "}}")]
    public void Expand_TemplateAsUsedInPractice_GivesPrometheusText(string template, string expected) => Assert.Equal(expected, Expand(template));

    [Theory]
    [InlineData("humanize", 0, "0")]
    [InlineData("humanize", 1234567, "1.235M")]
    [InlineData("humanize", 0.00123, "1.23m")]
    [InlineData("humanize1024", 1048576, "1Mi")]
    [InlineData("humanize1024", 1, "1")]
    [InlineData("humanizeDuration", 0, "0s")]
    [InlineData("humanizeDuration", 0.1, "100ms")]
    [InlineData("humanizeDuration", 12.3456, "12.35s")]
    [InlineData("humanizeDuration", 3661, "1h 1m 1s")]
    [InlineData("humanizeDuration", 90061, "1d 1h 1m 1s")]
    [InlineData("humanizeDuration", -90, "-1m 30s")]
    [InlineData("humanizePercentage", 1, "100%")]
    [InlineData("humanizeTimestamp", 1435065584.128, "2015-06-23 13:19:44.128 +0000 UTC")]
    [InlineData("print", 1000000, "1e+06")]
    [InlineData("print", 123456, "123456")]
    [InlineData("print", 0.00001, "1e-05")]
    [InlineData("print", 1234567.5, "1.2345675e+06")]
    [InlineData("humanize", double.NaN, "NaN")]
    [InlineData("print", double.PositiveInfinity, "+Inf")]
    public void Expand_Number_IsWrittenAsGoAndPrometheusDo(string function, double value, string expected) =>
        Assert.Equal(expected, Expand($"{{{{ {function} $value }}}}", value));

    [Theory]
    [InlineData("{{ $value")]
    [InlineData("{{ nosuch }}")]
    [InlineData("{{ if }}x{{ end }}")]
    [InlineData("{{ if $value }}x")]
    [InlineData("{{ end }}")]
    [InlineData("{{ ( $value }}")]
    [InlineData("{{ \"x }}")]
    [InlineData("{{ template \"x\" }}")]
    public void Parse_Malformed_HasAnErrorAndStillExpandsToAText(string template)
    {
        Assert.NotNull(Template.Parse(template).Error);
        Assert.StartsWith("<error expanding template: ", Expand(template), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{{ query \"up\" }}", "not available here")]
    [InlineData("{{ humanize \"x\" }}", "can't convert")]
    [InlineData("{{ $nosuch }}", "undefined variable")]
    [InlineData("{{ .Nosuch }}", "can't evaluate field")]
    [InlineData("{{ reReplaceAll \"(\" \"\" \"\" }}", "bad regular expression")]
    public void Expand_WhatCannotBe_SaysSoInTheText(string template, string reason)
    {
        Assert.Null(Template.Parse(template).Error);
        Assert.Contains(reason, Expand(template), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(16_384, "xxx")]
    [InlineData(16_385, "print yields 16,385 characters; at most 16,384 are allowed")]
    public void Expand_ValueOfALength_IsTakenUpToTheLimit(int length, string expected) =>
        Assert.Contains(expected, Expand($"{{{{ $x := print \"{new string('x', length - 1)}\" \"x\" }}}}{{{{ $x }}}}"), StringComparison.Ordinal);

    [Fact]
    public void Expand_VariableThatGrowsWithEachLine_StopsEarly()
    {
        var template = "{{ $x := \"0123456789abcdef\" }}" + string.Concat(Enumerable.Repeat("{{ $x = printf \"%s%s%s%s%s%s%s%s\" $x $x $x $x $x $x $x $x }}", 20)) + "{{ $x }}";
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("at most 16,384 are allowed", Expand(template), StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 10_000_000);
    }

    [Fact]
    public void Expand_CallsThatCouldYieldMuch_AreRefused()
    {
        Assert.Contains("101 arguments; at most 100", Expand($"{{{{ print {string.Join(' ', Enumerable.Repeat("$value", 101))} }}}}"), StringComparison.Ordinal);
        Assert.DoesNotContain("arguments", Expand($"{{{{ print {string.Join(' ', Enumerable.Repeat("$value", 100))} }}}}"), StringComparison.Ordinal);
        Assert.Contains("could yield more than 1,000,000", Expand($"{{{{ reReplaceAll \"\" \"{new string('y', 1_000)}\" \"{new string('x', 1_000)}\" }}}}"), StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_DeepNesting_IsRefusedAndEndsNothing()
    {
        Assert.NotNull(Template.Parse("{{ " + new string('(', 100_000) + " }}").Error);
        Assert.NotNull(Template.Parse(string.Concat(Enumerable.Repeat("{{ if $value }}", 10_000))).Error);
    }
}

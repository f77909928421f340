using Vigil.Metrics.Scrape;
using Vigil.ServiceDefaults.Yaml;
using Xunit;

namespace Vigil.Metrics.Tests.Scrape;

public sealed class ScrapeFileTests
{
    [Fact]
    public void Parse_AWholePrometheusFile_IsTaken()
    {
        var (jobs, findings) = Parse("""
            global:
              scrape_interval: 15s
              external_labels: { site: a }
            rule_files: [ rules.yml ]
            scrape_configs:
              - job_name: node
                static_configs:
                  - targets: [ "a:9100", "b:9100" ]
                    labels: { env: prod }
              - job_name: app
                scrape_interval: 5s
                scrape_timeout: 2s
                metrics_path: /m
                scheme: https
                params: { module: [ x, "y z" ] }
                honor_labels: true
                honor_timestamps: false
                sample_limit: 100
                label_limit: 30
                body_size_limit: 10MB
                basic_auth: { username: u, password: p }
                tls_config: { insecure_skip_verify: true }
                file_sd_configs:
                  - files: [ "targets/*.json", /etc/t.yml ]
                    refresh_interval: 1m
            """);
        Assert.Equal(["f.yml:3:20: warning: global.external_labels: has no effect here", "f.yml:4:13: warning: rule_files: has no effect here"], findings);
        Assert.Equal((TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(10)), (jobs[0].Interval, jobs[0].Timeout));
        var app = jobs[1];
        Assert.Equal((TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(2), "/m", "https", true, false), (app.Interval, app.Timeout, app.MetricsPath, app.Scheme, app.HonorLabels, app.HonorTimestamps));
        Assert.Equal(new ScrapeLimits(Samples: 100, Labels: 30, BodyBytes: 10 << 20), app.Limits);
        Assert.Equal(("u", "p"), (app.Auth!.User, app.Auth.Password));
        Assert.True(app.Tls.InsecureSkipVerify);
        Assert.Equal([Path.GetFullPath("targets/*.json"), "/etc/t.yml"], app.TargetFiles);

        var targets = TargetBuilder.Build(jobs[0], jobs[0].Static).Active;
        Assert.Equal(["{env=\"prod\",instance=\"a:9100\",job=\"node\"}", "{env=\"prod\",instance=\"b:9100\",job=\"node\"}"], targets.Select(t => t.Labels.ToString()));
        Assert.Equal("http://a:9100/metrics", targets[0].Address);
        var one = TargetBuilder.Build(app, [new TargetGroup("s", ["host"], new Dictionary<string, string>())]).Active;
        Assert.Equal("https://host:443/m?module=x&module=y%20z", Assert.Single(one).Address);
        Assert.Equal("{instance=\"host:443\",job=\"app\"}", one[0].Labels.ToString());
    }

    [Fact]
    public void Parse_WhatIsSaidOfPages_IsInheritedFromGlobal()
    {
        var (jobs, findings) = Parse("""
            global: { sample_limit: 10, body_size_limit: 1MB, scrape_native_histograms: true, metric_name_validation_scheme: legacy }
            scrape_configs:
              - { job_name: a }
              - { job_name: b, sample_limit: 20, body_size_limit: 0, metric_name_validation_scheme: utf8, scrape_protocols: [ "OpenMetricsText0.0.1", "PrometheusText1.0.0" ], enable_compression: false }
              - { job_name: c, metric_name_escaping_scheme: values, scrape_native_histograms: false, always_scrape_classic_histograms: true }
            """);
        Assert.Empty(findings);
        Assert.Equal((new ScrapeLimits(Samples: 10, BodyBytes: 1 << 20), true, false, true, true), (jobs[0].Limits, jobs[0].NativeHistograms, jobs[0].ClassicHistograms, jobs[0].LegacyNames, jobs[0].Compression));
        Assert.Equal(
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=underscores;q=0.6,application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.5,"
            + "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=underscores;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1", jobs[0].Protocols.Accept);
        Assert.Equal((new ScrapeLimits(Samples: 20), true, false, false), (jobs[1].Limits, jobs[1].NativeHistograms, jobs[1].LegacyNames, jobs[1].Compression));
        Assert.Equal("application/openmetrics-text;version=0.0.1;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.4", jobs[1].Protocols.Accept);
        Assert.Equal((false, true, true), (jobs[2].NativeHistograms, jobs[2].ClassicHistograms, jobs[2].LegacyNames));
        Assert.StartsWith("application/openmetrics-text;version=1.0.0;escaping=values;q=0.6,", jobs[2].Protocols.Accept, StringComparison.Ordinal);
        // What the jobs inherit is part of what they are.
        Assert.NotEqual(jobs[0].Fingerprint, Parse("scrape_configs: [ { job_name: a } ]").Jobs[0].Fingerprint);
    }

    [Theory]
    [InlineData("- { job_name: a, scrape_protocols: [ PrometheusProto, Text ] }", "scrape_protocols: 'Text' is none of PrometheusProto, OpenMetricsText1.0.0, OpenMetricsText0.0.1, PrometheusText1.0.0, PrometheusText0.0.4")]
    [InlineData("- { job_name: a, metric_name_validation_scheme: old }", "metric_name_validation_scheme: 'old' is none of utf8, legacy")]
    [InlineData("- { job_name: a, metric_name_validation_scheme: legacy, metric_name_escaping_scheme: allow-utf-8 }", "metric_name_escaping_scheme: 'allow-utf-8' asks for names that metric_name_validation_scheme 'legacy' does not take")]
    [InlineData("- { job_name: a, tls_config: { cert_file: c.pem } }", "tls_config.cert_file: needs 'cert_file' and 'key_file', both of them")]
    [InlineData("- { job_name: a, tls_config: { min_version: TLS9 } }", "tls_config.min_version: 'TLS9' is none of TLS10, TLS11, TLS12, TLS13")]
    [InlineData("- { job_name: a, tls_config: { min_version: TLS13, max_version: TLS12 } }", "tls_config.max_version: is below 'min_version'")]
    [InlineData("- job_nam: a", "job_name: is missing: the name of the job", "job_nam: unknown key; did you mean 'job_name'?")]
    [InlineData("- { job_name: a, scrape_interval: 5s, scrape_timeout: 6s }", "scrape_timeout: 6s must be more than 0 and at most the interval of 5s")]
    [InlineData("- { job_name: a, scrape_interval: 5 }", "scrape_interval: '5' is not a duration; write it like 30s, 5m or 1h30m (units y w d h m s ms, in this order)")]
    [InlineData("- { job_name: a }\n  - { job_name: a }", "job_name: another job is named 'a'")]
    [InlineData("- { job_name: a, kubernetes_sd_configs: [ { role: pod } ] }", "kubernetes_sd_configs: is not supported: list the targets in static_configs, or have them written to a file of file_sd_configs")]
    [InlineData("- { job_name: a, scheme: ftp }", "scheme: 'ftp' must be http or https")]
    [InlineData("- { job_name: a, bearer_token: t, basic_auth: { username: u } }", "bearer_token: is given beside 'basic_auth': at most one of them")]
    [InlineData("- { job_name: a, body_size_limit: 10XB }", "body_size_limit: '10XB' must be a size such as 512KB or 10MB")]
    [InlineData("- { job_name: a, relabel_configs: [ { action: hashmod, target_label: x } ] }", "relabel_configs[0].modulus: is missing: 'hashmod' needs it")]
    [InlineData("- { job_name: a, relabel_configs: [ { action: keepall } ] }", "relabel_configs[0].action: 'keepall' is none of replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase, uppercase")]
    [InlineData("- { job_name: a, static_configs: [ { target: [ x ] } ] }", "static_configs[0].targets: is missing: a list of addresses", "static_configs[0].target: unknown key; did you mean 'targets'?")]
    [InlineData("- { job_name: a, file_sd_configs: [ { files: [ x.txt ] } ] }", "file_sd_configs[0].files: 'x.txt' must end in .json, .yml or .yaml")]
    public void Parse_WhatIsWrong_IsNamedWithPlaceKeyAndReason(string jobs, params string[] expected)
    {
        var (read, findings) = Parse("scrape_configs:\n  " + jobs);
        Assert.Empty(read);
        Assert.All(findings, f => Assert.Matches(@"^f\.yml:[1-9]\d*:[1-9]\d*: error: scrape_configs\[\d\]\.", f));
        Assert.Equal(expected.Order(), findings.Select(f => f[(f.IndexOf("].", StringComparison.Ordinal) + 2)..]).Order());
    }

    [Fact]
    public void Parse_RegularExpressionThatIsNone_IsRefused()
    {
        var (_, findings) = Parse("scrape_configs: [ { job_name: a, relabel_configs: [ { regex: '(', target_label: x } ] } ]");
        Assert.Contains("relabel_configs[0].regex: error parsing regexp", Assert.Single(findings));
    }

    [Fact]
    public void Parse_ProbeOfAnotherKind_IsRefused()
    {
        var (_, findings) = Parse("""
            probe_configs:
              - { job_name: a, prober: htp }
              - { job_name: b, prober: tcp, http: { method: GET } }
              - { job_name: c, prober: http, http: { valid_status_codes: [ 99 ] } }
            """);
        Assert.Equal(3, findings.Count);
        Assert.Contains("'htp' is none of", findings[0]);
        Assert.Contains("probe_configs[1].http: has no effect with 'prober: tcp'", findings[1]);
        Assert.Contains("'99' must be a status from 100 to 599", findings[2]);
    }

    [Theory]
    [InlineData("[ { \"targets\": [ \"a:1\" ], \"labels\": { \"k\": \"v\" } }, { \"targets\": [] } ]")]
    [InlineData("- targets: [ a:1 ]\n  labels:\n    k: v\n- targets: []\n")]
    public void ParseTargets_JsonAndYaml_AreTheSame(string content)
    {
        var report = new YamlReport("t");
        var groups = ScrapeFile.ParseTargets("/t", content, report);
        Assert.Empty(report.Diagnostics);
        Assert.Equal(["a:1"], groups[0].Targets);
        Assert.Equal("v", groups[0].Labels["k"]);
        Assert.Equal(2, groups.Count);
    }

    [Fact]
    public void Build_ATargetThatCannotBeAsked_IsNamedAndTheOthersStay()
    {
        var (jobs, _) = Parse("scrape_configs: [ { job_name: a, relabel_configs: [ { source_labels: [__address__], regex: 'drop.*', action: drop } ] } ]");
        var built = TargetBuilder.Build(jobs[0], [new TargetGroup("file", ["x/y", "drop:1", "ok:1", "ok:1"], new Dictionary<string, string>())]);
        Assert.Equal("file: x/y: an address is host:port, without a path", Assert.Single(built.Faults));
        Assert.Equal("drop:1", Assert.Single(built.Dropped).Discovered.Get("__address__"));
        Assert.Single(built.Active);
    }

    [Fact]
    public void NextSlot_OfATarget_IsTheSameWheneverItIsAskedAndSpreadOverTheInterval()
    {
        var (jobs, _) = Parse("scrape_configs: [ { job_name: a, scrape_interval: 10s } ]");
        var targets = TargetBuilder.Build(jobs[0], [new TargetGroup("s", [.. Enumerable.Range(0, 1_000).Select(i => $"h{i}:1")], new Dictionary<string, string>())]).Active;
        const long Now = 1_767_614_400_000;
        foreach (var target in targets)
        {
            var slot = target.NextSlot(Now);
            Assert.InRange(slot, Now + 1, Now + 10_000);
            Assert.Equal(slot, target.NextSlot(slot - 1));
            Assert.Equal(slot + 10_000, target.NextSlot(slot));
        }
        // A tenth of the interval takes about a tenth of them.
        Assert.All(targets.GroupBy(t => t.NextSlot(Now) % 10_000 / 1_000), g => Assert.InRange(g.Count(), 50, 150));
    }

    internal static (IReadOnlyList<TargetJob> Jobs, IReadOnlyList<string> Findings) Parse(string content)
    {
        var report = new YamlReport("f.yml");
        var jobs = ScrapeFile.Parse("f.yml", content, report);
        return (jobs, [.. report.Sorted().Select(d => d.ToString())]);
    }
}

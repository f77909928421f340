using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Vigil.Metrics.Scrape;
using Vigil.Metrics.Series;
using Vigil.Metrics.Tests.Service;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Scrape;

public sealed class ScrapeServiceTests
{
    private static string Job(TargetServer server, string more = "") => $$"""
        scrape_configs:
          - job_name: shop
            scrape_interval: 10s
            static_configs: [ { targets: [ "{{server.Address}}" ], labels: { env: test } } ]
            {{more}}
        """;

    [Fact]
    public async Task Scrape_APage_IsStoredWithWhatIsKnownAboutTheScrape()
    {
        await using var server = await TargetServer.StartAsync();
        server.Show("# TYPE hits counter\nhits{path=\"/a\"} 3\nhits{path=\"/b\"} 4\ntemp 1.5\n");
        await using var bench = await ScrapeBench.StartAsync(Job(server));
        var report = await bench.ScrapeAsync();
        Assert.Null(report.Error);
        var labels = $"env=\"test\",instance=\"{server.Address}\",job=\"shop\"";
        Assert.Equal(3, await bench.ValueAsync($"hits{{path=\"/a\",{labels}}}"));
        Assert.Equal(1.5, await bench.ValueAsync($"temp{{{labels}}}"));
        Assert.Equal((1, 3, 3, 3), (await bench.ValueAsync($"up{{{labels}}}"), await bench.ValueAsync("scrape_samples_scraped"),
            await bench.ValueAsync("scrape_samples_post_metric_relabeling"), await bench.ValueAsync("scrape_series_added")));
        Assert.Equal(1, await bench.CountAsync("scrape_duration_seconds"));
        // At the moment it was due, to the millisecond.
        Assert.Equal(bench.Now / 1000.0, await bench.ValueAsync("timestamp(temp)"));

        await bench.ScrapeAsync();
        Assert.Equal(0, await bench.ValueAsync("scrape_series_added"));
        Assert.Equal(2, await bench.ValueAsync("count_over_time(temp[1m])"));
    }

    [Fact]
    public async Task Scrape_OpenMetrics_IsReadByItsContentType()
    {
        await using var server = await TargetServer.StartAsync();
        server.Show("# TYPE hits counter\nhits_total 3 # {trace_id=\"x\"} 1\nhits_created 17\n# EOF\n", "application/openmetrics-text; version=1.0.0; charset=utf-8");
        await using var bench = await ScrapeBench.StartAsync(Job(server));
        await bench.ScrapeAsync();
        Assert.Equal((3, 17, 1), (await bench.ValueAsync("hits_total"), await bench.ValueAsync("hits_created"), await bench.ValueAsync("up")));
        server.Show("hits_total 4\n", "application/openmetrics-text; version=1.0.0; charset=utf-8");
        Assert.Equal("line 1: the body does not end with # EOF", (await bench.ScrapeAsync()).Error);
        Assert.Equal(0, await bench.ValueAsync("up"));
        Assert.Equal(0, await bench.CountAsync("hits_total"));
    }

    [Fact]
    public async Task Scrape_SeriesThatVanishAndTargetsThatFail_AreMarkedAsEndedAtOnce()
    {
        await using var server = await TargetServer.StartAsync();
        server.Show("a 1\nb 2\n");
        await using var bench = await ScrapeBench.StartAsync(Job(server));
        await bench.ScrapeAsync();
        server.Show("a 1\n");
        await bench.ScrapeAsync();
        Assert.Equal((1, 0), (await bench.CountAsync("a"), await bench.CountAsync("b")));

        server.Answer = context =>
        {
            context.Response.StatusCode = 503;
            return Task.CompletedTask;
        };
        Assert.Equal("server returned HTTP status 503 Service Unavailable", (await bench.ScrapeAsync()).Error);
        Assert.Equal((0, 0, 0), (await bench.CountAsync("a"), await bench.ValueAsync("up"), await bench.ValueAsync("scrape_samples_scraped")));

        server.Show("a 5\nb 6\n");
        await bench.ScrapeAsync();
        Assert.Equal((5, 6, 1), (await bench.ValueAsync("a"), await bench.ValueAsync("b"), await bench.ValueAsync("up")));
        // One marker each, no more.
        Assert.Equal(3, await bench.ValueAsync("count_over_time(a[1m])"));
    }

    [Fact]
    public async Task Scrape_ATargetThatDoesNotAnswer_FailsWhenItsTimeIsUp()
    {
        await using var server = await TargetServer.StartAsync();
        var asked = new TaskCompletionSource();
        server.Answer = async context =>
        {
            asked.TrySetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        };
        await using var bench = await ScrapeBench.StartAsync(Job(server, "scrape_timeout: 2s"));
        var scrape = bench.ScrapeAsync();
        await asked.Task.DefaultTimeout();
        bench.Clock.Advance(TimeSpan.FromSeconds(2));
        var report = await scrape;
        Assert.Equal(("no answer within 2s", 2), (report.Error, report.DurationSeconds));
        Assert.Equal((0, 2), (await bench.ValueAsync("up"), await bench.ValueAsync("scrape_duration_seconds")));
    }

    [Theory]
    [InlineData("sample_limit: 2", "a 1\nb 2\n", "a 1\nb 2\nc 3\n", "3 samples; at most 2 are allowed (sample_limit)")]
    [InlineData("label_limit: 5", "a{x=\"1\"} 1\n", "a{x=\"1\",y=\"2\"} 1\n", "line 1: a has 6 labels; at most 5 are allowed (label_limit)")]
    [InlineData("label_name_length_limit: 9", "a{x23456789=\"1\"} 1\n", "a{x234567890=\"1\"} 1\n", "line 1: the label name x234567890 of a is longer than 9 bytes (label_name_length_limit)")]
    [InlineData("label_value_length_limit: 16", "a{x=\"1234567890123456\"} 1\n", "a{x=\"12345678901234567\"} 1\n", "line 1: the label x of a is longer than 16 bytes (label_value_length_limit)")]
    [InlineData("body_size_limit: 20B", "a 1\n# 3456789012345\n", "a 1\n# 34567890123456\n", "the body is larger than 20 bytes (body_size_limit)")]
    public async Task Scrape_OneMoreThanALimit_FailsAsAWhole(string limit, string good, string bad, string reason)
    {
        await using var server = await TargetServer.StartAsync();
        server.Show(good);
        await using var bench = await ScrapeBench.StartAsync(Job(server, limit));
        Assert.Null((await bench.ScrapeAsync()).Error);
        Assert.Equal(1, await bench.CountAsync("a"));
        server.Show(bad);
        Assert.Equal(reason, (await bench.ScrapeAsync()).Error);
        Assert.Equal((0, 0), (await bench.CountAsync("{__name__=~\"a|b|c\"}"), await bench.ValueAsync("up")));
    }

    [Fact]
    public async Task Scrape_BoundsOfHistogramsAndSummaries_AreWrittenAlikeAsPrometheus3HasThem()
    {
        await using var server = await TargetServer.StartAsync();
        server.Show("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"2.50\"} 2\nh_bucket{le=\"1e7\"} 3\nh_bucket{le=\"+Inf\"} 4\nh_sum{le=\"x\"} 1\n# TYPE s summary\ns{quantile=\"1\"} 5\n# TYPE g gauge\ng{le=\"1\",quantile=\"1\"} 6\n");
        await using var bench = await ScrapeBench.StartAsync(Job(server));
        await bench.ScrapeAsync();
        Assert.Equal((1, 2, 3, 4), (await bench.ValueAsync("h_bucket{le=\"1.0\"}"), await bench.ValueAsync("h_bucket{le=\"2.5\"}"), await bench.ValueAsync("h_bucket{le=\"1e+07\"}"), await bench.ValueAsync("h_bucket{le=\"+Inf\"}")));
        Assert.Equal((1, 5, 6), (await bench.ValueAsync("h_sum{le=\"x\"}"), await bench.ValueAsync("s{quantile=\"1.0\"}"), await bench.ValueAsync("g{le=\"1\",quantile=\"1\"}")));
    }

    [Fact]
    public async Task Scrape_NamesThatAJobDoesNotTake_AreRefusedAndTold_AndTheRestIsStored()
    {
        await using var server = await TargetServer.StartAsync();
        server.Show("good 1\n{\"http.status\"} 2\ngood{\"http.route\"=\"/\"} 3\n");
        await using var bench = await ScrapeBench.StartAsync(Job(server, "metric_name_validation_scheme: legacy"));
        var report = await bench.ScrapeAsync();
        Assert.Null(report.Error);
        Assert.Equal("1 samples refused (BadName), such as: the metric name \"http.status\" is not made of letters, digits and underscores, as metric_name_validation_scheme 'legacy' has it; "
            + "1 samples refused (BadLabel), such as: the label name \"http.route\" of good is not made of letters, digits and underscores, as metric_name_validation_scheme 'legacy' has it", report.Refused);
        Assert.Equal((1, 1), (await bench.ValueAsync("good"), await Counters.SumAsync(bench.Host, "vigil_metrics_samples_refused_total", "door=\"scrape\"", "cause=\"bad_name\"")));
    }

    [Fact]
    public async Task Scrape_LabelsOfBothSides_AreSettledByHonorLabels()
    {
        await using var server = await TargetServer.StartAsync();
        server.Show("a{env=\"own\",job=\"other\",exported_job=\"x\"} 1\n");
        await using var bench = await ScrapeBench.StartAsync(Job(server));
        await bench.ScrapeAsync();
        Assert.Equal(1, await bench.ValueAsync("a{env=\"test\",exported_env=\"own\",job=\"shop\",exported_job=\"x\",exported_exported_job=\"other\"}"));
        await bench.ReloadAsync(Job(server, "honor_labels: true"));
        await bench.ScrapeAsync();
        Assert.Equal(1, await bench.ValueAsync("a{env=\"own\",job=\"other\",exported_job=\"x\"}"));
        // What the same line was before has ended.
        Assert.Equal(0, await bench.CountAsync("a{job=\"shop\"}"));
    }

    [Theory]
    [InlineData("honor_timestamps: true", -5)]
    [InlineData("honor_timestamps: false", 0)]
    public async Task Scrape_TimesOfTheTarget_AreTakenWhereTheJobSaysSo(string setting, int expectedSeconds)
    {
        await using var server = await TargetServer.StartAsync();
        await using var bench = await ScrapeBench.StartAsync(Job(server, setting));
        server.Answer = context => context.Response.WriteAsync(string.Create(CultureInfo.InvariantCulture, $"a 1 {bench.Now - 5_000}\n"));
        await bench.ScrapeAsync();
        Assert.Equal(bench.Now / 1000.0 + expectedSeconds, await bench.ValueAsync("timestamp(a)"));
    }

    [Fact]
    public async Task Scrape_MetricRelabelling_DropsAndRenames()
    {
        await using var server = await TargetServer.StartAsync();
        server.Show("go_gc 1\nhits{code=\"500\"} 2\nhits{code=\"200\"} 3\n");
        await using var bench = await ScrapeBench.StartAsync(Job(server, """
            metric_relabel_configs:
                  - { source_labels: [__name__], regex: go_.*, action: drop }
                  - { source_labels: [code], regex: "(.).*", target_label: class, replacement: "${1}xx" }
            """));
        await bench.ScrapeAsync();
        Assert.Equal(0, await bench.CountAsync("go_gc"));
        Assert.Equal(2, await bench.ValueAsync("hits{class=\"5xx\"}"));
        Assert.Equal((3, 2, 2), (await bench.ValueAsync("scrape_samples_scraped"), await bench.ValueAsync("scrape_samples_post_metric_relabeling"), await bench.ValueAsync("scrape_series_added")));
    }

    [Fact]
    public async Task Reload_AFileWithAnError_ChangesNothingAndIsNamed()
    {
        await using var server = await TargetServer.StartAsync();
        server.Show("a 1\n");
        await using var bench = await ScrapeBench.StartAsync(Job(server));
        await bench.ScrapeAsync();
        var findings = await bench.ReloadAsync(Job(server, "scrape_timeout: 11s"));
        Assert.Equal($"{bench.File("scrape.yml")}:5:21: error: scrape_configs[0].scrape_timeout: 11s must be more than 0 and at most the interval of 10s", Assert.Single(findings));
        await bench.ScrapeAsync();
        Assert.Equal(2, await bench.ValueAsync("count_over_time(a[1m])"));
    }

    [Fact]
    public async Task Reload_TargetsThatAreGone_HaveEndedAndNewOnesAreScraped()
    {
        await using var first = await TargetServer.StartAsync();
        await using var second = await TargetServer.StartAsync();
        first.Show("a 1\n");
        second.Show("a 2\n");
        await using var bench = await ScrapeBench.StartAsync("scrape_configs: [ { job_name: shop, scrape_interval: 10s, file_sd_configs: [ { files: [ 't*.json' ] } ] } ]");
        Assert.Empty(bench.Targets.Current.Active);
        await File.WriteAllTextAsync(bench.File("t1.json"), $"[{{\"targets\":[\"{first.Address}\"]}}]");
        Assert.Empty(await bench.Service.ReloadAsync(default).DefaultTimeout());
        await bench.ScrapeAsync();
        Assert.Equal(1, await bench.ValueAsync("a"));

        await File.WriteAllTextAsync(bench.File("t1.json"), "[{\"targets\": 5, \"label\": {}}]");
        Assert.NotEmpty(await bench.Service.ReloadAsync(default).DefaultTimeout());
        await bench.ScrapeAsync();
        Assert.Equal(1, await bench.ValueAsync("up"));

        await File.WriteAllTextAsync(bench.File("t1.json"), $"[{{\"targets\":[\"{second.Address}\"],\"labels\":{{\"zone\":\"z\"}}}}]");
        Assert.Empty(await bench.Service.ReloadAsync(default).DefaultTimeout());
        bench.Clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal((0, 0), (await bench.CountAsync("a"), await bench.CountAsync("up")));
        await bench.ScrapeAsync();
        Assert.Equal(2, await bench.ValueAsync("a{zone=\"z\"}"));

        File.Delete(bench.File("t1.json"));
        await bench.Service.ReloadAsync(default).DefaultTimeout();
        Assert.Empty(bench.Targets.Current.Active);
        bench.Clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(0, await bench.CountAsync("a"));
    }

    [Fact]
    public async Task Restart_WithTheSameFiles_LosesNoSeriesAndCountsNoneTwice()
    {
        await using var server = await TargetServer.StartAsync();
        server.Show("a 1\nb 2\n");
        var bench = await ScrapeBench.StartAsync(Job(server));
        string folder;
        try
        {
            await bench.ScrapeAsync();
        }
        finally
        {
            folder = await bench.StopAsync();
        }
        await using var next = await ScrapeBench.StartAsync(Job(server), folder, bench.Clock);
        Assert.Equal(1, await next.ValueAsync("a"));
        await next.ScrapeAsync();
        Assert.Equal((2, 2), (await next.ValueAsync("count_over_time(a[1m])"), await next.ValueAsync("count_over_time(up[1m])")));
        Assert.Equal(10, await next.ValueAsync("timestamp(a) - min_over_time(timestamp(a)[1m:1s])"));
    }

    [Theory]
    [InlineData("basic_auth: { username: me, password: secret }", "Basic bWU6c2VjcmV0")]
    [InlineData("authorization: { credentials: t0ken }", "Bearer t0ken")]
    [InlineData("bearer_token: t0ken", "Bearer t0ken")]
    public async Task Scrape_Credentials_AreSentAsConfigured(string auth, string expected)
    {
        await using var server = await TargetServer.StartAsync();
        string? sent = null;
        server.Answer = context =>
        {
            sent = context.Request.Headers.Authorization;
            return context.Response.WriteAsync("a 1\n");
        };
        await using var bench = await ScrapeBench.StartAsync(Job(server, auth));
        await bench.ScrapeAsync();
        Assert.Equal(expected, sent);
    }

    [Fact]
    public async Task Targets_OfAJobThatHasOneTooMany_AreDownWithoutBeingAsked()
    {
        await using var server = await TargetServer.StartAsync();
        server.Answer = _ => throw new InvalidOperationException("must not be asked");
        await using var bench = await ScrapeBench.StartAsync(Job(server).Replace($"\"{server.Address}\"", $"\"{server.Address}\", \"localhost:1\"") + "target_limit: 1");
        Assert.Equal("2 targets; at most 1 are allowed (target_limit)", (await bench.ScrapeAsync()).Error);
        Assert.Equal(0, await bench.ValueAsync("max(up)"));
    }

    [Fact]
    public async Task TargetsApi_ShowsWhatPrometheusShows()
    {
        await using var server = await TargetServer.StartAsync();
        server.Show("# HELP a A gauge.\n# TYPE a gauge\na 1\n# TYPE hits counter\nhits 1\n");
        await using var bench = await ScrapeBench.StartAsync(Job(server, "relabel_configs: [ { source_labels: [__address__], regex: 'gone.*', action: drop } ]").Replace("labels: { env: test }", "labels: { env: test } }, { targets: [ 'gone:1' ]"));
        Assert.Equal("unknown", (await TargetsAsync("")).GetProperty("activeTargets")[0].GetProperty("health").GetString());
        await bench.ScrapeAsync();
        var data = await TargetsAsync("");
        var active = Assert.Single(data.GetProperty("activeTargets").EnumerateArray());
        Assert.Equal(("up", "shop", "10s", "10s", $"http://{server.Address}/metrics", ""), (active.GetProperty("health").GetString(), active.GetProperty("scrapePool").GetString(),
            active.GetProperty("scrapeInterval").GetString(), active.GetProperty("scrapeTimeout").GetString(), active.GetProperty("scrapeUrl").GetString(), active.GetProperty("lastError").GetString()));
        Assert.Equal(bench.Clock.GetUtcNow(), active.GetProperty("lastScrape").GetDateTimeOffset());
        Assert.Equal("test", active.GetProperty("labels").GetProperty("env").GetString());
        Assert.Equal("/metrics", active.GetProperty("discoveredLabels").GetProperty("__metrics_path__").GetString());
        Assert.Equal("gone:1", Assert.Single(data.GetProperty("droppedTargets").EnumerateArray()).GetProperty("discoveredLabels").GetProperty("__address__").GetString());
        Assert.Equal(1, data.GetProperty("droppedTargetCounts").GetProperty("shop").GetInt32());
        Assert.Empty((await TargetsAsync("?state=dropped")).GetProperty("activeTargets").EnumerateArray());

        var metadata = await GetAsync("/api/v1/targets/metadata?match_target=%7Bjob%3D%22shop%22%7D&metric=a");
        var entry = Assert.Single(metadata.EnumerateArray());
        Assert.Equal(("gauge", "A gauge.", ""), (entry.GetProperty("type").GetString(), entry.GetProperty("help").GetString(), entry.GetProperty("unit").GetString()));
        Assert.Equal(2, (await GetAsync("/api/v1/targets/metadata")).GetArrayLength());
        Assert.Equal(0, (await GetAsync("/api/v1/targets/metadata?match_target=%7Bjob%3D%22x%22%7D")).GetArrayLength());

        async Task<JsonElement> TargetsAsync(string query) => await GetAsync("/api/v1/targets" + query);

        async Task<JsonElement> GetAsync(string path)
        {
            using var http = new HttpClient { BaseAddress = bench.Host.HttpAddress };
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "reader");
            using var document = JsonDocument.Parse(await http.GetStringAsync(path).DefaultTimeout());
            return document.RootElement.GetProperty("data").Clone();
        }
    }

    [Fact]
    public async Task TargetsApi_WithoutAToken_IsRefused()
    {
        await using var host = await MetricsHost.StartAsync();
        using var http = new HttpClient { BaseAddress = host.HttpAddress };
        Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync("/api/v1/targets").DefaultTimeout()).StatusCode);
    }

    /// <summary>What a page had before is tried first: that must never make one series of another, whatever the order is now.</summary>
    [Fact]
    public void Scrape_PagesInAnyOrder_HaveTheirValuesWithTheirSeries()
    {
        string[] series = ["a", "ab", "a{x=\"1\"}", "a{x=\"1}\"}", "a {x=\"2\"}", "a{x=\"1\",y=\"2\"}", "{\"a.b\"}", "{\"a.b\",x=\"1\"}", "a{}", "b\t{x=\"1\"}"];
        var (jobs, _) = ScrapeFileTests.Parse("scrape_configs: [ { job_name: j } ]");
        var target = TargetBuilder.Build(jobs[0], [new TargetGroup("s", ["h:1"], new Dictionary<string, string>())]).Active[0];
        var intake = new ExpositionIntake(target, new SeriesRules());
        var random = new Random(1);
        for (var round = 0; round < 500; round++)
        {
            var shown = Enumerable.Range(0, series.Length).Where(_ => random.Next(4) > 0).ToArray();
            if (random.Next(2) == 0) random.Shuffle(shown);
            var page = string.Concat(shown.Select(i => $"# TYPE t{i} gauge\n{series[i]} {i}{(random.Next(2) == 0 ? " 5" : "")}\n")) + (random.Next(8) == 0 ? "broken{" : "");
            var (samples, fresh) = (new TargetSamples(), new TargetSamples());
            var result = intake.Read(Encoding.UTF8.GetBytes(page), PageFormat.Text, round, samples);
            var alone = new ExpositionIntake(target, new SeriesRules()).Read(Encoding.UTF8.GetBytes(page), PageFormat.Text, round, fresh);
            Assert.Equal((alone.Error, alone.Scraped, alone.Kept), (result.Error, result.Scraped, result.Kept));
            Assert.Equal(fresh.Items.Select(s => (s.Series.Spec.Labels.ToString(), s.TimeMs, s.Value)), samples.Items.Select(s => (s.Series.Spec.Labels.ToString(), s.TimeMs, s.Value)));
            if (random.Next(20) == 0) intake.Change(target);
            if (random.Next(20) == 0) intake.Miss();
        }
    }

    [Fact]
    public void Scrape_ManyLines_AllocatesNothingPerLineOnceTheyAreKnown()
    {
        var (jobs, _) = ScrapeFileTests.Parse("scrape_configs: [ { job_name: a } ]");
        var target = TargetBuilder.Build(jobs[0], [new TargetGroup("s", ["h:1"], new Dictionary<string, string>())]).Active[0];
        var page = Encoding.UTF8.GetBytes("# HELP hits Hits.\n# TYPE hits counter\n" + string.Concat(Enumerable.Range(0, 2_000).Select(i => $"hits{{code=\"{i}\"}} {i}.5\n")));
        var intake = new ExpositionIntake(target, new SeriesRules());
        var samples = new TargetSamples();
        for (var i = 0; i < 3; i++)
        {
            samples.Clear();
            Assert.Null(intake.Read(page, PageFormat.Text, i, samples).Error);
        }
        samples.Clear();
        var before = GC.GetAllocatedBytesForCurrentThread();
        var read = intake.Read(page, PageFormat.Text, 4, samples);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal((2_000, 2_000, 0), (read.Scraped, read.Kept, read.Added));
        Assert.InRange(allocated, 0, 500);
    }
}

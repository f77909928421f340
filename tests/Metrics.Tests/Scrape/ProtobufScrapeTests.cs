using Google.Protobuf;
using Microsoft.AspNetCore.Http;
using Prometheus.Client.V1;
using Vigil.Metrics.Tests.PromQL;
using Vigil.Metrics.Tests.Service;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Scrape;

/// <summary>Pages in Prometheus' protobuf format, the one that has native histograms.</summary>
public sealed class ProtobufScrapeTests
{
    private const string Type = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

    private static string Jobs(TargetServer server, string more) => $"scrape_configs: [ {{ job_name: shop, scrape_interval: 10s, static_configs: [ {{ targets: [ '{server.Address}' ] }} ], {more} }} ]";

    [Fact]
    public async Task Scrape_APageOfAllKinds_IsStored_NativeHistogramsAmongThem()
    {
        await using var server = await TargetServer.StartAsync();
        await using var bench = await ScrapeBench.StartAsync(Jobs(server, "scrape_native_histograms: true"));
        string? asked = null;
        var page = Page(
            new MetricFamily { Name = "hits_total", Help = "Of a \"page\"\\\nor so.", Type = MetricType.Counter, Metric = { new Metric { Counter = new Counter { Value = 7 }, Label = { Label("path", "C:\\x \"q\"\n") } } } },
            new MetricFamily { Name = "http.größe", Type = MetricType.Gauge, Unit = "by", Metric = { new Metric { Gauge = new Gauge { Value = -1.5 }, Label = { Label("http.route", "/") }, TimestampMs = bench.Now - 3_000 } } },
            new MetricFamily { Name = "plain", Type = MetricType.Untyped, Metric = { new Metric { Untyped = new Untyped { Value = double.PositiveInfinity } } } },
            new MetricFamily
            {
                Name = "size",
                Type = MetricType.Summary,
                Metric = { new Metric { Summary = new Summary { SampleCount = 3, SampleSum = 4.5, Quantile = { new Quantile { Quantile_ = 0.5, Value = 1 }, new Quantile { Quantile_ = 1, Value = 3 } } } } },
            },
            new MetricFamily
            {
                Name = "old_seconds",
                Type = MetricType.Histogram,
                Metric = { new Metric { Histogram = new Histogram { SampleCount = 5, SampleSum = 9, Bucket = { new Bucket { UpperBound = 1, CumulativeCount = 2 }, new Bucket { UpperBound = 2.5, CumulativeCountFloat = 4 } } } } },
            },
            Native("new_seconds", 1));
        server.Answer = async context =>
        {
            asked = context.Request.Headers.Accept;
            context.Response.ContentType = Type;
            await context.Response.Body.WriteAsync(page);
        };
        Assert.Null((await bench.ScrapeAsync()).Error);
        Assert.StartsWith("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,", asked, StringComparison.Ordinal);
        Assert.Equal(7, await bench.ValueAsync("hits_total{path=\"C:\\\\x \\\"q\\\"\\n\"}"));
        Assert.Equal(-1.5, await bench.ValueAsync("{\"http.größe\",\"http.route\"=\"/\"}"));
        Assert.Equal(bench.Now / 1000.0, await bench.ValueAsync("timestamp(hits_total)"));
        Assert.NotEqual(bench.Now / 1000.0, await bench.ValueAsync("timestamp({\"http.größe\"})"));
        Assert.Equal(double.PositiveInfinity, await bench.ValueAsync("plain"));
        Assert.Equal((1, 3, 4.5, 3), (await bench.ValueAsync("size{quantile=\"0.5\"}"), await bench.ValueAsync("size{quantile=\"1.0\"}"), await bench.ValueAsync("size_sum"), await bench.ValueAsync("size_count")));
        Assert.Equal((2, 4, 5), (await bench.ValueAsync("old_seconds_bucket{le=\"1.0\"}"), await bench.ValueAsync("old_seconds_bucket{le=\"2.5\"}"), await bench.ValueAsync("old_seconds_bucket{le=\"+Inf\"}")));
        // Two buckets of (1, 2] and (2, 4], three observations in each, and one at zero.
        Assert.Equal((7, 20, 0), (await bench.ValueAsync("histogram_count(new_seconds)"), await bench.ValueAsync("histogram_sum(new_seconds)"), await bench.CountAsync("new_seconds_bucket")));
        Assert.Equal(3.0 / 7, await bench.ValueAsync("histogram_fraction(2, 4, new_seconds)"));
        using var client = new Api.PrometheusClient(bench.Host);
        var metadata = (await client.GetAsync("targets/metadata?metric=hits_total")).GetProperty("data")[0];
        Assert.Equal(("counter", "Of a \"page\"\\\nor so."), (metadata.GetProperty("type").GetString(), metadata.GetProperty("help").GetString()));

        page = Page(Native("new_seconds", 2));
        await bench.ScrapeAsync();
        Assert.Equal(14, await bench.ValueAsync("histogram_count(new_seconds)"));
        Assert.Equal(0, await bench.CountAsync("hits_total"));
        page = Page(new MetricFamily { Name = "plain", Metric = { new Metric { Gauge = new Gauge { Value = 1 } } } });
        await bench.ScrapeAsync();
        // What vanished has ended, histograms too.
        Assert.Equal((0, 1), (await bench.CountAsync("new_seconds"), await bench.ValueAsync("plain")));
    }

    [Theory]
    [InlineData("scrape_protocols: [ PrometheusProto ]", 0, 3)]
    [InlineData("scrape_native_histograms: true", 1, 0)]
    [InlineData("scrape_native_histograms: true, always_scrape_classic_histograms: true", 1, 3)]
    public async Task Scrape_AHistogramThatIsBoth_IsTakenAsTheJobSays(string job, int native, int buckets)
    {
        await using var server = await TargetServer.StartAsync();
        await using var bench = await ScrapeBench.StartAsync(Jobs(server, job));
        var family = Native("h", 1);
        family.Metric[0].Histogram.Bucket.Add(new Bucket { UpperBound = 2, CumulativeCount = 4 });
        family.Metric[0].Histogram.Bucket.Add(new Bucket { UpperBound = 4, CumulativeCount = 7 });
        Show(server, Page(family));
        var report = await bench.ScrapeAsync();
        Assert.Null(report.Error);
        Assert.Equal((native, buckets), (await bench.CountAsync("h"), await bench.CountAsync("h_bucket")));
        Assert.Equal(native + (buckets > 0 ? buckets + 2 : 0), report.Scraped);
    }

    [Fact]
    public async Task Scrape_APageThatIsNone_FailsAsAWhole_CountedAsMalformed()
    {
        await using var server = await TargetServer.StartAsync();
        await using var bench = await ScrapeBench.StartAsync(Jobs(server, "scrape_native_histograms: true"));
        var good = new MetricFamily { Name = "a", Metric = { new Metric { Gauge = new Gauge { Value = 1 } } } };
        var crooked = Native("h", 1);
        crooked.Metric[0].Histogram.PositiveSpan[0].Length = 5;
        var negative = Native("h", 1);
        negative.Metric[0].Histogram.PositiveDelta[0] = -4;
        foreach (var (page, error) in new[]
        {
            (Page(good)[..^1], "the page: a family is cut short"),
            ([.. Page(good), 3, 255, 255, 255], "family \"a\": no metric family: "),
            (Page(good, new MetricFamily()), "family \"\": a metric name is expected"),
            (Page(good, crooked), "family \"h\": the spans of a histogram do not fit its buckets"),
            (Page(good, negative), "family \"h\": positive side: "),
        })
        {
            Show(server, page);
            Assert.StartsWith(error, (await bench.ScrapeAsync()).Error, StringComparison.Ordinal);
            Assert.Equal((0, 0), (await bench.CountAsync("a"), await bench.ValueAsync("up")));
        }
        Assert.Equal(5, await Counters.SumAsync(bench.Host, "vigil_metrics_scrapes_failed_total", "cause=\"malformed\""));
        Show(server, Page(good));
        Assert.Null((await bench.ScrapeAsync()).Error);
        Assert.Equal(1, await bench.ValueAsync("a"));
    }

    /// <summary>Somebody else's pages: Prometheus' own client library writes both formats.</summary>
    [FactNeeds("prometheus")]
    public async Task Scrape_PrometheusItself_HasTheSameSeriesInBothFormats()
    {
        await using var prometheus = await PrometheusProcess.StartAsync([]);
        await using var bench = await ScrapeBench.StartAsync($$"""
            scrape_configs:
              - { job_name: proto, scrape_interval: 10s, scrape_protocols: [ PrometheusProto ], static_configs: [ { targets: [ "{{prometheus.Address.Authority}}" ] } ] }
              - { job_name: open, scrape_interval: 10s, static_configs: [ { targets: [ "{{prometheus.Address.Authority}}" ] } ] }
            """);
        Assert.Null((await bench.ScrapeAsync("proto")).Error);
        Assert.Null((await bench.ScrapeAsync("open")).Error);
        // The page counts its own readers: that the first of them was there shows in the second.
        const string Own = "__name__!~\"promhttp_.*|prometheus_http_.*|go_.*|process_.*|net_.*|scrape_.*|up\"";
        Assert.InRange(await bench.CountAsync($"{{job=\"proto\",{Own}}}"), 100, 10_000);
        Assert.Equal(0, await bench.CountAsync($"{{job=\"proto\",{Own}}} unless ignoring (job) {{job=\"open\",{Own}}}"));
        Assert.Equal(0, await bench.CountAsync($"{{job=\"open\",{Own}}} unless ignoring (job) {{job=\"proto\",{Own}}}"));
    }

    private static MetricFamily Native(string name, ulong times) => new()
    {
        Name = name,
        Type = MetricType.Histogram,
        Metric =
        {
            new Metric
            {
                Histogram = new Histogram
                {
                    SampleCount = 7 * times,
                    SampleSum = 20 * times,
                    ZeroThreshold = 1e-128,
                    ZeroCount = times,
                    PositiveSpan = { new BucketSpan { Offset = 1, Length = 2 } },
                    PositiveDelta = { 3 * (long)times, 0 },
                },
            },
        },
    };

    private static LabelPair Label(string name, string value) => new() { Name = name, Value = value };

    private static byte[] Page(params MetricFamily[] families)
    {
        using var page = new MemoryStream();
        foreach (var family in families) family.WriteDelimitedTo(page);
        return page.ToArray();
    }

    private static void Show(TargetServer server, byte[] page) => server.Answer = async context =>
    {
        context.Response.ContentType = Type;
        await context.Response.Body.WriteAsync(page);
    };
}

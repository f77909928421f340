using System.IO.Compression;
using System.Text;
using Vigil.Metrics.Tests.Scrape;
using Vigil.Metrics.Tests.Service;
using Xunit;

namespace Vigil.Metrics.Tests.Limits;

/// <summary>One more than each limit of scraping allows: named, counted, and what was there goes on.</summary>
public sealed class ScrapeLimitTests
{
    [Fact]
    public async Task Targets_OneTooMany_IsLeftOutByName_Counted_AndTheOthersGoOn()
    {
        await using var server = await TargetServer.StartAsync();
        server.Show("m 1\n");
        string Jobs(int count) => $"scrape_configs: [ {string.Join(", ", Enumerable.Range(1, count).Select(i => $"{{ job_name: job{i}, scrape_interval: 10s, static_configs: [ {{ targets: [ '{server.Address}' ] }} ] }}"))} ]";
        await using var bench = await ScrapeBench.StartAsync(Jobs(2), settings: ("Metrics:MaxTargets", "2"));
        Assert.Equal((2, 0), (bench.Targets.Current.Active.Count, await LeftOutAsync()));
        await bench.ScrapeAsync("job1");

        var findings = await bench.ReloadAsync(Jobs(3));
        Assert.Contains(findings, f => f.Contains("3 targets are configured; only the first 2 are scraped (Metrics:MaxTargets)", StringComparison.Ordinal));
        Assert.Equal((2, 1), (bench.Targets.Current.Active.Count, await LeftOutAsync()));
        await bench.ScrapeAsync("job1");
        await bench.ScrapeAsync("job2");
        Assert.Equal((2, 1, 0), (await bench.ValueAsync("count_over_time(m{job=\"job1\"}[1m])"), await bench.ValueAsync("m{job=\"job2\"}"), await bench.CountAsync("{job=\"job3\"}")));

        Assert.Empty(await bench.ReloadAsync(Jobs(2)));
        Assert.Equal(0, await LeftOutAsync());

        async Task<int> LeftOutAsync() => (int)await Counters.SumAsync(bench.Host, "vigil_metrics_scrape_targets_left_out");
    }

    [Theory]
    [InlineData("", false, 2_048, "Metrics:MaxScrapeBytes")]
    [InlineData("", true, 2_048, "Metrics:MaxScrapeBytes")]
    [InlineData(", body_size_limit: 1KB", true, 1_024, "body_size_limit")]
    [InlineData(", body_size_limit: 1GB", true, 2_048, "Metrics:MaxScrapeBytes")]
    public async Task BytesOfAPage_OneTooMany_AreRefusedByName_Counted_AndTheTargetGoesOn(string job, bool gzip, int most, string key)
    {
        await using var server = await TargetServer.StartAsync();
        await using var bench = await ScrapeBench.StartAsync(
            $"scrape_configs: [ {{ job_name: shop, scrape_interval: 10s, static_configs: [ {{ targets: [ '{server.Address}' ] }} ]{job} }} ]", settings: ("Metrics:MaxScrapeBytes", "2048"));
        Show(most);
        Assert.Null((await bench.ScrapeAsync()).Error);
        Show(most + 1);
        Assert.Equal($"the body is larger than {most} bytes ({key})", (await bench.ScrapeAsync()).Error);
        Assert.Equal((0, 0), (await bench.ValueAsync("up"), await bench.CountAsync("m")));
        Assert.Equal(1, await Counters.SumAsync(bench.Host, "vigil_metrics_scrapes_failed_total", "cause=\"too_large\""));
        Show(most);
        Assert.Null((await bench.ScrapeAsync()).Error);
        Assert.Equal((1, 1), (await bench.ValueAsync("up"), await bench.ValueAsync("m")));

        // As sent it is much smaller, where it is packed.
        void Show(int bytes)
        {
            const string Line = "m 1\n#";
            var page = Encoding.UTF8.GetBytes(Line + new string('x', bytes - Line.Length - 1) + "\n");
            Assert.Equal(bytes, page.Length);
            server.Answer = async context =>
            {
                context.Response.ContentType = "text/plain; version=0.0.4";
                if (!gzip)
                {
                    await context.Response.Body.WriteAsync(page);
                    return;
                }
                context.Response.Headers.ContentEncoding = "gzip";
                await using var packed = new GZipStream(context.Response.Body, CompressionLevel.Optimal);
                await packed.WriteAsync(page);
            };
        }
    }

    [Theory]
    [InlineData("a 1\nb{", "malformed")]
    [InlineData("a 1\nb 2\nc 3\n", "sample_limit")]
    [InlineData("a{x=\"1\",y=\"2\"} 1\n", "label_limit")]
    public async Task PageThatFails_IsCountedByItsCause(string page, string cause)
    {
        await using var server = await TargetServer.StartAsync();
        server.Show(page);
        await using var bench = await ScrapeBench.StartAsync(
            $"scrape_configs: [ {{ job_name: shop, scrape_interval: 10s, sample_limit: 2, label_limit: 4, static_configs: [ {{ targets: [ '{server.Address}' ] }} ] }} ]");
        Assert.NotNull((await bench.ScrapeAsync()).Error);
        Assert.Equal(1, await Counters.SumAsync(bench.Host, "vigil_metrics_scrapes_failed_total"));
        Assert.Equal(1, await Counters.SumAsync(bench.Host, "vigil_metrics_scrapes_failed_total", $"cause=\"{cause}\""));
    }
}

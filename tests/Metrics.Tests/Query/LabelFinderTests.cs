using System.Net;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Vigil.Metrics.Grains;
using Vigil.Metrics.Tests.Api;
using Vigil.Metrics.Tests.Service;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Query;

/// <summary>Series, label names and label values are found from the index, however many series there are.</summary>
public sealed class LabelFinderTests
{
    private const string All = "match[]=m";

    private static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() / 1_000 * 1_000;

    [Theory]
    [InlineData("1")]
    [InlineData("4")]
    public async Task Labels_OfMoreSeriesThanAQueryMayFind_AreAnswered_InOrderAndUpToALimit(string shards)
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxSeriesPerQuery", "5"), ("Metrics:MaxLabelValues", "20"), ("Metrics:ShardsPerService", shards)]);
        using var client = new PrometheusClient(host);
        await PushAsync(host, "a", 20, Now);
        await PushAsync(host, "b", 3, Now);
        Assert.Equal(Numbered(20), await TextsAsync(client, "label/n/values"));
        Assert.Equal(["0", "1", "2"], await TextsAsync(client, "label/n/values?match[]=m{job=\"b\"}"));
        Assert.Equal(["a", "b"], await TextsAsync(client, $"label/job/values?{All}"));
        Assert.Equal(["a"], await TextsAsync(client, $"label/job/values?match[]=m{{n=\"7\"}}&match[]=m{{n=\"8\"}}&match[]=m{{n=\"7\",job=\"a\"}}"));
        Assert.Equal(["__name__", "job", "n"], await TextsAsync(client, "labels"));
        Assert.Equal(["__name__", "job", "n"], await TextsAsync(client, $"labels?{All}"));
        Assert.Empty(await TextsAsync(client, "label/other/values"));
        Assert.Empty(await TextsAsync(client, "labels?match[]=other"));

        // As many as are asked for, the first in order, and word that there are more.
        var some = await client.GetAsync($"label/n/values?{All}&limit=3");
        Assert.Equal("""["0","1","10"]""", some.GetProperty("data").GetRawText());
        Assert.Equal("""["results truncated due to limit"]""", some.GetProperty("warnings").GetRawText());
        var series = await client.GetAsync($"series?{All}&limit=2");
        Assert.Equal("""[{"__name__":"m","job":"a","n":"0"},{"__name__":"m","job":"a","n":"1"}]""", series.GetProperty("data").GetRawText());
        Assert.False((await client.GetAsync("series?match[]=m{job=\"b\"}&match[]=m{n=\"0\",job=\"b\"}&limit=3")).TryGetProperty("warnings", out _));
    }

    [Fact]
    public async Task Labels_OneValueOrSeriesTooMany_AreRefusedByNameUnlessFewerAreAskedFor()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxSeriesPerQuery", "4"), ("Metrics:MaxLabelValues", "4")]);
        using var client = new PrometheusClient(host);
        await PushAsync(host, "a", 4, Now);
        Assert.Equal(4, (await TextsAsync(client, "label/n/values")).Length);
        Assert.Equal(4, (await client.GetAsync($"series?{All}")).GetProperty("data").GetArrayLength());
        await PushAsync(host, "b", 5, Now);
        var (status, type, message) = await client.RefusedAsync("label/n/values?limit=5");
        Assert.Equal((HttpStatusCode.UnprocessableEntity, "execution"), (status, type));
        Assert.Equal("there are more than 4 values of n (Metrics:MaxLabelValues): ask for the first of them by limit, or select by match[]", message);
        Assert.Contains("MaxSeriesPerQuery", (await client.RefusedAsync($"series?{All}")).Message, StringComparison.Ordinal);
        Assert.Equal(Numbered(4), await TextsAsync(client, "label/n/values?limit=4"));
        Assert.Equal(4, (await client.GetAsync($"series?{All}&limit=4")).GetProperty("data").GetArrayLength());
    }

    [Fact]
    public async Task Labels_OfAWindow_AreThoseOfSeriesWithASampleInIt()
    {
        await using var host = await MetricsHost.StartAsync(settings: ("Metrics:MemoryWindow", "00:10:00"));
        using var client = new PrometheusClient(host);
        var now = Now;
        await PushAsync(host, "early", 1, now - 3_600_000, now - 3_590_000);
        await PushAsync(host, "late", 1, now - 60_000, now);
        await PushAsync(host, "both", 1, now - 3_600_000, now);
        await CheckAsync();
        // Part of two of them leaves memory.
        foreach (var job in new[] { "early", "late", "both" }) await host.Grain(job).CheckpointAsync().DefaultTimeout();
        await CheckAsync();

        async Task CheckAsync()
        {
            Assert.Equal(["both", "early", "late"], await JobsAsync(null, null));
            Assert.Equal(["both", "late"], await JobsAsync(now - 1_000_000, null));
            Assert.Equal(["both", "early"], await JobsAsync(null, now - 3_000_000));
            Assert.Equal(["late"], await JobsAsync(now - 120_000, now - 1));
            Assert.Empty(await JobsAsync(now + 1_000, null));
        }

        async Task<string[]> JobsAsync(long? from, long? to)
        {
            var window = (from is null ? "" : $"&start={Seconds(from.Value)}") + (to is null ? "" : $"&end={Seconds(to.Value)}");
            var values = await TextsAsync(client, "label/job/values?" + window);
            Assert.Equal(values, await TextsAsync(client, $"label/job/values?{All}{window}"));
            Assert.Equal(values, (await client.GetAsync($"series?{All}{window}")).GetProperty("data").EnumerateArray().Select(s => s.GetProperty("job").GetString()));
            Assert.Equal(values.Length > 0, (await TextsAsync(client, "labels?" + window)).Length > 0);
            Assert.Equal(values.Length > 0, (await TextsAsync(client, $"labels?{All}{window}")).Length > 0);
            return values;
        }
    }

    [Fact]
    public void Smallest_OfAnything_AreTheFirstInOrder() => Prop.ForAll<int[], PositiveInt>((items, most) =>
    {
        var smallest = new Smallest<int>(most.Get, (a, b) => a.CompareTo(b));
        foreach (var item in items) smallest.Add(item);
        return smallest.Take().Order().SequenceEqual(items.Order().Take(most.Get));
    }).QuickCheckThrowOnFailure();

    private static string Seconds(long milliseconds) => (milliseconds / 1000m).ToString(System.Globalization.CultureInfo.InvariantCulture);

    private static string[] Numbered(int count) => [.. Enumerable.Range(0, count).Select(i => $"{i}").Order(StringComparer.Ordinal)];

    private static async Task<string[]> TextsAsync(PrometheusClient client, string path) =>
        [.. (await client.GetAsync(path)).GetProperty("data").EnumerateArray().Select((JsonElement e) => e.GetString()!)];

    private static async Task PushAsync(MetricsHost host, string job, int series, params long[] times)
    {
        using var push = await host.OpenAsync(job, ("job", job));
        await push.DeclareAsync([.. Enumerable.Range(1, series).Select(i => PushClient.Series((uint)i, "m", ("n", $"{i - 1}")))]);
        await push.SendAsync(1, [.. times.SelectMany(time => Enumerable.Range(1, series).Select(i => ((uint)i, time, 1.0)))]);
        Assert.Equal((uint)(series * times.Length), (await push.AckAsync()).Accepted);
    }
}

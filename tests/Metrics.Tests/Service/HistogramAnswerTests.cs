using System.Net;
using Grpc.Core;
using Vigil.Client;
using Vigil.Metrics.Tests.Api;
using Vigil.Metrics.V1;
using Vigil.Testing;
using Xunit;
using Write1 = Prometheus.Write.V1;

namespace Vigil.Metrics.Tests.Service;

/// <summary>Native histograms as values over gRPC: of a query, of a range, of a watched expression, and as the client reads them.</summary>
public sealed class HistogramAnswerTests
{
    private static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

    [Fact]
    public async Task Query_Vector_HasTheHistogramBesideNumbers()
    {
        await using var host = await MetricsHost.StartAsync();
        var now = Now;
        await PushAsync(host, now, 1);
        var samples = (await host.AskAsync("{__name__=~\"h|f\"}", now)).Vector.Samples;
        Assert.Equal(["f", "h"], samples.Select(s => s.Labels.Single(l => l.Name == "__name__").Value));
        Assert.Equal((5, null), (samples[0].Value, samples[0].Histogram));
        Assert.True(double.IsNaN(samples[1].Value));
        CheckHistogram(samples[1].Histogram, 1);
        // What is reckoned from them is in the same form.
        CheckHistogram(Assert.Single((await host.AskAsync("sum(h) * 2", now)).Vector.Samples).Histogram, 2);
        Assert.Null(Assert.Single((await host.AskAsync("histogram_count(h)", now)).Vector.Samples).Histogram);
    }

    [Fact]
    public async Task Query_Matrix_NamesTheSamplesThatAreHistograms()
    {
        await using var host = await MetricsHost.StartAsync();
        var now = Now / 1_000 * 1_000;
        await PushAsync(host, now - 2_000, 1);
        await PushFloatAsync(host, "h", now - 1_000, 7);
        await PushAsync(host, now, 3);
        var series = Assert.Single((await host.AskAsync("h[1m]", now)).Matrix.Series);
        Assert.Equal([now - 2_000, now - 1_000, now], series.TimesUnixMs);
        Assert.Equal([double.NaN, 7, double.NaN], series.Values);
        Assert.Equal([0u, 2u], series.Histograms.Select(h => h.Index));
        CheckHistogram(series.Histograms[0].Histogram, 1);
        CheckHistogram(series.Histograms[1].Histogram, 3);
        Assert.Empty(Assert.Single((await host.AskAsync("f[1m]", now)).Matrix.Series).Histograms);
    }

    [Fact]
    public async Task Watch_OfAHistogram_TellsItAndEachChange()
    {
        await using var host = await MetricsHost.StartAsync();
        var now = Now - 60_000;
        await PushAsync(host, now, 1);
        using var watch = host.Query.Watch(MetricsHost.Auth);
        // By the plan until it finds a histogram, and in full from the beginning.
        await watch.RequestStream.WriteAsync(Register("plan", "h")).DefaultTimeout();
        await watch.RequestStream.WriteAsync(Register("full", "h and topk(1, f)")).DefaultTimeout();
        foreach (var id in new[] { "plan", "full" }) CheckHistogram((await NextAsync(watch, id, 1)).Histogram, 1);
        await PushAsync(host, now + 1_000, 2);
        foreach (var id in new[] { "plan", "full" }) CheckHistogram((await NextAsync(watch, id, 2)).Histogram, 2);
    }

    [Fact]
    public async Task Client_ReadsHistograms_OfQueriesRangesAndWatches()
    {
        await using var host = await MetricsHost.StartAsync();
        var now = Now / 1_000 * 1_000;
        await PushFloatAsync(host, "h", now - 1_000, 7);
        await PushAsync(host, now, 1);
        using var client = new VigilClient(new VigilClientOptions { MetricsAddress = host.GrpcAddress, AlertingAddress = host.GrpcAddress, Token = MetricsHost.Token });
        const string Text = "{count:3, sum:8, [-1,1]:0.5, (1,2]:1, (2,4]:1.5}";
        var at = DateTimeOffset.FromUnixTimeMilliseconds(now);
        var vector = (await client.QueryAsync("h", at).DefaultTimeout()).Vector!;
        Assert.Equal(("h{job=\"x\"}", Text), (Assert.Single(vector).Series, vector[0].ValueText));
        Assert.Equal(new NativeHistogramBucket(2, 4, false, true, 1.5), vector[0].Histogram!.Buckets[^1]);
        var range = Assert.Single((await client.QueryAsync("h[1m]", at).DefaultTimeout()).Matrix!);
        Assert.Equal(["7", Text], Enumerable.Range(0, range.Points.Count).Select(range.ValueText));
        Assert.Equal("5", Assert.Single((await client.QueryAsync("f", at).DefaultTimeout()).Vector!).ValueText);
        Assert.Equal(6, (await WatchedAsync().DefaultTimeout()).Count);

        async Task<NativeHistogram> WatchedAsync()
        {
            await foreach (var value in client.WatchAsync("h * 2", TimeSpan.FromSeconds(1)))
            {
                if (value.Values is [{ Histogram: { } histogram }]) return histogram;
            }
            throw new InvalidOperationException("the watch ended");
        }
    }

    private static void CheckHistogram(Histogram? histogram, double times)
    {
        Assert.NotNull(histogram);
        Assert.Equal((3 * times, 8 * times), (histogram.Count, histogram.Sum));
        Assert.Equal(
            [(-1, 1, true, true, 0.5 * times), (1, 2, false, true, times), (2, 4, false, true, 1.5 * times)],
            histogram.Buckets.Select(b => (b.Lower, b.Upper, b.LowerInclusive, b.UpperInclusive, b.Count)));
    }

    private static WatchRequest Register(string id, string expr) => new() { Register = new WatchRegister { WatchId = id, Expr = expr, HeartbeatMs = 100 } };

    private static Task<VectorSample> NextAsync(AsyncDuplexStreamingCall<WatchRequest, WatchEvent> watch, string id, double times)
    {
        return ReadAsync().DefaultTimeout();

        async Task<VectorSample> ReadAsync()
        {
            while (true)
            {
                Assert.True(await watch.ResponseStream.MoveNext(CancellationToken.None).DefaultTimeout());
                var current = watch.ResponseStream.Current;
                if (current.WatchId == id && current.Vector?.Samples is { } samples && samples.FirstOrDefault(s => s.Histogram?.Count == 3 * times) is { } found) return found;
            }
        }
    }

    private static Task PushAsync(MetricsHost host, long time, double times)
    {
        var body = new Write1.WriteRequest { Timeseries = { RemoteWriteBodies.V1Series("h", [("job", "x")]), RemoteWriteBodies.V1Series("f", [("job", "x")], (time, 5)) } };
        body.Timeseries[0].Histograms.Add(new Write1.Histogram
        {
            CountFloat = 3 * times,
            Sum = 8 * times,
            Schema = 0,
            ZeroThreshold = 1,
            ZeroCountFloat = 0.5 * times,
            PositiveSpans = { new Write1.BucketSpan { Offset = 1, Length = 2 } },
            PositiveCounts = { times, 1.5 * times },
            Timestamp = time,
        });
        return PostAsync(host, body);
    }

    private static Task PushFloatAsync(MetricsHost host, string name, long time, double value) =>
        PostAsync(host, new Write1.WriteRequest { Timeseries = { RemoteWriteBodies.V1Series(name, [("job", "x")], (time, value)) } });

    private static async Task PostAsync(MetricsHost host, Write1.WriteRequest body)
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(host.HttpAddress, "/api/v1/write")) { Content = new ByteArrayContent(RemoteWriteBodies.Pack(body)) };
        request.Content.Headers.TryAddWithoutValidation("content-type", "application/x-protobuf");
        request.Headers.TryAddWithoutValidation("authorization", $"Bearer {MetricsHost.Token}");
        using var response = await http.SendAsync(request).DefaultTimeout();
        Assert.Equal((HttpStatusCode.NoContent, ""), (response.StatusCode, await response.Content.ReadAsStringAsync().DefaultTimeout()));
    }
}

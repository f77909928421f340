using System.Net;
using System.Net.Http.Headers;
using Google.Protobuf;
using OpenTelemetry.Proto.Collector.Metrics.V1;
using OpenTelemetry.Proto.Common.V1;
using OpenTelemetry.Proto.Metrics.V1;
using OpenTelemetry.Proto.Resource.V1;
using Vigil.Metrics.Tests.Api;
using Vigil.Testing;
using Xunit;
using Write1 = Prometheus.Write.V1;
using Write2 = Prometheus.Write.V2;

namespace Vigil.Metrics.Tests.Service;

/// <summary>Native histograms from each door to the answer of a query.</summary>
public sealed class NativeHistogramTests
{
    private const int Points = 10;

    private static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

    [Fact]
    public Task RemoteWrite_IsAnsweredAndSurvivesCheckpointsAndRestarts_Sqlite() => StoreAndAskAsync(null);

    [FactNeeds("postgres")]
    public async Task RemoteWrite_IsAnsweredAndSurvivesCheckpointsAndRestarts_Postgres() => await StoreAndAskAsync(await PostgresServer.NewDatabaseAsync());

    private static async Task StoreAndAskAsync(string? postgres)
    {
        var folder = Directory.CreateTempSubdirectory("vigil-metrics-").FullName;
        // All but the newest leaves memory at the checkpoint.
        (string, string)[] settings = [("Metrics:MemoryWindow", "00:01:00")];
        try
        {
            var now = Now / 1_000 * 1_000;
            await using (var host = await MetricsHost.StartAsync(folder, postgres, settings: settings))
            {
                for (var i = 0; i < Points; i++)
                {
                    // Three observations a minute: one in (1, 2] and two in (2, 4].
                    var body = new Write1.WriteRequest { Timeseries = { RemoteWriteBodies.V1Series("h", [("job", "x")]) } };
                    body.Timeseries[0].Histograms.Add(new Write1.Histogram
                    {
                        CountInt = (ulong)(3 * i),
                        Sum = 8 * i,
                        Schema = 0,
                        ZeroThreshold = 1e-128,
                        PositiveSpans = { new Write1.BucketSpan { Offset = 1, Length = 2 } },
                        PositiveDeltas = { i, i },
                        Timestamp = Time(i),
                    });
                    var (status, text, _) = await PostAsync(host, RemoteWriteBodies.Pack(body), "application/x-protobuf");
                    Assert.Equal((HttpStatusCode.NoContent, ""), (status, text));
                    if (i == 4) await host.Grain("x").CheckpointAsync().DefaultTimeout();
                }
                await CheckAsync(host);
                await host.Grain("x").CheckpointAsync().DefaultTimeout();
                await CheckAsync(host);
            }
            await using var again = await MetricsHost.StartAsync(folder, postgres, settings: settings);
            await CheckAsync(again);

            long Time(int i) => now - (Points - 1 - i) * 60_000;

            async Task CheckAsync(MetricsHost host)
            {
                Assert.Equal(3 * (Points - 1), await host.ValueAsync("histogram_count(h)", now));
                Assert.Equal(Points - 1, await host.ValueAsync("count_over_time(h[9m])", now));
                Assert.Equal(3 / 60.0, await host.ValueAsync("histogram_count(rate(h[5m]))", now), 9);
                // 0.9 of three is 2.7: 0.85 of the way through the second bucket, on its exponential scale.
                Assert.Equal(2 * Math.Pow(2, 0.85), await host.ValueAsync("histogram_quantile(0.9, rate(h[5m]))", now), 9);
                Assert.Equal(3 * 4, await host.ValueAsync("histogram_count(h)", Time(4)));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task RemoteWrite_Version2_CountsThemAndNamesTheBad()
    {
        await using var host = await MetricsHost.StartAsync();
        var now = Now;
        var request = new Write2.Request();
        var series = request.Add("h", [("job", "x")]);
        series.Histograms.Add(new Write2.Histogram { CountFloat = 2.5, Sum = 3, Schema = -53, CustomValues = { 1, 2 }, PositiveSpans = { new Write2.BucketSpan { Length = 3 } }, PositiveCounts = { 1, 1, 0.5 }, Timestamp = now });
        series.Histograms.Add(new Write2.Histogram { CountInt = 1, Schema = 9, Timestamp = now + 1 });
        request.Add("f", [("job", "x")], (now, 1));
        var (status, text, headers) = await PostAsync(host, RemoteWriteBodies.Pack(request), "application/x-protobuf;proto=io.prometheus.write.v2.Request");
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains("h{job=\"x\"}: BadHistogram: histogram has an invalid schema", text);
        Assert.Equal("1", headers.GetValues("X-Prometheus-Remote-Write-Samples-Written").Single());
        Assert.Equal("1", headers.GetValues("X-Prometheus-Remote-Write-Histograms-Written").Single());
        Assert.Equal(2.5, await host.ValueAsync("histogram_count(h)", now));
        Assert.Equal(1, await host.ValueAsync("f", now));
    }

    [Fact]
    public async Task RemoteWrite_StaleHistogram_EndsTheSeries()
    {
        await using var host = await MetricsHost.StartAsync();
        var now = Now;
        var body = new Write1.WriteRequest { Timeseries = { RemoteWriteBodies.V1Series("h", [("job", "x")]) } };
        body.Timeseries[0].Histograms.Add(new Write1.Histogram { CountInt = 1, Sum = 1, Timestamp = now - 1_000 });
        body.Timeseries[0].Histograms.Add(new Write1.Histogram { Sum = Vigil.Metrics.PromQL.Samples.Stale, Timestamp = now });
        Assert.Equal(HttpStatusCode.NoContent, (await PostAsync(host, RemoteWriteBodies.Pack(body), "application/x-protobuf")).Status);
        Assert.Equal(1, await host.ValueAsync("histogram_count(h)", now - 500));
        Assert.Empty((await host.AskAsync("histogram_count(h)", now)).Vector.Samples);
    }

    [Theory]
    [InlineData(AggregationTemporality.Cumulative, 5)]
    [InlineData(AggregationTemporality.Delta, 11)]
    public async Task Otlp_ExponentialHistogram_BecomesANativeOne(AggregationTemporality temporality, double expected)
    {
        await using var host = await MetricsHost.StartAsync();
        var now = Now;
        foreach (var (time, count) in new[] { (now - 2_000, 2ul), (now - 1_000, 4ul), (now, 5ul), (now, 5ul) })
        {
            // Scale 10: four of its buckets are one of scale 8, which is as fine as a native histogram may be.
            var point = new ExponentialHistogramDataPoint
            {
                TimeUnixNano = (ulong)time * 1_000_000,
                Count = count,
                Sum = 1.5 * count,
                Scale = 10,
                ZeroCount = 1,
                Positive = new ExponentialHistogramDataPoint.Types.Buckets { Offset = -1, BucketCounts = { 0, count - 1 } },
            };
            var response = await ExportAsync(host, new Metric { Name = "wait", Unit = "s", ExponentialHistogram = new ExponentialHistogram { AggregationTemporality = temporality, DataPoints = { point } } });
            Assert.Null(response.PartialSuccess);
        }
        Assert.Equal(expected, await host.ValueAsync("histogram_count(wait_seconds)", now));
        Assert.Equal(1.5 * expected, await host.ValueAsync("histogram_sum(wait_seconds)", now));
        // All of it lies in (1, 2^(1/256)], but for the zeros.
        Assert.InRange(await host.ValueAsync("histogram_quantile(0.99, wait_seconds)", now), 1, Math.Pow(2, 1 / 256.0));
    }

    [Theory]
    [InlineData(0, 0, 1)] // (1, 2] is bucket 1 of schema 0
    [InlineData(8, -3, -2)]
    [InlineData(9, 3, 2)] // buckets 2 and 3 of scale 9 are bucket 1 of scale 8, which is 2 of schema 8
    [InlineData(10, -1, 0)]
    [InlineData(20, 4095, 1)]
    public void Otlp_BucketIndexes_FollowTheScale(int scale, int offset, int expected)
    {
        var point = new ExponentialHistogramDataPoint { Scale = scale, Count = 1, Positive = new ExponentialHistogramDataPoint.Types.Buckets { Offset = offset, BucketCounts = { 1 } } };
        var histogram = Vigil.Metrics.Api.OtlpHistograms.From(point, out _)!;
        Assert.Equal([expected], histogram.Positive.Indexes.ToArray());
        Assert.Equal(Math.Min(scale, 8), histogram.Schema);
        Assert.Equal(1e-128, histogram.ZeroThreshold);
    }

    private static async Task<ExportMetricsServiceResponse> ExportAsync(MetricsHost host, Metric metric) => await host.Otlp.ExportAsync(new ExportMetricsServiceRequest
    {
        ResourceMetrics =
        {
            new ResourceMetrics
            {
                Resource = new Resource { Attributes = { new KeyValue { Key = "service.name", Value = new AnyValue { StringValue = "cart" } } } },
                ScopeMetrics = { new ScopeMetrics { Metrics = { metric } } },
            },
        },
    }, MetricsHost.Auth).ResponseAsync.DefaultTimeout();

    private static async Task<(HttpStatusCode Status, string Text, HttpResponseHeaders Headers)> PostAsync(MetricsHost host, byte[] body, string type)
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(host.HttpAddress, "/api/v1/write")) { Content = new ByteArrayContent(body) };
        request.Content.Headers.TryAddWithoutValidation("content-type", type);
        request.Content.Headers.TryAddWithoutValidation("content-encoding", "snappy");
        request.Headers.TryAddWithoutValidation("authorization", $"Bearer {MetricsHost.Token}");
        using var response = await http.SendAsync(request).DefaultTimeout();
        return (response.StatusCode, await response.Content.ReadAsStringAsync().DefaultTimeout(), response.Headers);
    }
}

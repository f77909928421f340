using Grpc.Core;
using OpenTelemetry.Proto.Collector.Metrics.V1;
using OpenTelemetry.Proto.Common.V1;
using OpenTelemetry.Proto.Metrics.V1;
using OpenTelemetry.Proto.Resource.V1;
using Vigil.Metrics.Api;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Service;

public sealed class OtlpTests
{
    [Theory]
    [InlineData("http.server.request.duration", "s", false, false, "http_server_request_duration_seconds")]
    [InlineData("system.memory.usage", "By", false, true, "system_memory_usage_bytes")]
    [InlineData("requests", "{request}", true, false, "requests_total")]
    [InlineData("requests_total", "1", true, false, "requests_total")]
    [InlineData("cpu.utilization", "1", false, true, "cpu_utilization_ratio")]
    [InlineData("speed", "m/s", false, true, "speed_meters_per_second")]
    [InlineData("process_cpu_seconds", "s", true, false, "process_cpu_seconds_total")]
    [InlineData("2xx..count", "", false, true, "_2xx_count")]
    public void Metric_NamesFollowTheCompatibilityRules(string name, string unit, bool counter, bool gauge, string expected) =>
        Assert.Equal(expected, new OtlpNames(OtlpTranslation.UnderscoreEscapingWithSuffixes).Metric(name, unit, counter, gauge));

    [Theory]
    [InlineData("http.route", "http_route")]
    [InlineData("9lives", "key_9lives")]
    [InlineData("ok_1", "ok_1")]
    public void Label_NamesFollowTheCompatibilityRules(string name, string expected) => Assert.Equal(expected, new OtlpNames(OtlpTranslation.UnderscoreEscapingWithoutSuffixes).Label(name));

    [Theory]
    [InlineData("http.server.request.duration", "s", false, false, "http_server_request_duration", "http.server.request.duration_seconds")]
    [InlineData("requests", "{request}", true, false, "requests", "requests_total")]
    [InlineData("requests.total", "1", true, false, "requests_total", "requests_total")]
    [InlineData("cpu.ratio", "1", false, true, "cpu_ratio", "cpu_ratio")]
    [InlineData("speed", "m/s", false, true, "speed", "speed_meters_per_second")]
    [InlineData("io.by.second", "By/s", true, false, "io_by_second", "io.by.second_bytes_per_second_total")]
    [InlineData("process.cpu.seconds", "s", true, false, "process_cpu_seconds", "process.cpu.seconds_total")]
    [InlineData("2xx..__count", "", false, true, "_2xx___count", "2xx..__count")]
    [InlineData("Größe", "By", false, true, "Gr_e", "Größe_bytes")]
    public void Metric_OtherTranslations_AreThoseOfPrometheus(string name, string unit, bool counter, bool gauge, string withoutSuffixes, string unescaped)
    {
        Assert.Equal(withoutSuffixes, new OtlpNames(OtlpTranslation.UnderscoreEscapingWithoutSuffixes).Metric(name, unit, counter, gauge));
        Assert.Equal(unescaped, new OtlpNames(OtlpTranslation.NoUTF8EscapingWithSuffixes).Metric(name, unit, counter, gauge));
        Assert.Equal(name, new OtlpNames(OtlpTranslation.NoTranslation).Metric(name, unit, counter, gauge));
        Assert.Equal("http.route", new OtlpNames(OtlpTranslation.NoTranslation).Label("http.route"));
    }

    [Fact]
    public async Task Export_GaugesSumsAndHistograms_AreStoredUnderPrometheusNames()
    {
        await using var host = await MetricsHost.StartAsync();
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        var response = await ExportAsync(host,
            new Metric { Name = "queue.length", Gauge = new Gauge { DataPoints = { Point(now, 7) } } },
            new Metric { Name = "requests", Unit = "{request}", Sum = new Sum { IsMonotonic = true, AggregationTemporality = AggregationTemporality.Cumulative, DataPoints = { Point(now, 42) } } },
            new Metric
            {
                Name = "latency",
                Unit = "s",
                Histogram = new Histogram
                {
                    AggregationTemporality = AggregationTemporality.Cumulative,
                    DataPoints = { new HistogramDataPoint { TimeUnixNano = Nano(now), Count = 6, Sum = 3.5, ExplicitBounds = { 0.1, 1 }, BucketCounts = { 1, 2, 3 } } },
                },
            });
        Assert.Null(response.PartialSuccess);
        Assert.Equal(7, await host.ValueAsync("queue_length{job=\"shop/cart\",instance=\"i1\",otel_scope_name=\"lib\"}", now));
        Assert.Equal(42, await host.ValueAsync("requests_total", now));
        foreach (var (bound, count) in new[] { ("0.1", 1), ("1", 3), ("+Inf", 6) }) Assert.Equal(count, await host.ValueAsync($"latency_seconds_bucket{{le=\"{bound}\"}}", now));
        Assert.Equal(3.5, await host.ValueAsync("latency_seconds_sum", now));
        Assert.Equal(1, await host.ValueAsync("target_info{host_name=\"h1\",job=\"shop/cart\"}", now));
    }

    [Fact]
    public async Task Export_Summary_BecomesASeriesPerQuantile()
    {
        await using var host = await MetricsHost.StartAsync();
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        var point = new SummaryDataPoint
        {
            TimeUnixNano = Nano(now),
            Count = 10,
            Sum = 4.5,
            QuantileValues = { new SummaryDataPoint.Types.ValueAtQuantile { Quantile = 0.5, Value = 0.2 }, new SummaryDataPoint.Types.ValueAtQuantile { Quantile = 1, Value = 3 } },
        };
        Assert.Null((await ExportAsync(host, new Metric { Name = "wait", Unit = "s", Summary = new Summary { DataPoints = { point } } })).PartialSuccess);
        Assert.Equal(0.2, await host.ValueAsync("wait_seconds{quantile=\"0.5\"}", now));
        Assert.Equal(3, await host.ValueAsync("wait_seconds{quantile=\"1\"}", now));
        Assert.Equal(10, await host.ValueAsync("wait_seconds_count", now));
        Assert.Equal(4.5, await host.ValueAsync("wait_seconds_sum", now));
    }

    [Fact]
    public async Task Export_Deltas_AreSummedUpAndARepeatCountsOnce()
    {
        await using var host = await MetricsHost.StartAsync();
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        foreach (var (time, increase) in new[] { (now - 2000, 5), (now - 1000, 2), (now - 1000, 2), (now, 1) })
        {
            var response = await ExportAsync(host, new Metric { Name = "hits", Sum = new Sum { IsMonotonic = true, AggregationTemporality = AggregationTemporality.Delta, DataPoints = { Point(time, increase) } } });
            Assert.Null(response.PartialSuccess);
        }
        Assert.Equal(8, await host.ValueAsync("hits_total", now));
    }

    [Fact]
    public async Task Export_WhatCannotBeTaken_IsCountedAndSaid()
    {
        await using var host = await MetricsHost.StartAsync();
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        var response = await ExportAsync(host,
            new Metric { Name = "good", Gauge = new Gauge { DataPoints = { Point(now, 1), Point(now + 7_200_000, 2) } } },
            new Metric { Name = "odd" },
            new Metric { Name = "coarse", ExponentialHistogram = new ExponentialHistogram { AggregationTemporality = AggregationTemporality.Cumulative, DataPoints = { new ExponentialHistogramDataPoint { Scale = -5 } } } },
            new Metric { Name = "vague", Sum = new Sum { DataPoints = { Point(now, 1) } } });
        Assert.Equal(4, response.PartialSuccess.RejectedDataPoints);
        Assert.Contains("odd: this kind of data is not known", response.PartialSuccess.ErrorMessage);
        Assert.Contains("coarse: scale -5 is coarser than -4", response.PartialSuccess.ErrorMessage);
        Assert.Contains("aggregation_temporality", response.PartialSuccess.ErrorMessage);
        Assert.Contains("Metrics:MaxAhead", response.PartialSuccess.ErrorMessage);
        Assert.Equal(1, await host.ValueAsync("good", now));
    }

    [Fact]
    public async Task Export_OnePointTooMany_IsRefusedWholeWithTheKey()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxPointsPerExport", "4")]);
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        Metric Gauge(string name, int points) => new() { Name = name, Gauge = new Gauge { DataPoints = { Enumerable.Range(0, points).Select(i => Point(now - i, i)) } } };
        // A histogram's point is as many as the series that it becomes: a bucket per bound and three more.
        Metric Histogram(string name, params double[] bounds) => new()
        {
            Name = name,
            Histogram = new Histogram
            {
                AggregationTemporality = AggregationTemporality.Cumulative,
                DataPoints = { new HistogramDataPoint { TimeUnixNano = Nano(now), Count = 1, ExplicitBounds = { bounds }, BucketCounts = { Enumerable.Repeat(0ul, bounds.Length).Append(1ul) } } },
            },
        };
        Assert.Null((await ExportAsync(host, Gauge("a", 2), Gauge("b", 2))).PartialSuccess);
        Assert.Null((await ExportAsync(host, Histogram("h", 1))).PartialSuccess);

        foreach (var metrics in new Metric[][] { [Gauge("c", 2), Gauge("d", 3)], [Histogram("i", 1, 2)] })
        {
            var failure = await Assert.ThrowsAsync<RpcException>(() => ExportAsync(host, metrics));
            Assert.Equal(StatusCode.InvalidArgument, failure.StatusCode);
            Assert.Contains("5 data points; at most 4 in an export (Metrics:MaxPointsPerExport)", failure.Status.Detail);
        }
        Assert.Equal(2, await host.ValueAsync("count({__name__=~\"a|b\"})", now));
        Assert.Empty((await host.AskAsync("{__name__=~\"c|d|i_.*\"}", now)).Vector.Samples);
    }

    private static NumberDataPoint Point(long time, double value) => new() { TimeUnixNano = Nano(time), AsDouble = value };

    private static ulong Nano(long ms) => (ulong)ms * 1_000_000;

    private static async Task<ExportMetricsServiceResponse> ExportAsync(MetricsHost host, params Metric[] metrics)
    {
        var resource = new Resource
        {
            Attributes = { Text("service.name", "cart"), Text("service.namespace", "shop"), Text("service.instance.id", "i1"), Text("host.name", "h1") },
        };
        var scope = new ScopeMetrics { Scope = new InstrumentationScope { Name = "lib" } };
        scope.Metrics.AddRange(metrics);
        var request = new ExportMetricsServiceRequest { ResourceMetrics = { new ResourceMetrics { Resource = resource, ScopeMetrics = { scope } } } };
        return await host.Otlp.ExportAsync(request, MetricsHost.Auth).ResponseAsync.DefaultTimeout();
    }

    private static KeyValue Text(string key, string value) => new() { Key = key, Value = new AnyValue { StringValue = value } };
}

using System.Diagnostics.Metrics;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using OpenTelemetry.Proto.Collector.Metrics.V1;
using OpenTelemetry.Proto.Metrics.V1;
using Vigil.Testing;
using Xunit;

namespace Vigil.ServiceDefaults.Tests;

public sealed class MetricsTests : IDisposable
{
    private readonly ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly IMeterFactory factory;
    private readonly Meter meter;
    private readonly MetricCollector collector;

    public MetricsTests()
    {
        factory = services.GetRequiredService<IMeterFactory>();
        meter = factory.Create("tests");
        collector = new MetricCollector(factory, Options.Create(new TelemetryOptions { MaxSeriesPerMetric = 10 }), NullLogger<MetricCollector>.Instance);
    }

    public void Dispose()
    {
        collector.Dispose();
        services.Dispose();
    }

    [Fact]
    public void Counter_Added_IsATotalWithLabelsInOrder()
    {
        var counter = meter.CreateCounter<long>("orders.placed", "{order}", "Orders\nplaced \\ today");
        counter.Add(2, new("zone", "a\"b\\c\nd"), new("app-name", 7));
        counter.Add(3, new("zone", "a\"b\\c\nd"), new("app-name", 7));

        Assert.Equal(
            """
            # HELP orders_placed_total Orders\nplaced \\ today
            # TYPE orders_placed_total counter
            orders_placed_total{app_name="7",zone="a\"b\\c\nd"} 5

            """, Of("orders_placed_total"));
    }

    [Fact]
    public void Histogram_Recorded_HasCumulativeBuckets()
    {
        var histogram = meter.CreateHistogram("call.duration", "s", "", null, new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.1, 1] });
        foreach (var value in (double[])[0.05, 0.1, 0.5, 7]) histogram.Record(value, new KeyValuePair<string, object?>("m", "x"));

        Assert.Equal(
            """
            # HELP call_duration_seconds 
            # TYPE call_duration_seconds histogram
            call_duration_seconds_bucket{m="x",le="0.1"} 2
            call_duration_seconds_bucket{m="x",le="1"} 3
            call_duration_seconds_bucket{m="x",le="+Inf"} 4
            call_duration_seconds_sum{m="x"} 7.65
            call_duration_seconds_count{m="x"} 4

            """, Of("call_duration_seconds"));
    }

    [Fact]
    public void Gauges_UpDownAddsGaugeSets_SpecialValuesAreWritten()
    {
        var upDown = meter.CreateUpDownCounter<int>("open");
        upDown.Add(5);
        upDown.Add(-2);
        var gauge = meter.CreateGauge<double>("level");
        gauge.Record(1);
        gauge.Record(double.NegativeInfinity);

        Assert.EndsWith("open 3\n", Of("open"));
        Assert.EndsWith("level -Inf\n", Of("level"));
    }

    [Fact]
    public void Observable_SeriesNoLongerReported_IsGone()
    {
        var values = new Dictionary<string, int> { ["a"] = 1, ["b"] = 2 };
        meter.CreateObservableGauge("queue.length", () => values.Select(v => new Measurement<int>(v.Value, new KeyValuePair<string, object?>("q", v.Key))));

        Assert.Contains("queue_length{q=\"a\"} 1\n", Of("queue_length"));
        values.Remove("a");

        var text = Of("queue_length");
        Assert.DoesNotContain("q=\"a\"", text);
        Assert.Contains("queue_length{q=\"b\"} 2\n", text);
    }

    [Fact]
    public void Series_OverTheLimit_ShareOneAndAreCounted()
    {
        var counter = meter.CreateCounter<int>("hits");
        for (var i = 0; i < 10; i++) counter.Add(1, new KeyValuePair<string, object?>("user", i));
        Assert.DoesNotContain("overflow", Of("hits_total"));

        counter.Add(1, new KeyValuePair<string, object?>("user", 10));
        counter.Add(1, new KeyValuePair<string, object?>("user", 11));
        counter.Add(1, new KeyValuePair<string, object?>("user", 3));

        var text = Of("hits_total");
        Assert.Equal(11, text.Split('\n').Count(l => l.StartsWith("hits_total{", StringComparison.Ordinal)));
        Assert.Contains("hits_total{otel_metric_overflow=\"true\"} 2\n", text);
        Assert.Contains("hits_total{user=\"3\"} 2\n", text);
        Assert.Contains("vigil_metrics_series_overflow_total{metric=\"hits_total\"} 2\n", Of("vigil_metrics_series_overflow_total"));
    }

    [Fact]
    public void Callback_Throws_OthersAreStillCollectedAndItIsCounted()
    {
        meter.CreateObservableGauge("broken", int () => throw new InvalidOperationException("x"));
        meter.CreateObservableGauge("fine", () => 4);

        Assert.EndsWith("fine 4\n", Of("fine"));
        Assert.EndsWith("vigil_metrics_callback_errors_total 2\n", Of("vigil_metrics_callback_errors_total"));
    }

    [Fact]
    public void Name_TakenByAnotherKind_IsLeftOutAndCounted()
    {
        meter.CreateCounter<int>("same.total").Add(1);
        meter.CreateGauge<int>("same_total").Record(9);

        Assert.Equal(1, Of("same_total").Split('\n').Count(l => l.StartsWith("same_total", StringComparison.Ordinal)));
        Assert.EndsWith("vigil_metrics_name_conflicts_total 1\n", Of("vigil_metrics_name_conflicts_total"));
    }

    [Fact]
    public void Counter_ManyThreads_LosesNothing()
    {
        var counter = meter.CreateCounter<long>("raced");

        Parallel.For(0, 4, _ =>
        {
            for (var i = 0; i < 10_000; i++) counter.Add(1, new KeyValuePair<string, object?>("k", i % 3));
        });

        Assert.Equal(40_000, Of("raced_total").Split('\n').Where(l => l.StartsWith("raced_total{", StringComparison.Ordinal)).Sum(l => long.Parse(l.Split(' ')[1])));
    }

    [Fact]
    public void Record_KnownSeries_AllocatesNothing()
    {
        var counter = meter.CreateCounter<long>("hot");
        object tag = "x";
        counter.Add(1, new KeyValuePair<string, object?>("k", tag));

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++) counter.Add(1, new KeyValuePair<string, object?>("k", tag));

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Theory]
    [InlineData("http.server.request.duration", "s", 2, "http_server_request_duration_seconds")]
    [InlineData("process.memory.usage", "By", 1, "process_memory_usage_bytes")]
    [InlineData("requests", "{request}", 0, "requests_total")]
    [InlineData("requests_total", "1", 0, "requests_total")]
    [InlineData("cpu.utilization", "1", 1, "cpu_utilization_ratio")]
    [InlineData("net.speed", "By/s", 1, "net_speed_bytes_per_second")]
    [InlineData("7up", null, 1, "_7up")]
    [InlineData("a..b--c", "", 1, "a_b_c")]
    [InlineData("wait_seconds", "s", 0, "wait_seconds_total")]
    public void Name_OpenTelemetry_BecomesPrometheus(string name, string? unit, int kind, string expected) =>
        Assert.Equal(expected, PrometheusNames.Of(name, unit, (FamilyKind)kind));

    [Fact]
    public async Task M18_MetricsEndpoint_HasProcessAndRuntimeFigures()
    {
        await using var service = await TestService.StartAsync();
        using var client = service.Client("read-token");

        using var response = await client.GetAsync("/metrics").DefaultTimeout();
        var text = await response.Content.ReadAsStringAsync();

        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", response.Content.Headers.ContentType?.ToString());
        foreach (var name in (string[])["process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds", "process_open_fds", "process_threads", "dotnet_gc_collections_total"])
            Assert.Contains($"\n{name}", text);
        Assert.Contains("vigil_build_info{", text);
        Assert.Contains("service=\"probe\"", text);
    }

    [Fact]
    public async Task SelfMetrics_AreSentWithTheIngestToken_FailuresAreCountedAndLoggedOnce()
    {
        var received = new Received();
        await using var metrics = await TestService.StartAsync(b => b.Services.AddSingleton(received), app => app.MapGrpcService<Receiver>());
        var clock = new FakeClock();
        await using var service = await TestService.StartAsync(b => b.Services.AddSingleton<TimeProvider>(clock), settings: new()
        {
            ["services:metrics:grpc:0"] = metrics.Grpc.ToString(),
            ["Auth:IngestToken"] = "ingest-token",
        });

        // Once its timer runs a tick is not lost, also where the one before is not over: each step of the clock sends once.
        await Waiting.Until(() => Task.FromResult(clock.ArmedTimers > 0), "the sender waits for its first tick");
        await Tick(received.Refused);
        await Tick(received.Refused);
        received.Refuse = false;
        var request = await Tick(received.Accepted);

        var sent = request.ResourceMetrics.Single();
        Assert.Contains(sent.Resource.Attributes, a => a.Key == "service.name" && a.Value.StringValue == "vigil-probe");
        var all = sent.ScopeMetrics.Single().Metrics.ToDictionary(m => m.Name);
        Assert.True(all["process_cpu_seconds_total"].Sum.IsMonotonic);
        Assert.Equal(AggregationTemporality.Cumulative, all["process_cpu_seconds_total"].Sum.AggregationTemporality);
        Assert.Equal(2, all["vigil_self_metrics_failures_total"].Sum.DataPoints.Sum(p => p.AsDouble));
        Assert.NotEmpty(all["process_resident_memory_bytes"].Gauge.DataPoints);
        Assert.Equal(1, service.Logs.Count("SelfMetricsFailing"));

        async Task<ExportMetricsServiceRequest> Tick(System.Threading.Channels.Channel<ExportMetricsServiceRequest> into)
        {
            clock.Advance(TimeSpan.FromSeconds(10));
            return await into.Reader.ReadAsync().DefaultTimeout();
        }
    }

    private string Of(string family) =>
        collector.Collect((families, generation) => PrometheusText.Write(families.Where(f => f.Name == family), generation));

    private sealed class Received
    {
        public volatile bool Refuse = true;

        public System.Threading.Channels.Channel<ExportMetricsServiceRequest> Refused { get; } = System.Threading.Channels.Channel.CreateUnbounded<ExportMetricsServiceRequest>();

        public System.Threading.Channels.Channel<ExportMetricsServiceRequest> Accepted { get; } = System.Threading.Channels.Channel.CreateUnbounded<ExportMetricsServiceRequest>();
    }

    [RequireScope(Scope.Ingest)]
    private sealed class Receiver(Received received) : MetricsService.MetricsServiceBase
    {
        public override Task<ExportMetricsServiceResponse> Export(ExportMetricsServiceRequest request, ServerCallContext context)
        {
            if (received.Refuse)
            {
                received.Refused.Writer.TryWrite(request);
                throw new RefusalException(RefusalKind.Unavailable, "not now");
            }
            received.Accepted.Writer.TryWrite(request);
            return Task.FromResult(new ExportMetricsServiceResponse());
        }
    }
}

using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Google.Protobuf;
using OpenTelemetry.Proto.Collector.Metrics.V1;
using OpenTelemetry.Proto.Metrics.V1;
using Vigil.Metrics.Tests.Api;
using Vigil.Testing;
using Xunit;
using Write1 = Prometheus.Write.V1;
using Write2 = Prometheus.Write.V2;

namespace Vigil.Metrics.Tests.Service;

public sealed class RemoteWriteTests
{
    private const string Version2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

    private static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

    [Fact]
    public async Task Write_Version1_IsStoredAndSurvivesARestart()
    {
        var folder = Directory.CreateTempSubdirectory("vigil-metrics-").FullName;
        try
        {
            var now = Now;
            await using (var host = await MetricsHost.StartAsync(folder))
            {
                var body = new Write1.WriteRequest { Timeseries = { RemoteWriteBodies.V1Series("a", [("job", "x")], (now - 1_000, 1), (now, 2)), RemoteWriteBodies.V1Series("b", [("job", "y")], (now, 3)) } };
                for (var i = 0; i < 2; i++)
                {
                    var (status, text, _) = await WriteAsync(host, body);
                    Assert.Equal((HttpStatusCode.NoContent, ""), (status, text));
                }
                Assert.Equal(1.5, await host.ValueAsync("avg_over_time(a{job=\"x\"}[1m])", now));
            }
            await using var again = await MetricsHost.StartAsync(folder);
            Assert.Equal(2, await again.ValueAsync("a", now));
            Assert.Equal(3, await again.ValueAsync("b", now));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [FactNeeds("prometheus")]
    public async Task Write_FromDebiansPrometheus_GivesTheSameAnswersOnBoth()
    {
        await using var host = await MetricsHost.StartAsync();
        await using var prometheus = await PrometheusSender.StartAsync(host.HttpAddress, MetricsHost.Token);
        async Task<double> NewestAsync() => (await host.AskAsync("timestamp(up{job=\"prometheus\"})")).Vector.Samples is [var newest] ? newest.Value : 0;
        double first = 0, newest = 0;
        await Waiting.Until(async () => (first = await NewestAsync()) > 0, "the first scrape has come", TimeSpan.FromMinutes(2));
        await Waiting.Until(async () => (newest = await NewestAsync()) >= first + 6, "six more scrapes have come", TimeSpan.FromMinutes(2));
        // The scrapes before the newest are whole on both sides.
        var time = (newest - 2).ToString("F3", CultureInfo.InvariantCulture);
        using var http = new HttpClient();
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", MetricsHost.Token);
        foreach (var query in new[]
        {
            "{job=\"prometheus\"}", "count_over_time(prometheus_http_requests_total[4s])", "sum by (handler) (increase(prometheus_http_request_duration_seconds_bucket[4s]))",
            "histogram_quantile(0.9, sum by (le) (prometheus_http_request_duration_seconds_bucket))",
        })
        {
            var theirs = await prometheus.AskAsync(query, time);
            var ours = await PrometheusSender.AskAsync(http, host.HttpAddress, query, time);
            Assert.NotEmpty(theirs);
            Assert.Equal(theirs.Select(s => s.Labels), ours.Select(s => s.Labels));
            // Sums of fractions depend on the order of the series, which is each program's own: to twelve digits.
            Assert.All(theirs.Zip(ours), pair => Assert.True(pair.First.Value.Equals(pair.Second.Value) || Math.Abs(pair.First.Value - pair.Second.Value) <= 1e-12 * Math.Abs(pair.First.Value),
                $"{query}: {pair.First} there, {pair.Second} here"));
        }
    }

    [Fact]
    public async Task Write_Version2_IsStoredAndItsHeadersSayHowMuch()
    {
        await using var host = await MetricsHost.StartAsync();
        var now = Now;
        var request = new Write2.Request();
        request.Add("a", [("job", "x")], (now - 1_000, 1), (now, 2));
        request.Add("a", [("job", "x"), ("", "1")], (now, 2));
        var (status, text, headers) = await WriteAsync(host, request, Version2);
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains("a{job=\"x\",\"\"=\"1\"}: BadLabel", text);
        Assert.Equal("2", headers.GetValues("X-Prometheus-Remote-Write-Samples-Written").Single());
        Assert.Equal("0", headers.GetValues("X-Prometheus-Remote-Write-Histograms-Written").Single());
        Assert.Equal("0", headers.GetValues("X-Prometheus-Remote-Write-Exemplars-Written").Single());
        Assert.Equal(2, await host.ValueAsync("a{job=\"x\"}", now));
    }

    [Fact]
    public async Task Write_SomeSamplesBad_StoresTheGoodOnesAndNamesTheRest()
    {
        await using var host = await MetricsHost.StartAsync();
        var now = Now;
        var (status, text, _) = await WriteAsync(host, new Write1.WriteRequest
        {
            Timeseries =
            {
                RemoteWriteBodies.V1Series("good", [("job", "x")], (now, 1)),
                RemoteWriteBodies.V1Series("good", [("job", "x")], (now, 5)),
                RemoteWriteBodies.V1Series("future", [("job", "x")], (now + 7_200_000, 1)),
                RemoteWriteBodies.V1Series("ancient", [("job", "x")], (1_000, 1), (2_000, 1)),
                RemoteWriteBodies.V1Series("", [("job", "x")], (now, 1)),
                new Write1.TimeSeries { Labels = { new Write1.Label { Name = "job", Value = "x" } }, Samples = { new Write1.Sample { Timestamp = now } } },
            },
        });
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.StartsWith("6 of 7 samples are refused", text);
        Assert.Contains("good{job=\"x\"}: ConflictingDuplicate: another value is stored", text);
        Assert.Contains("future{job=\"x\"}: TooFarAhead", text);
        Assert.Contains("ancient{job=\"x\"}: TooOld", text);
        Assert.Contains("{job=\"x\"}: BadName", text);
        Assert.Equal(1, await host.ValueAsync("good", now));
    }

    [Fact]
    public async Task Write_OneSeriesTooMany_IsRefusedAndTheKnownOnesGoOn()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxSeriesPerShard", "2")]);
        var now = Now;
        Write1.WriteRequest Request(long time, int count) => new() { Timeseries = { Enumerable.Range(0, count).Select(i => RemoteWriteBodies.V1Series($"m{i}", [("job", "x")], (time, i))) } };
        Assert.Equal(HttpStatusCode.NoContent, (await WriteAsync(host, Request(now - 1_000, 2))).Status);
        var (status, text, _) = await WriteAsync(host, Request(now, 3));
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains("m2{job=\"x\"}: SeriesLimit", text);
        Assert.Contains("Metrics:MaxSeriesPerShard", text);
        Assert.Equal(1, await host.ValueAsync("m1", now));
    }

    [Fact]
    public async Task Write_StalenessMarker_EndsTheSeries()
    {
        await using var host = await MetricsHost.StartAsync();
        var now = Now;
        await WriteAsync(host, new Write1.WriteRequest { Timeseries = { RemoteWriteBodies.V1Series("m", [], (now - 1_000, 1), (now, Vigil.Metrics.PromQL.Samples.Stale)) } });
        Assert.Equal(1, await host.ValueAsync("m", now - 500));
        Assert.Empty((await host.AskAsync("m", now)).Vector.Samples);
    }

    [Fact]
    public async Task Write_DatabaseThatCannotBeWritten_Is503AndTheSameBodyDoesAfterwards()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Storage:BusyTimeout", "00:00:00.05")]);
        var now = Now;
        var first = new Write1.WriteRequest { Timeseries = { RemoteWriteBodies.V1Series("m", [("job", "x")], (now - 1_000, 1)) } };
        var second = new Write1.WriteRequest { Timeseries = { RemoteWriteBodies.V1Series("m", [("job", "x")], (now, 2)) } };
        Assert.Equal(HttpStatusCode.NoContent, (await WriteAsync(host, first)).Status);
        await using (var other = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={Path.Combine(host.Directory, "metrics.db")};Pooling=False"))
        {
            await other.OpenAsync();
            await using var holding = other.BeginTransaction(deferred: false);
            var (status, text, headers) = await WriteAsync(host, second);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
            Assert.Equal(TimeSpan.FromSeconds(5), headers.RetryAfter!.Delta);
            Assert.Contains("locked by another program", text);
            Assert.DoesNotContain(host.Directory, text);
        }
        Assert.Equal(HttpStatusCode.NoContent, (await WriteAsync(host, second)).Status);
        Assert.Equal(2, await host.ValueAsync("m", now));
    }

    [Fact]
    public async Task Write_SeriesThatExpired_IsDeclaredAnew()
    {
        var clock = new FakeClock(TimeProvider.System.GetUtcNow());
        await using var host = await MetricsHost.StartAsync(clock: clock, settings: [("Metrics:Retention", "00:30:00"), ("Metrics:MemoryWindow", "00:10:00")]);
        async Task<HttpStatusCode> WriteNowAsync() =>
            (await WriteAsync(host, new Write1.WriteRequest { Timeseries = { RemoteWriteBodies.V1Series("m", [("job", "x")], (clock.GetUtcNow().ToUnixTimeMilliseconds(), 1)) } })).Status;
        Assert.Equal(HttpStatusCode.NoContent, await WriteNowAsync());
        await host.Grain("x").CheckpointAsync().DefaultTimeout();
        clock.Advance(TimeSpan.FromHours(2));
        await host.Grain("x").CheckpointAsync().DefaultTimeout();
        Assert.Equal(0, (await host.Grain("x").GetStatusAsync().DefaultTimeout()).Series);
        Assert.Equal(HttpStatusCode.NoContent, await WriteNowAsync());
        Assert.Equal(1, await host.ValueAsync("m", clock.GetUtcNow().ToUnixTimeMilliseconds()));
    }

    [Fact]
    public async Task Write_Version2_CreatedTimestamp_MakesTheFirstSampleAnIncrease()
    {
        await using var host = await MetricsHost.StartAsync();
        var now = Now / 1_000 * 1_000;
        // A counter began 40 s ago, and again 10 s ago; a gauge has no beginning. Each request says so again.
        foreach (var (time, value, created) in new[] { (now - 30_000, 5.0, now - 40_000), (now - 20_000, 7, now - 40_000), (now - 5_000, 2, now - 10_000), (now, 3, now - 10_000) })
        {
            var request = new Write2.Request();
            foreach (var (name, type) in new[] { ("c", Write2.Metadata.Types.MetricType.Counter), ("g", Write2.Metadata.Types.MetricType.Gauge) })
            {
                var series = request.Add(name, [("job", "x")], (time, value));
                series.CreatedTimestamp = created;
                series.Metadata = new Write2.Metadata { Type = type };
            }
            var (status, text, headers) = await WriteAsync(host, request, Version2);
            Assert.Equal((HttpStatusCode.NoContent, ""), (status, text));
            Assert.Equal("2", headers.GetValues("X-Prometheus-Remote-Write-Samples-Written").Single());
        }
        Assert.Equal(6, await host.ValueAsync("count_over_time(c[1m])", now));
        Assert.Equal(4, await host.ValueAsync("count_over_time(g[1m])", now));
        Assert.Equal(0, await host.ValueAsync("c", now - 40_000));
        Assert.Equal(0, await host.ValueAsync("c", now - 10_000));
        Assert.Equal(1, await host.ValueAsync("resets(c[1m])", now));
        // Samples that are refused as too old are the sender's; a beginning that is, is nobody's fault.
        var old = new Write2.Request();
        var late = old.Add("c", [("job", "x")], (now + 1_000, 4));
        (late.CreatedTimestamp, late.Metadata) = (1_000, new Write2.Metadata { Type = Write2.Metadata.Types.MetricType.Counter });
        Assert.Equal((HttpStatusCode.NoContent, ""), ((await WriteAsync(host, old, Version2)).Status, ""));
    }

    [Fact]
    public async Task Refusals_AreCountedByCauseAndDoor()
    {
        await using var host = await MetricsHost.StartAsync();
        var ahead = Now + 7_200_000;
        await WriteAsync(host, new Write1.WriteRequest { Timeseries = { RemoteWriteBodies.V1Series("m", [("job", "x")], (ahead, 1), (ahead + 1, 1)), RemoteWriteBodies.V1Series("", [], (ahead, 1)) } });
        await PostAsync(host, [1, 2, 3], "application/x-protobuf", "snappy");
        var point = new NumberDataPoint { AsDouble = 1, TimeUnixNano = (ulong)ahead * 1_000_000 };
        await host.Otlp.ExportAsync(new ExportMetricsServiceRequest
        {
            ResourceMetrics = { new ResourceMetrics { ScopeMetrics = { new ScopeMetrics { Metrics = { new Metric { Name = "m", Gauge = new Gauge { DataPoints = { point } } } } } } } },
        }, MetricsHost.Auth).ResponseAsync.DefaultTimeout();
        using (var push = await host.OpenAsync("s1"))
        {
            await push.DeclareAsync(1, "m");
            await push.SendAsync(1, (1, ahead, 1));
            Assert.Equal(V1.RefusalReason.TooFarAhead, (await push.RefusalAsync()).Reason);
        }
        using var http = new HttpClient();
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", MetricsHost.Token);
        var counters = (await http.GetStringAsync(new Uri(host.HttpAddress, "/metrics")).DefaultTimeout()).Split('\n').Where(l => l.StartsWith("vigil_metrics_", StringComparison.Ordinal)).ToArray();
        foreach (var (door, cause, count) in new[] { ("remote_write", "too_far_ahead", 2), ("remote_write", "bad_name", 1), ("otlp", "too_far_ahead", 1), ("push", "too_far_ahead", 1) })
        {
            Assert.Contains(counters, l => l.StartsWith("vigil_metrics_samples_refused_total", StringComparison.Ordinal)
                && l.Contains($"door=\"{door}\"", StringComparison.Ordinal) && l.Contains($"cause=\"{cause}\"", StringComparison.Ordinal) && l.EndsWith($" {count}", StringComparison.Ordinal));
        }
        Assert.Contains(counters, l => l.StartsWith("vigil_metrics_requests_refused_total", StringComparison.Ordinal) && l.Contains("reason=\"damaged\"", StringComparison.Ordinal) && l.EndsWith(" 1", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("application/json", "snappy", 415)]
    [InlineData(null, "snappy", 415)]
    [InlineData("application/x-protobuf;proto=io.prometheus.write.v3.Request", "snappy", 415)]
    [InlineData("application/x-protobuf", "gzip", 415)]
    [InlineData("application/x-protobuf;proto=\"prometheus.WriteRequest\"", "snappy", 204)]
    [InlineData("application/x-protobuf", null, 204)]
    public async Task Write_TypeAndEncoding_AreChecked(string? type, string? encoding, int expected)
    {
        await using var host = await MetricsHost.StartAsync();
        var body = RemoteWriteBodies.Pack(new Write1.WriteRequest { Timeseries = { RemoteWriteBodies.V1Series("m", [], (Now, 1)) } });
        Assert.Equal(expected, (int)(await PostAsync(host, body, type, encoding)).Status);
    }

    [Fact]
    public async Task Write_TooLargeOrDamaged_IsRefusedWhole()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxBodyBytes", "2048")]);
        Write1.WriteRequest Request(int length) => new() { Timeseries = { RemoteWriteBodies.V1Series("m", [("l", new string('x', length))], (Now, 1)) } };
        var most = 2048 - (Request(1_000).CalculateSize() - 1_000);
        Assert.Equal(HttpStatusCode.BadRequest, (await WriteAsync(host, Request(most))).Status); // read, and the label refused: it is too long
        var (status, text, _) = await WriteAsync(host, Request(most + 1));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, status);
        Assert.Contains("Metrics:MaxBodyBytes", text);
        Assert.Equal(HttpStatusCode.BadRequest, (await PostAsync(host, [1, 2, 3], "application/x-protobuf", "snappy")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await PostAsync(host, IronSnappy.Snappy.Encode("no message"u8), "application/x-protobuf", "snappy")).Status);
    }

    [Theory]
    [InlineData("Bearer test-token", 204)]
    [InlineData("Bearer sender", 204)]
    [InlineData("Basic c2VuZGVy", 401)]
    [InlineData("Basic YW55Ym9keTpzZW5kZXI=", 204)] // anybody:sender
    [InlineData("Bearer reader", 403)]
    [InlineData("Bearer wrong", 401)]
    [InlineData(null, 401)]
    public async Task Write_NeedsTheScopeIngest(string? authorization, int expected)
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Auth:TokenHashes:ingest:0", MetricsHost.Hash("sender"))]);
        var body = RemoteWriteBodies.Pack(new Write1.WriteRequest { Timeseries = { RemoteWriteBodies.V1Series("m", [], (Now, 1)) } });
        Assert.Equal(expected, (int)(await PostAsync(host, body, "application/x-protobuf", "snappy", authorization)).Status);
    }

    private static Task<(HttpStatusCode Status, string Text, HttpResponseHeaders Headers)> WriteAsync(MetricsHost host, IMessage message, string type = "application/x-protobuf") =>
        PostAsync(host, RemoteWriteBodies.Pack(message), type, "snappy");

    private static async Task<(HttpStatusCode Status, string Text, HttpResponseHeaders Headers)> PostAsync(
        MetricsHost host, byte[] body, string? type, string? encoding, string? authorization = $"Bearer {MetricsHost.Token}")
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(host.HttpAddress, "/api/v1/write")) { Content = new ByteArrayContent(body) };
        if (type is not null) request.Content.Headers.TryAddWithoutValidation("content-type", type);
        if (encoding is not null) request.Content.Headers.TryAddWithoutValidation("content-encoding", encoding);
        if (authorization is not null) request.Headers.TryAddWithoutValidation("authorization", authorization);
        using var response = await http.SendAsync(request).DefaultTimeout();
        return (response.StatusCode, Encoding.UTF8.GetString(await response.Content.ReadAsByteArrayAsync().DefaultTimeout()), response.Headers);
    }
}

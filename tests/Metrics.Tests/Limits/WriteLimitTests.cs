using System.IO.Compression;
using System.Net;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Proto.Collector.Metrics.V1;
using OpenTelemetry.Proto.Metrics.V1;
using Vigil.Metrics.Api;
using Vigil.Metrics.Tests.Api;
using Vigil.Metrics.Tests.Service;
using Vigil.Testing;
using Xunit;
using Write1 = Prometheus.Write.V1;
using Write2 = Prometheus.Write.V2;

namespace Vigil.Metrics.Tests.Limits;

/// <summary>One more than each limit of OTLP and remote write allows: refused by the option's name, counted by door, and what was there goes on.</summary>
public sealed class WriteLimitTests
{
    private const string Version2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

    private static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

    [Fact]
    public async Task PointsOfAnExport_OneTooMany_AreRefusedByNameAndCountedAtBothDoors()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxPointsPerExport", "4")]);
        using var http = Client(host);
        var now = Now;
        await host.Otlp.ExportAsync(Points(4, now), MetricsHost.Auth).ResponseAsync.DefaultTimeout();
        const string Words = "resource_metrics: 5 data points; at most 4 in an export (Metrics:MaxPointsPerExport)";

        var failure = await Assert.ThrowsAsync<RpcException>(() => host.Otlp.ExportAsync(Points(5, now), MetricsHost.Auth).ResponseAsync.DefaultTimeout());
        Assert.Equal((StatusCode.InvalidArgument, Words), (failure.StatusCode, failure.Status.Detail));
        await AssertCountedAsync(host, "otlp", "invalid_argument", 1);
        var (status, body) = await PostAsync(http, "v1/metrics", Points(5, now).ToByteArray());
        Assert.Equal((HttpStatusCode.BadRequest, Words), (status, Google.Rpc.Status.Parser.ParseFrom(body).Message));
        await AssertCountedAsync(host, "otlp", "invalid_argument", 2);

        Assert.Equal(HttpStatusCode.OK, (await PostAsync(http, "v1/metrics", Points(4, now + 10).ToByteArray())).Status);
        Assert.Equal(8, await host.ValueAsync("count_over_time(m[1m])", now + 1_000));
    }

    [Fact]
    public async Task BytesOfABody_OneTooMany_AreRefusedByNameAndCounted()
    {
        const int Most = 2_048;
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxBodyBytes", $"{Most}")]);
        using var http = Client(host);
        var now = Now;
        // Filled up with help, units or names that count for nothing.
        var version1 = Filled(Most, fill => new Write1.WriteRequest { Timeseries = { RemoteWriteBodies.V1Series("m", [("job", "one")], (now, 1)) }, Metadata = { new Write1.MetricMetadata { MetricFamilyName = "m", Help = fill } } });
        var version2 = Filled(Most, fill =>
        {
            var request = new Write2.Request();
            request.Add("m", [("job", "two")], (now, 1)).Metadata = new Write2.Metadata { HelpRef = request.Symbol(fill) };
            return request;
        });
        var otlp = Filled(Most, fill =>
        {
            var request = Points(1, now);
            request.ResourceMetrics[0].ScopeMetrics[0].Metrics[0].Description = fill;
            return request;
        });
        foreach (var (path, body, type, encoding, door) in new (string, Func<int, byte[]>, string, string?, string)[]
        {
            ("api/v1/write", n => IronSnappy.Snappy.Encode(version1(n)), "application/x-protobuf", "snappy", "remote_write"),
            ("api/v1/write", n => IronSnappy.Snappy.Encode(version2(n)), Version2, "snappy", "remote_write"),
            ("v1/metrics", otlp, "application/x-protobuf", null, "otlp"),
            ("v1/metrics", n => Gzip(otlp(n)), "application/x-protobuf", "gzip", "otlp"),
        })
        {
            var before = await Counters.SumAsync(host, "vigil_metrics_requests_refused_total", $"door=\"{door}\"", "reason=\"too_large\"");
            var (good, _) = await PostAsync(http, path, body(0), type, encoding);
            Assert.True(good is HttpStatusCode.OK or HttpStatusCode.NoContent, $"{path} {encoding}: {good}");
            var (bad, answer) = await PostAsync(http, path, body(1), type, encoding);
            Assert.True(bad == HttpStatusCode.RequestEntityTooLarge, $"{path} {encoding}: {bad}");
            Assert.Contains($"the body is larger than {Most} bytes (Metrics:MaxBodyBytes)", System.Text.Encoding.UTF8.GetString(answer), StringComparison.Ordinal);
            await AssertCountedAsync(host, door, "too_large", (int)before + 1);
        }
        Assert.Equal(3, await host.ValueAsync("count(m)", now + 1_000));
    }

    [Fact]
    public async Task RequestsAtOnce_OneTooMany_IsToldToComeAgain_Counted_AndOtherDoorsGoOn()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxWriteRequests", "1")]);
        using var http = Client(host);
        const string Words = "1 write requests are open, which is as many as may be (Metrics:MaxWriteRequests)";
        var written = RemoteWriteBodies.Pack(new Write1.WriteRequest { Timeseries = { RemoteWriteBodies.V1Series("w", [], (Now, 1)) } });
        var exported = Points(1, Now).ToByteArray();
        using (host.Services.GetRequiredService<StreamLimits>().EnterWrite())
        {
            using var write = await SendAsync(http, "api/v1/write", written, "application/x-protobuf", "snappy");
            // Senders of remote write drop what is answered with 429.
            Assert.Equal((HttpStatusCode.ServiceUnavailable, true), (write.StatusCode, write.Headers.RetryAfter is not null));
            Assert.Contains(Words, await write.Content.ReadAsStringAsync(), StringComparison.Ordinal);
            await AssertCountedAsync(host, "remote_write", "resource_exhausted", 1);
            using var export = await SendAsync(http, "v1/metrics", exported, "application/x-protobuf", null);
            Assert.Equal((HttpStatusCode.TooManyRequests, true), (export.StatusCode, export.Headers.RetryAfter is not null));
            Assert.Contains(Words, await export.Content.ReadAsStringAsync(), StringComparison.Ordinal);
            await AssertCountedAsync(host, "otlp", "resource_exhausted", 1);
            using var push = await host.OpenAsync("s", ("job", "api"));
            await push.DeclareAsync(1, "p");
            await push.SendAsync(1, (1, Now, 1));
            Assert.Equal(1u, (await push.AckAsync()).Accepted);
        }
        Assert.Equal(HttpStatusCode.NoContent, (await PostAsync(http, "api/v1/write", written, "application/x-protobuf", "snappy")).Status);
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(http, "v1/metrics", exported)).Status);
    }

    private static ExportMetricsServiceRequest Points(int count, long time) => new()
    {
        ResourceMetrics =
        {
            new ResourceMetrics
            {
                ScopeMetrics = { new ScopeMetrics { Metrics = { new Metric { Name = "m", Gauge = new Gauge { DataPoints = { Enumerable.Range(0, count).Select(i => new NumberDataPoint { TimeUnixNano = (ulong)(time + i) * 1_000_000, AsDouble = 1 }) } } } } } },
            },
        },
    };

    /// <summary>Messages that are so and so many bytes longer than the limit.</summary>
    private static Func<int, byte[]> Filled(int most, Func<string, IMessage> message)
    {
        const int Some = 1_000;
        var rest = message(new string('x', Some)).CalculateSize() - Some;
        return over => message(new string('x', most - rest + over)).ToByteArray();
    }

    private static byte[] Gzip(byte[] body)
    {
        using var buffer = new MemoryStream();
        using (var gzip = new GZipStream(buffer, CompressionLevel.Fastest)) gzip.Write(body);
        return buffer.ToArray();
    }

    private static HttpClient Client(MetricsHost host)
    {
        var http = new HttpClient { BaseAddress = host.HttpAddress };
        http.DefaultRequestHeaders.Authorization = new("Bearer", MetricsHost.Token);
        return http;
    }

    private static async Task<(HttpStatusCode Status, byte[] Body)> PostAsync(HttpClient http, string path, byte[] body, string type = "application/x-protobuf", string? encoding = null)
    {
        using var response = await SendAsync(http, path, body, type, encoding);
        return (response.StatusCode, await response.Content.ReadAsByteArrayAsync().DefaultTimeout());
    }

    private static Task<HttpResponseMessage> SendAsync(HttpClient http, string path, byte[] body, string type, string? encoding)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(path, UriKind.Relative)) { Content = new ByteArrayContent(body) };
        request.Content.Headers.TryAddWithoutValidation("Content-Type", type);
        if (encoding is not null) request.Content.Headers.TryAddWithoutValidation("Content-Encoding", encoding);
        return http.SendAsync(request).DefaultTimeout();
    }

    private static async Task AssertCountedAsync(MetricsHost host, string door, string reason, int requests) =>
        Assert.Equal(requests, await Counters.SumAsync(host, "vigil_metrics_requests_refused_total", $"door=\"{door}\"", $"reason=\"{reason}\""));
}

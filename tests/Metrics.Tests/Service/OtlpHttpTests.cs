using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using OpenTelemetry.Proto.Collector.Metrics.V1;
using OpenTelemetry.Proto.Common.V1;
using OpenTelemetry.Proto.Metrics.V1;
using OpenTelemetry.Proto.Resource.V1;
using Vigil.Testing;
using Xunit;

namespace Vigil.Metrics.Tests.Service;

public sealed class OtlpHttpTests
{
    private const string Protobuf = "application/x-protobuf";
    private const string Json = "application/json";

    private static long Now => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Export_Protobuf_PlainAndGzip_IsStored(bool gzip)
    {
        await using var host = await MetricsHost.StartAsync();
        var now = Now;
        var (status, type, body) = await PostAsync(host, Gauge("queue.length", 7, now).ToByteArray(), Protobuf, gzip ? "gzip" : null);
        Assert.Equal((HttpStatusCode.OK, Protobuf), (status, type));
        Assert.Null(ExportMetricsServiceResponse.Parser.ParseFrom(body).PartialSuccess);
        Assert.Equal(7, await host.ValueAsync("queue_length{job=\"cart\"}", now));
    }

    [Fact]
    public async Task Export_Json_ByItsMapping_IsStored()
    {
        await using var host = await MetricsHost.StartAsync();
        var now = Now;
        // Numbers of 64 bits as texts or as numbers, enumerations as numbers, ids in hexadecimal, fields that are not known.
        var json = $$$"""
            {"resourceMetrics": [{
              "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "cart"}}], "droppedAttributesCount": 0, "entityRefs": [{"type": "service"}]},
              "scopeMetrics": [{"scope": {"name": "lib", "version": "1"}, "schemaUrl": "https://example.com/1", "metrics": [
                {"name": "hits", "unit": "1", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [
                  {"asInt": "42", "startTimeUnixNano": "{{{now - 1000}}}000000", "timeUnixNano": "{{{now}}}000000", "attributes": [{"key": "n", "value": {"intValue": "9007199254740993"}}],
                   "exemplars": [{"spanId": "eee19b7ec3c1b174", "traceId": "5b8efff798038103d269b633813fc60c", "asDouble": 1}]}]}},
                {"name": "temp", "gauge": {"dataPoints": [{"asDouble": "NaN", "timeUnixNano": {{{now}}}000000}, {"asDouble": 36.6, "timeUnixNano": {{{now - 500}}}000000}]}},
                {"name": "lat", "histogram": {"aggregationTemporality": 2, "dataPoints": [
                  {"timeUnixNano": "{{{now}}}000000", "count": "3", "sum": 4.5, "bucketCounts": ["1", 2], "explicitBounds": [10000000], "newField": true}]}}
              ]}]}]}
            """;
        var (status, type, body) = await PostAsync(host, Encoding.UTF8.GetBytes(json), Json);
        Assert.Equal((HttpStatusCode.OK, Json, "{ }"), (status, type, Encoding.UTF8.GetString(body)));
        Assert.Equal(42, await host.ValueAsync("hits_total{job=\"cart\",n=\"9007199254740993\",otel_scope_name=\"lib\",otel_scope_schema_url=\"https://example.com/1\"}", now));
        Assert.Equal(36.6, await host.ValueAsync("temp", now - 500));
        Assert.True(double.IsNaN(await host.ValueAsync("temp", now)));
        Assert.Equal(1, await host.ValueAsync("lat_bucket{le=\"10000000\"}", now));
    }

    [Fact]
    public async Task Export_WhatCannotBeTaken_IsSaidInTheRequestsFormat()
    {
        await using var host = await MetricsHost.StartAsync();
        var now = Now;
        var request = Gauge("good", 1, now);
        request.ResourceMetrics[0].ScopeMetrics[0].Metrics[0].Gauge.DataPoints.Add(Point(2, now + 7_200_000));
        var (_, _, protobuf) = await PostAsync(host, request.ToByteArray(), Protobuf);
        Assert.Equal(1, ExportMetricsServiceResponse.Parser.ParseFrom(protobuf).PartialSuccess.RejectedDataPoints);
        var (status, _, body) = await PostAsync(host, Encoding.UTF8.GetBytes(JsonFormatter.Default.Format(request)), Json);
        Assert.Equal(HttpStatusCode.OK, status);
        var partial = JsonDocument.Parse(body).RootElement.GetProperty("partialSuccess");
        Assert.Equal("1", partial.GetProperty("rejectedDataPoints").GetString());
        Assert.Contains("Metrics:MaxAhead", partial.GetProperty("errorMessage").GetString());
    }

    [Theory]
    [InlineData(Json, "{\"resourceMetrics\": [{]", null, 400, "no ExportMetricsServiceRequest")]
    [InlineData(Json, "{\"resourceMetrics\": 7}", null, 400, "no ExportMetricsServiceRequest")]
    [InlineData(Json, "{}", "br", 415, "gzip or none")]
    [InlineData("text/plain", "{}", null, 415, "application/x-protobuf or application/json")]
    [InlineData(Protobuf, "no protobuf", null, 400, "no ExportMetricsServiceRequest")]
    public async Task Export_NotReadable_IsAStatusInTheRequestsFormat(string type, string text, string? encoding, int expected, string message)
    {
        await using var host = await MetricsHost.StartAsync();
        var (status, answered, body) = await PostAsync(host, Encoding.UTF8.GetBytes(text), type, encoding);
        Assert.Equal(expected, (int)status);
        Assert.Equal(type == Json ? Json : Protobuf, answered);
        var told = type == Json ? JsonDocument.Parse(body).RootElement.GetProperty("message").GetString() : Google.Rpc.Status.Parser.ParseFrom(body).Message;
        Assert.Contains(message, told);
    }

    [Fact]
    public async Task Export_LargerThanAllowedOnceUnpacked_IsRefused()
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Metrics:MaxBodyBytes", "65536")]);
        var bomb = new byte[10_000_000];
        var (status, _, body) = await PostAsync(host, bomb, Protobuf, "gzip");
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, status);
        Assert.Contains("Metrics:MaxBodyBytes", Google.Rpc.Status.Parser.ParseFrom(body).Message);
        // At the limit, and one beyond it: a name that fills the request up to there.
        ExportMetricsServiceRequest Filled(int bytes)
        {
            var request = Gauge("g", 1, Now);
            var text = request.ResourceMetrics[0].Resource.Attributes[0].Value;
            text.StringValue = new string('x', bytes - 200);
            text.StringValue += new string('x', bytes - request.CalculateSize());
            return request;
        }
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(host, Filled(65_536).ToByteArray(), Protobuf, "gzip")).Status);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await PostAsync(host, Filled(65_537).ToByteArray(), Protobuf, "gzip")).Status);
    }

    [Theory]
    [InlineData("Bearer sender", 200)]
    [InlineData("Basic YW55Ym9keTpzZW5kZXI=", 200)] // anybody:sender
    [InlineData("Bearer reader", 403)]
    [InlineData(null, 401)]
    public async Task Export_NeedsTheScopeIngest(string? authorization, int expected)
    {
        await using var host = await MetricsHost.StartAsync(settings: [("Auth:TokenHashes:ingest:0", MetricsHost.Hash("sender"))]);
        Assert.Equal(expected, (int)(await PostAsync(host, Gauge("g", 1, Now).ToByteArray(), Protobuf, null, authorization)).Status);
    }

    [Fact]
    public async Task Export_AnyJson_NeverFailsTheService()
    {
        await using var host = await MetricsHost.StartAsync();
        var random = new Random(3);
        var good = Encoding.UTF8.GetBytes(JsonFormatter.Default.Format(Gauge("g", 1, Now)));
        for (var i = 0; i < 300; i++)
        {
            var bytes = (byte[])good.Clone();
            for (var n = 0; n < 1 + i % 3; n++) bytes[random.Next(bytes.Length)] = (byte)random.Next(i % 2 == 0 ? 256 : 128);
            var (status, _, _) = await PostAsync(host, bytes, Json);
            Assert.True(status is HttpStatusCode.OK or HttpStatusCode.BadRequest, $"{status}: {Encoding.UTF8.GetString(bytes)}");
        }
    }

    private static ExportMetricsServiceRequest Gauge(string name, double value, long now) => new()
    {
        ResourceMetrics =
        {
            new ResourceMetrics
            {
                Resource = new Resource { Attributes = { new KeyValue { Key = "service.name", Value = new AnyValue { StringValue = "cart" } } } },
                ScopeMetrics = { new ScopeMetrics { Metrics = { new Metric { Name = name, Gauge = new Gauge { DataPoints = { Point(value, now) } } } } } },
            },
        },
    };

    private static NumberDataPoint Point(double value, long time) => new() { AsDouble = value, TimeUnixNano = (ulong)time * 1_000_000 };

    private static async Task<(HttpStatusCode Status, string? Type, byte[] Body)> PostAsync(
        MetricsHost host, byte[] body, string type, string? encoding = null, string? authorization = $"Bearer {MetricsHost.Token}")
    {
        if (encoding == "gzip")
        {
            using var packed = new MemoryStream();
            using (var gzip = new GZipStream(packed, CompressionLevel.Fastest)) gzip.Write(body);
            body = packed.ToArray();
        }
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(host.HttpAddress, "/v1/metrics")) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(type);
        if (encoding is not null) request.Content.Headers.ContentEncoding.Add(encoding);
        if (authorization is not null) request.Headers.TryAddWithoutValidation("authorization", authorization);
        using var response = await http.SendAsync(request).DefaultTimeout();
        return (response.StatusCode, response.Content.Headers.ContentType?.MediaType, await response.Content.ReadAsByteArrayAsync().DefaultTimeout());
    }
}

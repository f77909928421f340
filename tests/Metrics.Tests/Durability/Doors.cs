using System.Net;
using System.Net.Http.Headers;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using OpenTelemetry.Proto.Collector.Metrics.V1;
using OpenTelemetry.Proto.Common.V1;
using OpenTelemetry.Proto.Metrics.V1;
using OpenTelemetry.Proto.Resource.V1;
using Vigil.Metrics.Tests.Api;
using Vigil.Metrics.Tests.Service;
using Vigil.Testing;
using Write1 = Prometheus.Write.V1;
using Write2 = Prometheus.Write.V2;

namespace Vigil.Metrics.Tests.Durability;

/// <summary>What a door says to a batch.</summary>
/// <param name="Taken">It is durable.</param>
/// <param name="Unavailable">It says that it cannot for the moment, so that senders come again: UNAVAILABLE, or 503.</param>
/// <param name="Message">Its words.</param>
internal readonly record struct DoorAnswer(bool Taken, bool Unavailable, string Message);

/// <summary>A way in that answers request by request. Each batch has as many series as <see cref="Width"/>, with one sample each.</summary>
internal abstract class Door : IDisposable
{
    /// <summary>Series in a batch.</summary>
    public const int Width = 50;

    /// <summary>The metric's name, and the job's.</summary>
    public abstract string Name { get; }

    /// <summary>Sends one value for each series.</summary>
    public abstract Task<DoorAnswer> SendAsync(long timeMs, double value);

    public virtual void Dispose()
    {
    }

    /// <summary>All that answer request by request.</summary>
    public static IReadOnlyList<Door> All(Uri grpc, Uri http) => [new OtlpGrpc(grpc), new OtlpDelta(grpc), new OtlpHttp(http), new RemoteWrite(http), new RemoteWrite2(http)];

    private static ExportMetricsServiceRequest Export(string job, Metric metric) => new()
    {
        ResourceMetrics =
        {
            new ResourceMetrics
            {
                Resource = new Resource { Attributes = { Attribute("service.name", job) } },
                ScopeMetrics = { new ScopeMetrics { Metrics = { metric } } },
            },
        },
    };

    private static KeyValue Attribute(string key, string value) => new() { Key = key, Value = new AnyValue { StringValue = value } };

    private static IEnumerable<NumberDataPoint> Points(long timeMs, double value) => Enumerable.Range(0, Width).Select(i =>
        new NumberDataPoint { TimeUnixNano = (ulong)timeMs * 1_000_000, AsDouble = value, Attributes = { Attribute("n", $"{i}") } });

    private class OtlpGrpc(Uri address) : Door
    {
        private readonly GrpcChannel channel = GrpcChannel.ForAddress(address);

        public override string Name => "otlp_grpc";

        protected virtual Metric Metric(long timeMs, double value) => new() { Name = Name, Gauge = new Gauge { DataPoints = { Points(timeMs, value) } } };

        public override async Task<DoorAnswer> SendAsync(long timeMs, double value)
        {
            try
            {
                var deadline = TimeProvider.System.GetUtcNow().UtcDateTime + Waiting.Default;
                var response = await new MetricsService.MetricsServiceClient(channel).ExportAsync(Export(Name, Metric(timeMs, value)), MetricsHost.Auth, deadline);
                return response.PartialSuccess is { RejectedDataPoints: > 0 } partial ? new(false, false, partial.ErrorMessage) : new(true, false, "");
            }
            catch (RpcException e)
            {
                return new(false, e.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded, e.Status.Detail);
            }
        }

        public override void Dispose() => channel.Dispose();
    }

    /// <summary>Increases of one: what is stored twice is counted twice, unless it is recognised.</summary>
    private sealed class OtlpDelta(Uri address) : OtlpGrpc(address)
    {
        public override string Name => "otlp_delta";

        protected override Metric Metric(long timeMs, double value)
        {
            var sum = new Sum { AggregationTemporality = AggregationTemporality.Delta, IsMonotonic = true };
            foreach (var point in Points(timeMs, 1))
            {
                point.StartTimeUnixNano = point.TimeUnixNano - 1_000_000;
                sum.DataPoints.Add(point);
            }
            return new Metric { Name = Name, Sum = sum };
        }
    }

    private abstract class Http(Uri address, string path, string type, string? encoding) : Door
    {
        private readonly HttpClient http = new() { BaseAddress = address };

        protected abstract byte[] Body(long timeMs, double value);

        public override async Task<DoorAnswer> SendAsync(long timeMs, double value)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(path, UriKind.Relative)) { Content = new ByteArrayContent(Body(timeMs, value)) };
            request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
            if (encoding is not null) request.Content.Headers.ContentEncoding.Add(encoding);
            request.Headers.Authorization = new("Bearer", MetricsHost.Token);
            try
            {
                using var response = await http.SendAsync(request);
                var text = await response.Content.ReadAsStringAsync();
                return new(response.IsSuccessStatusCode, response.StatusCode == HttpStatusCode.ServiceUnavailable, text);
            }
            catch (Exception e) when (e is HttpRequestException or IOException)
            {
                return new(false, true, e.Message);
            }
        }

        public override void Dispose() => http.Dispose();
    }

    private sealed class OtlpHttp(Uri address) : Http(address, "v1/metrics", "application/x-protobuf", null)
    {
        public override string Name => "otlp_http";

        protected override byte[] Body(long timeMs, double value) =>
            Export(Name, new Metric { Name = Name, Gauge = new Gauge { DataPoints = { Points(timeMs, value) } } }).ToByteArray();
    }

    private sealed class RemoteWrite(Uri address) : Http(address, "api/v1/write", "application/x-protobuf", "snappy")
    {
        public override string Name => "remote_write";

        protected override byte[] Body(long timeMs, double value)
        {
            var body = new Write1.WriteRequest();
            for (var i = 0; i < Width; i++) body.Timeseries.Add(RemoteWriteBodies.V1Series(Name, [("job", Name), ("n", $"{i}")], (timeMs, value)));
            return RemoteWriteBodies.Pack(body);
        }
    }

    private sealed class RemoteWrite2(Uri address) : Http(address, "api/v1/write", "application/x-protobuf;proto=io.prometheus.write.v2.Request", "snappy")
    {
        public override string Name => "remote_write2";

        protected override byte[] Body(long timeMs, double value)
        {
            var body = new Write2.Request();
            for (var i = 0; i < Width; i++) body.Add(Name, [("job", Name), ("n", $"{i}")], (timeMs, value));
            return RemoteWriteBodies.Pack(body);
        }
    }
}

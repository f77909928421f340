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
using Vigil.Metrics.V1;
using Vigil.Testing;
using Write1 = Prometheus.Write.V1;
using Write2 = Prometheus.Write.V2;

namespace Vigil.Metrics.Tests.Durability;

/// <summary>A push stream, opened anew for each batch. What was not acknowledged is sent again under its number, as the contract has it.</summary>
internal sealed class PushDoor(Uri address) : Door
{
    private readonly GrpcChannel channel = GrpcChannel.ForAddress(address);
    private readonly string stream = Guid.NewGuid().ToString("n");
    private ulong sequence = 1;

    public override string Name => "push";

    public override string Counter => "push";

    public override async Task<DoorAnswer> SendAsync(IReadOnlyList<DoorSample> samples)
    {
        using var call = new MetricsIngest.MetricsIngestClient(channel).Push(MetricsHost.Auth, TimeProvider.System.GetUtcNow().UtcDateTime + Waiting.Default);
        try
        {
            await WriteAsync(call, samples);
        }
        catch (Exception e) when (e is RpcException or InvalidOperationException)
        {
            // The call ended before all was sent: its status says why.
        }
        var refusals = new List<string>();
        try
        {
            while (await call.ResponseStream.MoveNext(CancellationToken.None))
            {
                var response = call.ResponseStream.Current;
                if (response.Refusal is { } refusal) refusals.Add($"{refusal.Series}: {refusal.Reason}: {refusal.Detail}");
                if (response.Ack is not { } ack) continue;
                sequence++;
                return new(ack.Refused == 0, false, string.Join("; ", refusals));
            }
            return new(false, true, "the stream ended without an answer");
        }
        catch (RpcException e)
        {
            return new(false, e.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded, e.Status.Detail);
        }
    }

    public override void Dispose() => channel.Dispose();

    private async Task WriteAsync(AsyncDuplexStreamingCall<PushRequest, PushResponse> call, IReadOnlyList<DoorSample> samples)
    {
        await call.RequestStream.WriteAsync(new PushRequest { Open = new Open { StreamId = stream } });
        var declare = new Declare();
        var frame = new Frame { Sequence = sequence };
        var numbers = new Dictionary<string, uint>();
        foreach (var sample in samples)
        {
            (string Name, string Value)[] labels = [("job", sample.Job ?? Name), .. sample.Labels];
            var text = MetricOf(sample) + string.Join(',', labels);
            if (!numbers.TryGetValue(text, out var number))
            {
                numbers.Add(text, number = (uint)numbers.Count + 1);
                declare.Series.Add(PushClient.Series(number, MetricOf(sample), labels));
            }
            frame.SeriesIds.Add(number);
            frame.TimeOffsetsMs.Add(sample.TimeMs);
            frame.Values.Add(sample.Value);
        }
        await call.RequestStream.WriteAsync(new PushRequest { Declare = declare });
        await call.RequestStream.WriteAsync(new PushRequest { Frame = frame });
    }
}

internal class OtlpGrpcDoor(Uri address) : Door
{
    private readonly GrpcChannel channel = GrpcChannel.ForAddress(address);

    public override string Name => "otlp_grpc";

    public override string Counter => "otlp";

    public override async Task<DoorAnswer> SendAsync(IReadOnlyList<DoorSample> samples)
    {
        try
        {
            var deadline = TimeProvider.System.GetUtcNow().UtcDateTime + Waiting.Default;
            var response = await new MetricsService.MetricsServiceClient(channel).ExportAsync(OtlpBodies.Export(ByJob(samples), MetricsOf), MetricsHost.Auth, deadline);
            return response.PartialSuccess is { RejectedDataPoints: > 0 } partial ? new(false, false, partial.ErrorMessage) : new(true, false, "");
        }
        catch (RpcException e)
        {
            return new(false, e.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded, e.Status.Detail);
        }
    }

    public override void Dispose() => channel.Dispose();

    protected virtual IEnumerable<Metric> MetricsOf(IEnumerable<DoorSample> samples) => OtlpBodies.Gauges(samples, MetricOf);
}

/// <summary>Increases of one: what is stored twice is counted twice, unless it is recognised.</summary>
internal sealed class OtlpDeltaDoor(Uri address) : OtlpGrpcDoor(address)
{
    public override string Name => "otlp_delta";

    protected override IEnumerable<Metric> MetricsOf(IEnumerable<DoorSample> samples)
    {
        foreach (var gauge in OtlpBodies.Gauges(samples, MetricOf))
        {
            var sum = new Sum { AggregationTemporality = AggregationTemporality.Delta, IsMonotonic = true };
            foreach (var point in gauge.Gauge.DataPoints)
            {
                point.StartTimeUnixNano = point.TimeUnixNano - 1_000_000;
                point.AsDouble = 1;
                sum.DataPoints.Add(point);
            }
            yield return new Metric { Name = gauge.Name, Sum = sum };
        }
    }
}

internal abstract class HttpDoor(Uri address, string path, string type, string? encoding) : Door
{
    private readonly HttpClient http = new() { BaseAddress = address };

    protected abstract byte[] Body(IReadOnlyList<DoorSample> samples);

    /// <summary>Of an answer that is no error: why it did not take all; empty where it did.</summary>
    protected virtual string Partial(byte[] answer) => "";

    public override async Task<DoorAnswer> SendAsync(IReadOnlyList<DoorSample> samples)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(path, UriKind.Relative)) { Content = new ByteArrayContent(Body(samples)) };
        request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        if (encoding is not null) request.Content.Headers.ContentEncoding.Add(encoding);
        request.Headers.Authorization = new("Bearer", MetricsHost.Token);
        try
        {
            using var response = await http.SendAsync(request);
            if (!response.IsSuccessStatusCode) return new(false, response.StatusCode == HttpStatusCode.ServiceUnavailable, await response.Content.ReadAsStringAsync());
            var partial = Partial(await response.Content.ReadAsByteArrayAsync());
            return new(partial.Length == 0, false, partial);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return new(false, true, e.Message);
        }
    }

    public override void Dispose() => http.Dispose();
}

internal sealed class OtlpHttpDoor(Uri address) : HttpDoor(address, "v1/metrics", "application/x-protobuf", null)
{
    public override string Name => "otlp_http";

    public override string Counter => "otlp";

    protected override byte[] Body(IReadOnlyList<DoorSample> samples) => OtlpBodies.Export(ByJob(samples), s => OtlpBodies.Gauges(s, MetricOf)).ToByteArray();

    protected override string Partial(byte[] answer) => ExportMetricsServiceResponse.Parser.ParseFrom(answer).PartialSuccess is { RejectedDataPoints: > 0 } partial ? partial.ErrorMessage : "";
}

internal sealed class RemoteWriteDoor(Uri address) : HttpDoor(address, "api/v1/write", "application/x-protobuf", "snappy")
{
    public override string Name => "remote_write";

    public override string Counter => "remote_write";

    protected override byte[] Body(IReadOnlyList<DoorSample> samples)
    {
        var body = new Write1.WriteRequest();
        foreach (var sample in samples) body.Timeseries.Add(RemoteWriteBodies.V1Series(MetricOf(sample), [("job", sample.Job ?? Name), .. sample.Labels], (sample.TimeMs, sample.Value)));
        return RemoteWriteBodies.Pack(body);
    }
}

internal sealed class RemoteWrite2Door(Uri address) : HttpDoor(address, "api/v1/write", "application/x-protobuf;proto=io.prometheus.write.v2.Request", "snappy")
{
    public override string Name => "remote_write2";

    public override string Counter => "remote_write";

    protected override byte[] Body(IReadOnlyList<DoorSample> samples)
    {
        var body = new Write2.Request();
        foreach (var sample in samples) body.Add(MetricOf(sample), [("job", sample.Job ?? Name), .. sample.Labels], (sample.TimeMs, sample.Value));
        return RemoteWriteBodies.Pack(body);
    }
}

/// <summary>Makes exports of OTLP.</summary>
file static class OtlpBodies
{
    public static ExportMetricsServiceRequest Export(IEnumerable<IGrouping<string, DoorSample>> jobs, Func<IEnumerable<DoorSample>, IEnumerable<Metric>> metrics)
    {
        var request = new ExportMetricsServiceRequest();
        foreach (var job in jobs)
        {
            request.ResourceMetrics.Add(new ResourceMetrics
            {
                Resource = new Resource { Attributes = { Attribute("service.name", job.Key) } },
                ScopeMetrics = { new ScopeMetrics { Metrics = { metrics(job) } } },
            });
        }
        return request;
    }

    public static IEnumerable<Metric> Gauges(IEnumerable<DoorSample> samples, Func<DoorSample, string> name) => samples.GroupBy(name).Select(metric => new Metric
    {
        Name = metric.Key,
        Gauge = new Gauge
        {
            DataPoints =
            {
                metric.Select(s => new NumberDataPoint { TimeUnixNano = (ulong)s.TimeMs * 1_000_000, AsDouble = s.Value, Attributes = { s.Labels.Select(l => Attribute(l.Name, l.Value)) } }),
            },
        },
    });

    private static KeyValue Attribute(string key, string value) => new() { Key = key, Value = new AnyValue { StringValue = value } };
}

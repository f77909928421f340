using Grpc.Core;
using Vigil.Metrics.V1;

namespace Vigil.StorageLoad;

/// <summary>Pushes all samples, one stream and one thread a service, and waits for their acknowledgements.</summary>
internal sealed class Load(MetricsProcess service, Shape shape, string name)
{
    private const int FrameSamples = 1_000;

    private static readonly long Now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() / 1000 * 1000;

    /// <summary>Time of the newest sample, at any jitter.</summary>
    public static long End0(Shape shape) => Now + shape.JitterMs;

    public long End => End0(shape);

    public async Task RunAsync(CancellationToken ct)
    {
        // Two at once: as many as there is work for on a small machine.
        await Parallel.ForAsync(0, shape.Services, new ParallelOptions { MaxDegreeOfParallelism = 2, CancellationToken = ct }, async (number, token) => await PushAsync(number, token));
    }

    private async Task PushAsync(int number, CancellationToken ct)
    {
        var count = shape.Series / shape.Services;
        var job = $"{name}-{number}";
        using var call = new MetricsIngest.MetricsIngestClient(service.Channel).Push(service.Auth, cancellationToken: ct);
        await call.RequestStream.WriteAsync(new PushRequest { Open = new Open { StreamId = job, Labels = { ["job"] = job } } }, ct);
        if (!await call.ResponseStream.MoveNext(ct)) throw new InvalidOperationException("the stream was not opened");
        var places = new SemaphoreSlim((int)call.ResponseStream.Current.Opened.MaxFramesInFlight);
        var declare = new Declare();
        for (var i = 0; i < count; i++) declare.Series.Add(Declaration(i));
        await call.RequestStream.WriteAsync(new PushRequest { Declare = declare }, ct);
        var acks = AcksAsync(call, places, ct);
        var request = new PushRequest { Frame = new Frame() };
        var values = new Values(count, number);
        var jitter = new Random(number);
        for (var sample = 0; sample < shape.Samples; sample++)
        {
            request.Frame.BaseTimeUnixMs = Now - (shape.Samples - 1L - sample) * shape.StepSeconds * 1000 + jitter.Next(shape.JitterMs + 1);
            for (var start = 0; start < count; start += FrameSamples)
            {
                await places.WaitAsync(ct);
                request.Frame.Sequence++;
                request.Frame.SeriesIds.Clear();
                request.Frame.Values.Clear();
                for (var i = start; i < Math.Min(start + FrameSamples, count); i++)
                {
                    request.Frame.SeriesIds.Add((uint)i + 1);
                    request.Frame.Values.Add(values.Next(i));
                }
                await call.RequestStream.WriteAsync(request, ct);
            }
        }
        await call.RequestStream.CompleteAsync();
        if (await acks != (long)count * shape.Samples) throw new InvalidOperationException("samples were refused");
    }

    private SeriesDeclaration Declaration(int i) => new()
    {
        Id = (uint)i + 1,
        Name = $"{name}_{i % Values.Names}",
        Kind = i % 10 < 4 ? SeriesKind.Counter : SeriesKind.Gauge,
        Labels =
        {
            new Label { Name = "instance", Value = $"10.0.{i / 1000}.{i / 10 % 100}:8080" },
            new Label { Name = "path", Value = $"/api/v1/orders/{i % 7}" },
            new Label { Name = "zone", Value = $"eu-{i % 3}" },
        },
    };

    private static async Task<long> AcksAsync(AsyncDuplexStreamingCall<PushRequest, PushResponse> call, SemaphoreSlim places, CancellationToken ct)
    {
        var accepted = 0L;
        while (await call.ResponseStream.MoveNext(ct))
        {
            if (call.ResponseStream.Current.Ack is not { } ack) throw new InvalidOperationException($"refused: {call.ResponseStream.Current}");
            accepted += ack.Accepted;
            places.Release();
        }
        return accepted;
    }
}

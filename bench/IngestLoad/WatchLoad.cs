using System.Diagnostics;
using Grpc.Core;
using Vigil.Metrics.V1;

namespace Vigil.IngestLoad;

/// <summary>How long from sending a sample until a watcher of an expression over it has the new value.</summary>
internal static class WatchLoad
{
    public static async Task<(double P50, double P99, double Most)> RunAsync(Service service, int times, CancellationToken ct)
    {
        using var channel = service.Connect();
        using var watch = new MetricsQuery.MetricsQueryClient(channel).Watch(Service.Auth, cancellationToken: ct);
        await watch.RequestStream.WriteAsync(new WatchRequest { Register = new WatchRegister { WatchId = "w", Expr = "flip{job=\"watched\"}" } }, ct);
        using var push = new MetricsIngest.MetricsIngestClient(channel).Push(Service.Auth, cancellationToken: ct);
        await push.RequestStream.WriteAsync(new PushRequest { Open = new Open { StreamId = "watched", Labels = { ["job"] = "watched" } } }, ct);
        await push.RequestStream.WriteAsync(new PushRequest { Declare = new Declare { Series = { new SeriesDeclaration { Id = 1, Name = "flip" } } } }, ct);
        var start = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() - times;
        var took = new double[times];
        for (var i = 0; i < times; i++)
        {
            var sent = Stopwatch.GetTimestamp();
            await push.RequestStream.WriteAsync(new PushRequest { Frame = new Frame { Sequence = (ulong)i + 1, BaseTimeUnixMs = start + i, SeriesIds = { 1 }, Values = { i } } }, ct);
            await UntilAsync(watch, i, ct);
            took[i] = Stopwatch.GetElapsedTime(sent).TotalMilliseconds;
        }
        Array.Sort(took);
        return (PushLoad.Percentile(took, 0.5), PushLoad.Percentile(took, 0.99), took[^1]);
    }

    private static async Task UntilAsync(AsyncDuplexStreamingCall<WatchRequest, WatchEvent> watch, double value, CancellationToken ct)
    {
        while (await watch.ResponseStream.MoveNext(ct))
        {
            if (watch.ResponseStream.Current.Vector?.Samples is [var only] && only.Value == value) return;
        }
        throw new InvalidOperationException("the watch ended");
    }
}

using System.Diagnostics;
using Grpc.Core;
using Grpc.Net.Client;
using Vigil.Metrics.V1;

namespace Vigil.IngestLoad;

/// <summary>What a run came to.</summary>
/// <param name="BytesPerSample">Allocated by the service.</param>
/// <param name="CpuSecondsPerMillion">Processor time of the service per million samples.</param>
internal sealed record PushResult(double SamplesPerSecond, double AckP50Ms, double AckP99Ms, double BytesPerSample, double CpuSecondsPerMillion);

/// <summary>Push streams that each keep as many frames under way as the server allows.</summary>
internal static class PushLoad
{
    /// <summary>Sent before anything is measured: after them the series have as many samples as they may, and the journal was trimmed.</summary>
    private const int FillFrames = 1_500;

    private static int runs;

    public static async Task<PushResult> RunAsync(Service service, int streams, int samplesPerFrame, TimeSpan time, CancellationToken ct)
    {
        runs++;
        using var channel = service.Connect();
        var opened = new List<Stream>();
        for (var i = 0; i < streams; i++) opened.Add(await Stream.OpenAsync(channel, $"run{runs}-stream{i}", samplesPerFrame, ct));
        await Task.WhenAll(opened.Select(s => Task.Run(() => s.FillAsync(ct), ct)));
        var before = await service.UsageAsync();
        var start = Stopwatch.GetTimestamp();
        await Task.WhenAll(opened.Select(s => Task.Run(() => s.RunAsync(start, time, ct), ct)));
        var elapsed = Stopwatch.GetElapsedTime(start);
        var used = await service.UsageAsync() - before;
        var samples = opened.Sum(s => s.Accepted);
        var latencies = opened.SelectMany(s => s.Latencies).Order().ToArray();
        foreach (var stream in opened) stream.Dispose();
        return new PushResult(samples / elapsed.TotalSeconds, Percentile(latencies, 0.5), Percentile(latencies, 0.99), (double)used.AllocatedBytes / samples, used.Cpu.TotalSeconds / samples * 1e6);
    }

    public static double Percentile(double[] sorted, double share) => sorted.Length == 0 ? double.NaN : sorted[(int)Math.Min(sorted.Length - 1, share * sorted.Length)];

    private sealed class Stream(AsyncDuplexStreamingCall<PushRequest, PushResponse> call, int framesInFlight, int samples) : IDisposable
    {
        private readonly SemaphoreSlim places = new(framesInFlight, framesInFlight);
        private readonly long[] sentAt = new long[framesInFlight + 1];

        // One message is used again for every frame: what the caller allocates is next to nothing.
        private readonly PushRequest request = new() { Frame = NewFrame(samples) };

        // Each stream is a service of its own whose samples are a millisecond apart, ending about now.
        private readonly long clock = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() - 600_000;

        private Task acks = Task.CompletedTask;

        public long Accepted { get; private set; }

        public List<double> Latencies { get; } = new(1 << 16);

        public static async Task<Stream> OpenAsync(GrpcChannel channel, string name, int samples, CancellationToken ct)
        {
            var call = new MetricsIngest.MetricsIngestClient(channel).Push(Service.Auth, cancellationToken: ct);
            await call.RequestStream.WriteAsync(new PushRequest { Open = new Open { StreamId = name, Labels = { ["job"] = name } } }, ct);
            if (!await call.ResponseStream.MoveNext(ct)) throw new InvalidOperationException("the stream was not opened");
            var declare = new Declare();
            for (uint i = 1; i <= samples; i++) declare.Series.Add(new SeriesDeclaration { Id = i, Name = "load", Kind = SeriesKind.Gauge, Labels = { new Label { Name = "i", Value = $"{i}" } } });
            await call.RequestStream.WriteAsync(new PushRequest { Declare = declare }, ct);
            var stream = new Stream(call, (int)call.ResponseStream.Current.Opened.MaxFramesInFlight, samples);
            stream.acks = stream.AcksAsync(ct);
            return stream;
        }

        public async Task FillAsync(CancellationToken ct)
        {
            for (var i = 0; i < FillFrames; i++) await SendAsync(ct);
            // All places are free again: all is acknowledged.
            for (var i = 0; i < framesInFlight; i++) await places.WaitAsync(ct);
            places.Release(framesInFlight);
            Accepted = 0;
            Latencies.Clear();
        }

        public async Task RunAsync(long start, TimeSpan time, CancellationToken ct)
        {
            while (Stopwatch.GetElapsedTime(start) < time) await SendAsync(ct);
            await call.RequestStream.CompleteAsync();
            await acks;
        }

        public void Dispose()
        {
            call.Dispose();
            places.Dispose();
        }

        private static Frame NewFrame(int samples)
        {
            var frame = new Frame();
            for (uint i = 1; i <= samples; i++)
            {
                frame.SeriesIds.Add(i);
                frame.Values.Add(0);
            }
            return frame;
        }

        private async Task SendAsync(CancellationToken ct)
        {
            await places.WaitAsync(ct);
            var frame = request.Frame;
            frame.Sequence++;
            frame.BaseTimeUnixMs = clock + (long)frame.Sequence;
            for (var i = 0; i < samples; i++) frame.Values[i] = (frame.Sequence + (ulong)i) % 97;
            sentAt[frame.Sequence % (ulong)sentAt.Length] = Stopwatch.GetTimestamp();
            await call.RequestStream.WriteAsync(request, ct);
        }

        private async Task AcksAsync(CancellationToken ct)
        {
            while (await call.ResponseStream.MoveNext(ct))
            {
                if (call.ResponseStream.Current.Ack is not { } ack) throw new InvalidOperationException($"refused: {call.ResponseStream.Current.Refusal}");
                if (ack.Accepted != samples) throw new InvalidOperationException($"frame {ack.Sequence}: {ack}");
                Accepted += ack.Accepted;
                Latencies.Add(Stopwatch.GetElapsedTime(sentAt[ack.Sequence % (ulong)sentAt.Length]).TotalMilliseconds);
                places.Release();
            }
        }
    }
}

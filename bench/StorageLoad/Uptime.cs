using System.Diagnostics;
using Grpc.Core;
using Vigil.Metrics.V1;

namespace Vigil.StorageLoad;

/// <summary>30 days of uptime of many services, from every sample and from rollups.</summary>
internal static class Uptime
{
    private const int Days = 30;
    private const int StepMs = 15_000;
    private const int FrameSamples = 20_000;

    public static async Task<int> RunAsync(int services, string folder, string[] settings, CancellationToken ct)
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() / StepMs * StepMs;
        var samples = Days * 86_400_000L / StepMs;
        Console.WriteLine($"{services} services, a probe every {StepMs / 1000} s for {Days} days: {services * samples:N0} samples; SQLite; {Environment.ProcessorCount} processors");
        await using var service = await MetricsProcess.StartAsync(folder, ["Metrics:CheckpointInterval=00:00:05", "Metrics:QueryTimeout=00:02:00", .. settings]);
        var cpu = service.Cpu;
        await Parallel.ForAsync(0, services, new ParallelOptions { MaxDegreeOfParallelism = 2, CancellationToken = ct }, async (number, token) => await PushAsync(service, number, now, samples, token));
        Console.WriteLine($"pushed: {(service.Cpu - cpu).TotalSeconds:N1} s of processor time");
        cpu = service.Cpu;
        // Until nothing is left to roll up.
        var (pages, before) = (0d, -1d);
        while (pages == 0 || pages > before)
        {
            before = pages;
            await Task.Delay(TimeSpan.FromSeconds(15), ct);
            pages = await service.CounterAsync("vigil_metrics_rollups_pages_total");
        }
        Console.WriteLine($"rolled up: {pages:N0} pages of samples, {(service.Cpu - cpu).TotalSeconds:N1} s of processor time, waiting for it included");
        // Functions that cost as much to evaluate: the second one has to see every sample.
        var rolled = await MeasureAsync(service, "rollups: avg_over_time(probe_success[30d])", "avg(avg_over_time(probe_success[30d]))", 20, now, ct);
        var single = await MeasureAsync(service, "samples: quantile_over_time(0, probe_success[30d])", "avg(quantile_over_time(0, probe_success[30d]))", 3, now, ct);
        await MeasureAsync(service, "rollups: one service", "avg_over_time(probe_success{job=\"web-7\"}[30d])", 50, now, ct);
        Console.WriteLine($"all {services} services from rollups take 1/{single / rolled:N0} of the processor time");
        await service.StopAsync();
        return 0;
    }

    private static async Task<double> MeasureAsync(MetricsProcess service, string name, string expression, int times, long now, CancellationToken ct)
    {
        await service.QueryAsync(expression, now, ct);
        var (start, cpu, value) = (Stopwatch.GetTimestamp(), service.Cpu, 0d);
        // At other moments each, none of which a period ends at.
        for (var i = 0; i < times; i++) value = await service.QueryAsync(expression, now - i * 1_000, ct);
        var took = (service.Cpu - cpu).TotalMilliseconds / times;
        Console.WriteLine($"{name}: {took:N1} ms of processor time, {Stopwatch.GetElapsedTime(start).TotalMilliseconds / times:N1} ms elapsed ({value:N6})");
        return took;
    }

    private static async Task PushAsync(MetricsProcess service, int number, long now, long samples, CancellationToken ct)
    {
        using var call = new MetricsIngest.MetricsIngestClient(service.Channel).Push(service.Auth, cancellationToken: ct);
        await call.RequestStream.WriteAsync(new PushRequest { Open = new Open { StreamId = $"uptime-{number}", Labels = { ["job"] = $"web-{number}" } } }, ct);
        await call.RequestStream.WriteAsync(new PushRequest { Declare = new Declare { Series = { new SeriesDeclaration { Id = 1, Name = "probe_success", Kind = SeriesKind.Gauge } } } }, ct);
        var random = new Random(number);
        var down = 0;
        for (var sent = 0L; sent < samples;)
        {
            var frame = new Frame { Sequence = (ulong)(sent / FrameSamples + 1), BaseTimeUnixMs = now - (samples - 1 - sent) * StepMs };
            for (var i = 0; i < FrameSamples && sent < samples; i++, sent++)
            {
                // Down about once in three days, for ten minutes at most.
                if (down == 0 && random.Next(17_280) == 0) down = random.Next(1, 40);
                frame.SeriesIds.Add(1);
                frame.TimeOffsetsMs.Add((long)i * StepMs);
                frame.Values.Add(down > 0 ? 0 : 1);
                down = Math.Max(0, down - 1);
            }
            await call.RequestStream.WriteAsync(new PushRequest { Frame = frame }, ct);
        }
        await call.RequestStream.CompleteAsync();
        var accepted = 0L;
        while (await call.ResponseStream.MoveNext(ct))
        {
            if (call.ResponseStream.Current.Refusal is { } refusal) throw new InvalidOperationException($"refused: {refusal}");
            accepted += call.ResponseStream.Current.Ack?.Accepted ?? 0;
        }
        if (accepted != samples) throw new InvalidOperationException($"{accepted} of {samples} samples were taken");
    }
}

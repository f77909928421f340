using System.Diagnostics;
using Vigil.RemoteWriteLoad;

namespace Vigil.QueryLoad;

/// <summary>From the start of the process to the first correct answer.</summary>
internal static class RestartRun
{
    public static async Task RunAsync(IReadOnlyList<string> names, Shape shape, int rounds, TimeSpan settle)
    {
        Console.WriteLine();
        Console.WriteLine($"{shape.PerMetric:N0} series, {shape.Steps:N0} samples each, every {shape.StepMs / 1000} s; from the start of the process to a correct count of all series, median of {rounds}");
        Console.WriteLine($"{"",-20}{"after",-12}{"seconds",9}{"CPU s",9}");
        var receivers = new List<Receiver>();
        try
        {
            foreach (var name in names) receivers.Add(await Receiver.StartAsync(name));
            await Loading.SendAsync(receivers, new Workload(shape, metrics: 1));
            await Loading.SettleAsync(receivers, settle);
            foreach (var receiver in receivers)
            {
                await MeasureAsync(receiver, shape, "kill -9", rounds, r => r.KillAsync());
                await MeasureAsync(receiver, shape, "SIGTERM", rounds, r => r.StopAsync());
                await receiver.KillAsync();
            }
        }
        finally
        {
            foreach (var receiver in receivers) await receiver.DisposeAsync();
        }
    }

    private static async Task MeasureAsync(Receiver receiver, Shape shape, string end, int rounds, Func<Receiver, Task> stop)
    {
        var (seconds, cpu) = (new List<double>(), new List<double>());
        for (var round = 0; round < rounds; round++)
        {
            await stop(receiver);
            var start = Stopwatch.GetTimestamp();
            receiver.StartAgain();
            using var client = new Client(receiver);
            while (await client.TryNumberAsync($"count({Workload.Metrics[0]})", shape.EndMs) != shape.PerMetric)
            {
                receiver.ThrowIfEnded();
                if (Stopwatch.GetElapsedTime(start) > TimeSpan.FromMinutes(5)) throw new TimeoutException($"{receiver.Name} gave no correct answer within 5 minutes");
                await Task.Delay(10);
            }
            seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            cpu.Add(receiver.CpuSeconds);
        }
        Console.WriteLine($"{receiver.Name,-20}{end,-12}{Median(seconds),9:N2}{Median(cpu),9:N2}");
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}

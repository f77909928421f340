using System.CommandLine;
using System.Diagnostics;
using Vigil.RemoteWriteLoad;

var receivers = new Option<string[]>("--receivers") { Description = "vigil, prometheus, victoria-metrics: each alone.", DefaultValueFactory = _ => [.. Receiver.All], AllowMultipleArgumentsPerToken = true };
var series = new Option<int>("--series") { Description = "Series of the processor time runs.", DefaultValueFactory = _ => 10_000 };
var millions = new Option<double>("--millions") { Description = "Million samples in each processor time run; 0 for none.", DefaultValueFactory = _ => 2 };
var memory = new Option<int>("--memory") { Description = "Series of the memory run, with 2 h at 15 s each; 0 for none.", DefaultValueFactory = _ => 100_000 };
var connections = new Option<int>("--connections") { Description = "Connections at once.", DefaultValueFactory = _ => 4 };

const int PerBody = 500;
const int WarmRequests = 3_000;
var root = new RootCommand("Sends the same remote write requests to Vigil, Prometheus and VictoriaMetrics, and prints what each used.") { receivers, series, millions, memory, connections };
root.SetAction(async (parsed, _) =>
{
    var names = parsed.GetValue(receivers)!;
    if (parsed.GetValue(millions) > 0)
    {
        Console.WriteLine($"{parsed.GetValue(series):N0} series, requests of {PerBody} series; processor seconds of the receiver per million samples, and million samples a second");
        Console.WriteLine($"{"",-18}{"1 sample each",24}{"10 samples each",24}");
        foreach (var name in names)
        {
            Console.Write($"{name,-18}");
            foreach (var samples in new[] { 1, 10 })
            {
                var (cpu, rate) = await CpuAsync(name, parsed.GetValue(series), samples, parsed.GetValue(millions), parsed.GetValue(connections));
                Console.Write($"{$"{cpu:N2} s  {rate:N2} M/s",24}");
            }
            Console.WriteLine();
        }
    }
    if (parsed.GetValue(memory) > 0)
    {
        Console.WriteLine($"{parsed.GetValue(memory):N0} series, 480 samples each, 15 s apart");
        Console.WriteLine($"{"",-18}{"resident B/series",20}{"above empty",14}{"disk B/sample running",24}{"and stopped",14}");
        foreach (var name in names) await MemoryAsync(name, parsed.GetValue(memory), parsed.GetValue(connections));
    }
});
return await root.Parse(args).InvokeAsync();

static long StartOf(int steps) => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() / Bodies.StepMs * Bodies.StepMs - (long)steps * Bodies.StepMs;

static async Task<(double Cpu, double MillionsPerSecond)> CpuAsync(string name, int series, int samples, double millions, int connections)
{
    // Before anything is counted: series are known, and code is compiled, which takes a runtime like .NET some thousand requests.
    var warm = Math.Max(1, WarmRequests * PerBody / series);
    var passes = Math.Max(1, (int)(millions * 1e6 / series / samples));
    await using var receiver = await Receiver.StartAsync(name);
    using var sender = new Sender(receiver.WriteAddress, connections);
    var bodies = new Bodies(series, PerBody, StartOf((warm + passes) * samples));
    await sender.SendAsync(bodies, 0, warm, samples);
    // What is done later for what came before is done by then, and for what comes now is counted.
    await Task.Delay(TimeSpan.FromSeconds(2));
    var (before, start) = (receiver.CpuSeconds, Stopwatch.GetTimestamp());
    await sender.SendAsync(bodies, warm * samples, passes, samples);
    var elapsed = Stopwatch.GetElapsedTime(start);
    await Task.Delay(TimeSpan.FromSeconds(2));
    var sent = (double)passes * series * samples / 1e6;
    return ((receiver.CpuSeconds - before) / sent, sent / elapsed.TotalSeconds);
}

static async Task MemoryAsync(string name, int series, int connections)
{
    const int Steps = 480;
    const int Samples = 10;
    await using var receiver = await Receiver.StartAsync(name);
    using var sender = new Sender(receiver.WriteAddress, connections);
    var empty = receiver.ResidentBytes;
    await sender.SendAsync(new Bodies(series, PerBody, StartOf(Steps)), 0, Steps / Samples, Samples);
    // All of them give memory back some time after they were busy.
    await Task.Delay(TimeSpan.FromSeconds(75));
    var (resident, running) = (receiver.ResidentBytes, receiver.DiskBytes);
    await receiver.StopAsync();
    var count = (double)series * Steps;
    Console.WriteLine($"{name,-18}{resident / (double)series,20:N0}{(resident - empty) / (double)series,14:N0}{running / count,24:N2}{receiver.DiskBytes / count,14:N2}");
}

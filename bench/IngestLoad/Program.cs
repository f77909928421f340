using System.CommandLine;
using Vigil.IngestLoad;

if (args is [ServiceHost.Command, ..])
{
    await ServiceHost.RunAsync(args[1..]);
    return 0;
}

var seconds = new Option<double>("--seconds") { Description = "Length of each run.", DefaultValueFactory = _ => 5 };
var streams = new Option<int[]>("--streams") { Description = "Push streams at once, one run each.", DefaultValueFactory = _ => [1, 4], AllowMultipleArgumentsPerToken = true };
var frame = new Option<int>("--frame") { Description = "Samples in a frame.", DefaultValueFactory = _ => 1_000 };
var flips = new Option<int>("--flips") { Description = "Samples sent one by one, each followed until a watcher hears of it.", DefaultValueFactory = _ => 1_000 };
var postgres = new Option<string?>("--postgres") { Description = "Connection string; SQLite in a temporary folder otherwise." };
var set = new Option<string[]>("--set") { Description = "Further settings of the service, key=value.", DefaultValueFactory = _ => [] };
var types = new Option<bool>("--allocations") { Description = "Print what the service allocated in the last run, by type." };
var guard = new Option<double?>("--guard") { Description = "Fail when the service allocates more bytes a sample than this." };

var root = new RootCommand("Streams samples into the Metrics service, which runs in a process of its own, and waits for the acknowledgements: they come once the samples are durable.")
{
    seconds, streams, frame, flips, postgres, set, types, guard,
};
root.SetAction(async (parsed, ct) =>
{
    string[] settings =
    [
        // Little history: blocks leave memory as fast as new ones come within seconds, as they do after hours in a service.
        "Metrics:MaxSamplesInMemoryPerSeries=480", "Metrics:CheckpointJournalBytes=4194304",
        .. parsed.GetValue(set)!,
        .. parsed.GetValue(postgres) is { } connection ? [$"ConnectionStrings:postgres={connection}"] : Array.Empty<string>(),
        .. parsed.GetValue(types) ? [ServiceHost.Allocations] : Array.Empty<string>(),
    ];
    await using var service = await Service.StartAsync(settings);
    Console.WriteLine($"{parsed.GetValue(frame):N0} samples a frame, {parsed.GetValue(seconds):0.#} s a run, {(parsed.GetValue(postgres) is null ? "SQLite, synchronous=FULL" : "PostgreSQL")}; .NET {Environment.Version}, {Environment.ProcessorCount} processors; bytes and CPU are the service's alone");
    Console.WriteLine($"{"streams",8}{"samples/s",14}{"ack p50 ms",12}{"ack p99 ms",12}{"bytes/sample",14}{"bytes/frame",13}{"CPU s/1M",10}");
    // Once unmeasured: code is compiled, pools fill, heads grow to their size.
    await PushLoad.RunAsync(service, 1, parsed.GetValue(frame), TimeSpan.FromSeconds(2), ct);
    var worst = 0.0;
    foreach (var count in parsed.GetValue(streams)!)
    {
        var result = await PushLoad.RunAsync(service, count, parsed.GetValue(frame), TimeSpan.FromSeconds(parsed.GetValue(seconds)), ct);
        Console.WriteLine($"{count,8}{result.SamplesPerSecond,14:N0}{result.AckP50Ms,12:N1}{result.AckP99Ms,12:N1}{result.BytesPerSample,14:N2}{result.BytesPerSample * parsed.GetValue(frame),13:N0}{result.CpuSecondsPerMillion,10:N3}");
        worst = Math.Max(worst, result.BytesPerSample);
    }
    if (parsed.GetValue(flips) > 0)
    {
        var (p50, p99, most) = await WatchLoad.RunAsync(service, parsed.GetValue(flips), ct);
        Console.WriteLine($"sample sent to watcher told, {parsed.GetValue(flips):N0} times: p50 {p50:N1} ms, p99 {p99:N1} ms, most {most:N1} ms");
    }
    if (parsed.GetValue(guard) is not { } limit || worst <= limit) return 0;
    Console.Error.WriteLine($"FAIL: the service allocates {worst:N2} bytes a sample; the guard is {limit:N2}");
    return 1;
});
return await root.Parse(args).InvokeAsync();

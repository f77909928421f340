using System.CommandLine;
using Vigil.IngestLoad;

var seconds = new Option<double>("--seconds") { Description = "Length of each run.", DefaultValueFactory = _ => 5 };
var streams = new Option<int[]>("--streams") { Description = "Push streams at once, one run each.", DefaultValueFactory = _ => [1, 4], AllowMultipleArgumentsPerToken = true };
var frame = new Option<int>("--frame") { Description = "Samples in a frame.", DefaultValueFactory = _ => 1_000 };
var flips = new Option<int>("--flips") { Description = "Samples sent one by one, each followed until a watcher hears of it.", DefaultValueFactory = _ => 1_000 };
var postgres = new Option<string?>("--postgres") { Description = "Connection string; SQLite in a temporary folder otherwise." };
var guard = new Option<double?>("--guard") { Description = "Fail when a sample allocates more bytes than this." };

var root = new RootCommand("Streams samples into the Metrics service, which runs in this process, and waits for the acknowledgements: they come once the samples are durable.")
{
    seconds, streams, frame, flips, postgres, guard,
};
root.SetAction(async (parsed, ct) =>
{
    await using var service = await Service.StartAsync(parsed.GetValue(postgres));
    Console.WriteLine($"{parsed.GetValue(frame):N0} samples a frame, {parsed.GetValue(seconds):0.#} s a run, {(parsed.GetValue(postgres) is null ? "SQLite, synchronous=FULL" : "PostgreSQL")}; .NET {Environment.Version}, {Environment.ProcessorCount} processors, caller and service in one process");
    Console.WriteLine($"{"streams",8}{"samples/s",14}{"ack p50 ms",12}{"ack p99 ms",12}{"bytes/sample",14}");
    // Once unmeasured: code is compiled, pools fill, heads grow to their size.
    await PushLoad.RunAsync(service, 1, parsed.GetValue(frame), TimeSpan.FromSeconds(2), ct);
    var worst = 0.0;
    foreach (var count in parsed.GetValue(streams)!)
    {
        var result = await PushLoad.RunAsync(service, count, parsed.GetValue(frame), TimeSpan.FromSeconds(parsed.GetValue(seconds)), ct);
        Console.WriteLine($"{count,8}{result.SamplesPerSecond,14:N0}{result.AckP50Ms,12:N1}{result.AckP99Ms,12:N1}{result.BytesPerSample,14:N1}");
        worst = Math.Max(worst, result.BytesPerSample);
    }
    if (parsed.GetValue(flips) > 0)
    {
        var (p50, p99, most) = await WatchLoad.RunAsync(service, parsed.GetValue(flips), ct);
        Console.WriteLine($"sample sent to watcher told, {parsed.GetValue(flips):N0} times: p50 {p50:N1} ms, p99 {p99:N1} ms, most {most:N1} ms");
    }
    if (parsed.GetValue(guard) is not { } limit || worst <= limit) return 0;
    Console.Error.WriteLine($"FAIL: a sample allocates {worst:N1} bytes; the guard is {limit:N1}");
    return 1;
});
return await root.Parse(args).InvokeAsync();

using System.Buffers.Binary;
using System.CommandLine;
using System.Diagnostics;
using Vigil.StorageLoad;

var series = new Option<int>("--series") { Description = "Series in all.", DefaultValueFactory = _ => 100_000 };
var services = new Option<int>("--services") { Description = "Services that they belong to: one grain each.", DefaultValueFactory = _ => 10 };
var samples = new Option<int>("--samples") { Description = "Samples of each series.", DefaultValueFactory = _ => 480 };
var step = new Option<int>("--step") { Description = "Seconds between them.", DefaultValueFactory = _ => 15 };
var jitter = new Option<int>("--jitter") { Description = "Most milliseconds by which a round of samples is late.", DefaultValueFactory = _ => 0 };
var keep = new Option<string?>("--folder") { Description = "Where the data is put and kept; otherwise in a temporary folder." };
var set = new Option<string[]>("--set") { Description = "Further settings of the service, key=value.", DefaultValueFactory = _ => [] };
var uptime = new Option<int>("--uptime") { Description = "Instead: 30 days of uptime of so many services, from rollups and from every sample." };
var growth = new Option<bool>("--growth") { Description = "Instead: how processor time and memory grow, from 10,000 series to a million." };

var root = new RootCommand("Fills the Metrics service, which runs in a process of its own, and says what it takes: memory, disk, time to be there again after a restart, and the time of range queries.")
{
    series, services, samples, step, jitter, keep, set, uptime, growth,
};
root.SetAction(async (parsed, ct) =>
{
    var shape = new Shape(parsed.GetValue(series), parsed.GetValue(services), parsed.GetValue(samples), parsed.GetValue(step), parsed.GetValue(jitter));
    if (parsed.GetValue(growth))
    {
        await Growth.RunAsync(parsed.GetResult(samples)!.Implicit ? Growth.Samples : shape.Samples, shape.StepSeconds, parsed.GetValue(set)!, ct);
        return 0;
    }
    var folder = parsed.GetValue(keep) is { } kept ? Directory.CreateDirectory(kept).FullName : Directory.CreateTempSubdirectory("vigil-storage-load-").FullName;
    try
    {
        if (parsed.GetValue(uptime) is > 0 and var probed) return await Uptime.RunAsync(probed, folder, parsed.GetValue(set)!, ct);
        Console.WriteLine($"{shape.Series:N0} series of {shape.Services:N0} services, {shape.Samples:N0} samples each, every {shape.StepSeconds} s, of {Values.Mix}; SQLite, synchronous=FULL; {Environment.ProcessorCount} processors");
        var all = (double)shape.Series * shape.Samples;
        await using (var service = await MetricsProcess.StartAsync(folder, parsed.GetValue(set)!))
        {
            await new Load(service, shape with { Series = shape.Services, Samples = 2 }, "warm").RunAsync(ct);
            var empty = service.ResidentBytes;
            var (start, cpu) = (Stopwatch.GetTimestamp(), service.Cpu);
            var load = new Load(service, shape, "load");
            await load.RunAsync(ct);
            Console.WriteLine($"pushed: {all / Stopwatch.GetElapsedTime(start).TotalSeconds:N0} samples/s, {(service.Cpu - cpu).TotalSeconds / all * 1e6:N3} CPU s per million samples");
            // The service looks twice a minute whether memory can be given back.
            await Task.Delay(TimeSpan.FromSeconds(65), ct);
            await ReportAsync("after the load", service, empty, shape);
            await QueryAsync(service, shape, load.End, ct);
            Console.WriteLine($"stopped in {await service.StopAsync():N1} s");
        }
        var bytes = new DirectoryInfo(folder).EnumerateFiles("*.db*").Sum(f => f.Length);
        var header = new byte[40];
        await using (var file = File.OpenRead(Path.Combine(folder, "metrics.db"))) await file.ReadExactlyAsync(header, ct);
        // SQLite's file format: bytes of a page at 16, free pages at 36. They held the journal, which is long because hours are pushed within seconds, and are used again.
        var free = (long)BinaryPrimitives.ReadUInt16BigEndian(header.AsSpan(16)) * BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(36));
        Console.WriteLine($"on disk: {(bytes - free) / 1e6:N1} MB in use, {(bytes - free) / all:N3} bytes a sample; {free / 1e6:N1} MB free in the file");
        var began = Stopwatch.GetTimestamp();
        await using (var service = await MetricsProcess.StartAsync(folder, parsed.GetValue(set)!))
        {
            Console.WriteLine($"restarted: ready after {Stopwatch.GetElapsedTime(began).TotalSeconds:N2} s");
            var counted = await service.QueryAsync($"count({{__name__=~\"load_.*\"}})", Load.End0(shape), ct);
            Console.WriteLine($"first answer after {Stopwatch.GetElapsedTime(began).TotalSeconds:N2} s from the start of the process, {(counted == shape.Series ? "correct" : $"WRONG: {counted} series")}; {service.Cpu.TotalSeconds:N2} CPU s");
            await Task.Delay(TimeSpan.FromSeconds(65), ct);
            await ReportAsync("after the restart", service, 0, shape);
            await QueryAsync(service, shape, Load.End0(shape), ct);
            if (counted != shape.Series) return 1;
        }
        return 0;
    }
    finally
    {
        if (parsed.GetValue(keep) is null) Directory.Delete(folder, recursive: true);
    }
});
return await root.Parse(args).InvokeAsync();

static async Task ReportAsync(string when, MetricsProcess service, long empty, Shape shape)
{
    var resident = service.ResidentBytes;
    Console.WriteLine($"memory {when}: {resident / 1e6:N0} MB resident, {service.MappedFileBytes / 1e6:N0} MB of it program files; {resident / (double)shape.Series:N0} bytes a series" + (empty == 0 ? "" : $"; above the empty service's {empty / 1e6:N0} MB: {(resident - empty) / (double)shape.Series:N0} bytes a series"));
    Console.WriteLine($"    {await service.HeapAsync()}");
}

static async Task QueryAsync(MetricsProcess service, Shape shape, long end, CancellationToken ct)
{
    var times = new List<double>();
    for (var i = 0; i < 12; i++)
    {
        var began = Stopwatch.GetTimestamp();
        var found = await service.QueryRangeAsync($"sum(rate(load_0{{job=\"load-{i % shape.Services}\"}}[5m]))", end - (shape.Samples - 1L) * shape.StepSeconds * 1000, end, 60, ct);
        // The first one is not like the others.
        if (i > 1) times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        if (found != 1) Console.WriteLine($"WRONG: {found} series");
    }
    times.Sort();
    Console.WriteLine($"query_range over all the time, sum of the rates of {shape.Series / shape.Services / Values.Names:N0} series: median {times[times.Count / 2]:N1} ms, most {times[^1]:N1} ms");
}

// What the silo carries: dotnet run -c Release --project bench/GrainLoad [-- SECONDS_PER_MEASUREMENT]
using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Hosting;
using Vigil.GrainLoad;

var seconds = args.Length > 0 ? double.Parse(args[0], System.Globalization.CultureInfo.InvariantCulture) : 2;
var folder = Directory.CreateTempSubdirectory("vigil-grainload-").FullName;
var builder = Host.CreateApplicationBuilder();
builder.Logging.ClearProviders();
builder.UseOrleans(silo => silo.UseLocalhostClustering().AddAdoNetGrainStorage("state", options =>
    (options.Invariant, options.ConnectionString) = ("System.Data.SQLite", $"Data Source={Path.Combine(folder, "grains.db")}")));
using var host = builder.Build();
await host.StartAsync();
var grains = host.Services.GetRequiredService<IGrainFactory>();
Console.WriteLine($"{Environment.ProcessorCount} cores, .NET {Environment.Version}, {seconds:0.#} s each");

var hot = grains.GetGrain<ILoadGrain>("hot");
await Report("one hot grain, 64 callers", 64, _ => hot.Add(1));
var many = Enumerable.Range(0, 10_000).Select(i => grains.GetGrain<ILoadGrain>($"many{i}")).ToArray();
await Task.WhenAll(many.Select(grain => grain.Add(1)));
await Report("10,000 grains, 64 callers", 64, i => many[i % many.Length].Add(1));
await Report("one caller, one grain", 1, _ => hot.Add(1));

await Idle(200_000);
await WithState(20_000);

await host.StopAsync();
Directory.Delete(folder, recursive: true);

async Task Report(string what, int callers, Func<int, Task<int>> call)
{
    await Run(callers, call, 0.3);
    var allocated = GC.GetTotalAllocatedBytes();
    var (calls, elapsed) = await Run(callers, call, seconds);
    var bytes = (GC.GetTotalAllocatedBytes() - allocated) / (double)calls;
    Console.WriteLine($"{what,-30} {calls / elapsed.TotalSeconds,12:N0} calls/s {bytes,8:0} B/call");
}

async Task<(long Calls, TimeSpan Elapsed)> Run(int callers, Func<int, Task<int>> call, double time)
{
    var clock = Stopwatch.StartNew();
    var counts = await Task.WhenAll(Enumerable.Range(0, callers).Select(caller => Task.Run(async () =>
    {
        long count = 0;
        for (var i = caller * 157; clock.Elapsed.TotalSeconds < time; i++, count++) await call(i & int.MaxValue);
        return count;
    })));
    return (counts.Sum(), clock.Elapsed);
}

async Task Idle(int count)
{
    var before = Settled();
    var clock = Stopwatch.StartNew();
    for (var start = 0; start < count; start += 1000)
        await Task.WhenAll(Enumerable.Range(start, 1000).Select(i => grains.GetGrain<ILoadGrain>($"idle{i}").Add(1)));
    var elapsed = clock.Elapsed;
    Console.WriteLine($"{count,0:N0} idle activations      {count / elapsed.TotalSeconds,12:N0} activations/s {(Settled() - before) / (double)count,8:0} B each");
}

async Task WithState(int count)
{
    var clock = Stopwatch.StartNew();
    await Task.WhenAll(Enumerable.Range(0, count).Select(i => grains.GetGrain<IStateLoadGrain>($"new{i}").Save(i)));
    Console.WriteLine($"{"first write of new grains",-30} {count / clock.Elapsed.TotalSeconds,12:N0} writes/s, SQLite, on disk");
    await Task.WhenAll(Enumerable.Range(0, count).Select(i => grains.GetGrain<IStateLoadGrain>($"new{i}").Go()));
    clock.Restart();
    var sum = (await Task.WhenAll(Enumerable.Range(0, count).Select(i => grains.GetGrain<IStateLoadGrain>($"new{i}").Load()))).Sum(value => (long)value);
    if (sum != (long)count * (count - 1) / 2) throw new InvalidOperationException("state was lost");
    Console.WriteLine($"{"activations with state",-30} {count / clock.Elapsed.TotalSeconds,12:N0} activations/s, read from SQLite");
    clock.Restart();
    await Task.WhenAll(Enumerable.Range(0, count).Select(i => grains.GetGrain<IStateLoadGrain>($"new{i}").Save(i)));
    Console.WriteLine($"{"writes of 20,000 grains",-30} {count / clock.Elapsed.TotalSeconds,12:N0} writes/s, SQLite, on disk");
}

static long Settled()
{
    for (var i = 0; i < 3; i++)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }
    return GC.GetTotalMemory(forceFullCollection: true);
}

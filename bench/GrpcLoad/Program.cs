using System.Globalization;
using Vigil.GrpcLoad;

LoadOptions options;
try
{
    options = LoadOptions.Parse(args);
}
catch (FormatException e)
{
    Console.Error.WriteLine($"{e.Message}\n\n{LoadOptions.Usage}");
    return 2;
}

var (bareApp, bareAddress) = await Servers.StartBareAsync();
var (grpcApp, grpcAddress) = await Servers.StartGrpcAsync();
await using var first = bareApp;
await using var second = grpcApp;
using var loads = new Loads(bareAddress, grpcAddress, options);

var failures = new List<string>();
Console.WriteLine($"{options.Rounds} rounds of {options.Seconds.ToString(CultureInfo.InvariantCulture)} s each, medians; .NET {Environment.Version}, {Environment.ProcessorCount} processors");
Console.WriteLine($"{"",-34}{"bare HTTP/2",14}{"gRPC",14}{"share",9}");
if (options.Only != "stream")
{
    var (bare, grpc) = await CompareAsync(loads.BareUnaryAsync, loads.GrpcUnaryAsync);
    Line($"unary calls/s, {options.Concurrent} at a time", bare, grpc, s => s.PerSecond, "N0");
    var bytes = Measure.Median(grpc.Select(s => s.AllocatedPerUnit));
    Console.WriteLine($"{"bytes allocated per unary call",-34}{Measure.Median(bare.Select(s => s.AllocatedPerUnit)).ToString("N0", CultureInfo.InvariantCulture),14}{bytes.ToString("N0", CultureInfo.InvariantCulture),14}");
    var (bareCpu, grpcCpu) = (Measure.Median(bare.Select(s => s.CpuPerUnit)) * 1e6, Measure.Median(grpc.Select(s => s.CpuPerUnit)) * 1e6);
    Console.WriteLine($"{"CPU microseconds per unary call",-34}{bareCpu.ToString("N1", CultureInfo.InvariantCulture),14}{grpcCpu.ToString("N1", CultureInfo.InvariantCulture),14}{(bareCpu / grpcCpu).ToString("P0", CultureInfo.InvariantCulture),9}");
    if (bytes > options.Guard) failures.Add($"a unary call allocates {bytes:N0} bytes; the guard is {options.Guard:N0}");
}
if (options.Only != "unary")
{
    var (bare, grpc) = await CompareAsync(loads.BareStreamAsync, loads.GrpcStreamAsync);
    Line($"client stream MB/s, {options.Chunk} B messages", bare, grpc, s => s.PerSecond / 1e6, "N1");
}
foreach (var failure in failures) Console.Error.WriteLine($"FAIL: {failure}");
return failures.Count == 0 ? 0 : 1;

// The two take turns, and who goes first alternates: what else the machine does hits both alike.
async Task<(List<Sample> Bare, List<Sample> Grpc)> CompareAsync(Func<double, Task<Sample>> bare, Func<double, Task<Sample>> grpc)
{
    // Turn by turn here too: the second half of the warm-up runs what the compiler made of the first.
    for (var half = 0; half < 2; half++)
    {
        await bare(options.Warmup / 2);
        await grpc(options.Warmup / 2);
    }
    List<Sample> bares = [], grpcs = [];
    for (var round = 0; round < options.Rounds; round++)
    {
        if (round % 2 == 0) bares.Add(await bare(options.Seconds));
        grpcs.Add(await grpc(options.Seconds));
        if (round % 2 == 1) bares.Add(await bare(options.Seconds));
    }
    return (bares, grpcs);
}

void Line(string what, List<Sample> bare, List<Sample> grpc, Func<Sample, double> value, string format)
{
    var (b, g) = (Measure.Median(bare.Select(value)), Measure.Median(grpc.Select(value)));
    // The share is taken round by round, between neighbours in time.
    var share = Measure.Median(bare.Zip(grpc, (x, y) => value(y) / value(x)));
    Console.WriteLine($"{what,-34}{b.ToString(format, CultureInfo.InvariantCulture),14}{g.ToString(format, CultureInfo.InvariantCulture),14}{share.ToString("P0", CultureInfo.InvariantCulture),9}");
    if (share < options.Ratio) failures.Add($"{what}: {share:P1} of the bare endpoint; {options.Ratio:P0} is wanted");
}

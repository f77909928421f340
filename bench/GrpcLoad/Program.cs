using System.Globalization;
using System.Runtime;
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

Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"""
    {options.Rounds} rounds of {options.Seconds} s of each side by turns, once the compiler has settled; .NET {Environment.Version}, {Environment.ProcessorCount} processors.
    bare         Kestrel HTTP/2 copying the body of a POST into the response, no routing, no trailers; plain HttpClient reading all of it.
    bare+trailer The same, with the headers and the trailer that every gRPC call must have, and no gRPC code: what the protocol alone costs.
    bare+array   The stream as frames that become one array each, and no gRPC code: what generated code's ByteString costs alone.
    gRPC         Generated service and client. Clients and servers are in this one process, on one connection per side.
    gRPC pooled  The stream with a marshaller by hand, to the official API, that reads messages into rented buffers, as services/Metrics does.
    Rates are medians. Shares are medians over rounds, each taken against the same round of bare: of the rate, which other work on
    the machine disturbs, and of the processor time per call or byte, which it disturbs less.

    """));
var report = new Report(options);
if (options.Only != "stream")
    await CompareAsync($"unary calls/s, {options.Concurrent} at a time, {options.Payload} B", "call", 1, ("bare", loads.BareUnaryAsync), ("bare+trailer", loads.TrailerUnaryAsync), ("gRPC", loads.GrpcUnaryAsync));
if (options.Only != "unary")
    await CompareAsync($"client stream MB/s, {options.Chunk} B messages", "MB", 1e6, ("bare", loads.BareStreamAsync), ("bare+array", loads.ArrayStreamAsync), ("gRPC pooled", loads.PooledStreamAsync), ("gRPC", loads.GrpcStreamAsync));
foreach (var failure in report.Failures) Console.Error.WriteLine($"FAIL: {failure}");
return report.Failures.Count == 0 ? 0 : 1;

async Task CompareAsync(string what, string unit, double perUnit, params (string Name, Func<double, Task<Sample>> RunAsync)[] sides)
{
    if (options.Side is not null) sides = [.. sides.Where(s => options.Side.Split(',').Contains(s.Name))];
    await WarmUpAsync(sides);
    var samples = sides.Select(_ => new List<Sample>()).ToArray();
    for (var round = 0; round < options.Rounds; round++)
    {
        // The order turns round each time: whatever drifts meanwhile favours nobody.
        for (var i = 0; i < sides.Length; i++)
        {
            var side = round % 2 == 0 ? i : sides.Length - 1 - i;
            samples[side].Add(await sides[side].RunAsync(options.Seconds));
        }
    }
    report.Add(what, unit, perUnit, [.. sides.Zip(samples, (side, taken) => (side.Name, (IReadOnlyList<Sample>)taken))]);
}

// The runtime compiles hot code several times over, in the background: what is measured before it is done is the compiler's work.
async Task WarmUpAsync((string Name, Func<double, Task<Sample>> RunAsync)[] sides)
{
    const int Settled = 20;
    var clock = TimeProvider.System;
    var start = clock.GetTimestamp();
    for (var calm = 0; calm < 2 && clock.GetElapsedTime(start).TotalSeconds < options.Warmup;)
    {
        var before = JitInfo.GetCompiledMethodCount();
        foreach (var side in sides) await side.RunAsync(0.5);
        calm = JitInfo.GetCompiledMethodCount() - before < Settled ? calm + 1 : 0;
    }
}

using System.CommandLine;
using Vigil.StandingQueries;

var queries = new Option<int>("--queries") { Description = "Standing queries avg_over_time(m{i=\"...\"}[5m]) > x.", DefaultValueFactory = _ => 10_000 };
var series = new Option<int>("--series") { Description = "Series that they read, each a sample a second; as many as queries unless said.", DefaultValueFactory = _ => 0 };
var histograms = new Option<bool>("--histograms") { Description = "Queries histogram_quantile(0.99, sum by (le) (rate(h_bucket{i=\"...\"}[5m]))) > x in their place; --series are histograms of ten buckets then." };
var seconds = new Option<int>("--seconds") { Description = "Length of each phase: first samples alone, then the queries too.", DefaultValueFactory = _ => 20 };
var sides = new Option<string[]>("--sides") { Description = "vigil, prometheus.", DefaultValueFactory = _ => ["vigil", "prometheus"], AllowMultipleArgumentsPerToken = true };
var set = new Option<string[]>("--set") { Description = "Further settings of the service, key=value.", DefaultValueFactory = _ => [] };

var root = new RootCommand("Keeps many standing queries: as watched expressions of Metrics, which tells each new value, and as alerts of Prometheus, evaluated each second. Both are sent the same samples by remote write, one after the other.")
{
    queries, series, histograms, seconds, sides, set,
};
root.SetAction(async (parsed, ct) =>
{
    var count = parsed.GetValue(queries);
    var feed = new Feed(parsed.GetValue(series) is var n && n > 0 ? n : count, parsed.GetValue(histograms));
    Console.WriteLine($"{count:N0} queries of {feed.Series:N0} series with a sample a second, windows of 5 min full from the start; {parsed.GetValue(seconds)} s each phase, {Environment.ProcessorCount} processors");
    Console.WriteLine($"{"",12}{"CPU, samples only",20}{"with queries",15}{"evaluations/s",15}{"missed",9}{"us/evaluation",15}{"all of it",11}");
    foreach (var side in parsed.GetValue(sides)!)
    {
        var folder = Directory.CreateTempSubdirectory("vigil-standing-").FullName;
        try
        {
            await using ISide program = side == "vigil" ? await VigilSide.StartAsync(folder, parsed.GetValue(set)!) : await PrometheusSide.StartAsync(folder);
            var result = await Run.MeasureAsync(program, feed, count, parsed.GetValue(seconds), ct);
            Console.WriteLine($"{side,12}{result.CpuBefore,20:P1}{result.CpuWith,15:P1}{result.EvaluationsPerSecond,15:N0}{result.Missed,9:P1}{result.OwnMicroseconds,15:N2}{result.AllMicroseconds,11:N2}  {result.Remark}");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
    return 0;
});
return await root.Parse(args).InvokeAsync();

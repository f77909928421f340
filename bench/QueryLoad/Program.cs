using System.CommandLine;
using Vigil.QueryLoad;
using Vigil.RemoteWriteLoad;

const int StepMs = 15_000;
var receivers = new Option<string[]>("--receivers") { Description = "vigil, prometheus, victoria-metrics: all at once, asked by turns.", DefaultValueFactory = _ => ["vigil", "prometheus"], AllowMultipleArgumentsPerToken = true };
var series = new Option<int>("--series") { Description = "Series that a range query reads; 0 for no range queries.", DefaultValueFactory = _ => 1_000 };
var jobs = new Option<int>("--jobs") { Description = "Jobs that they belong to: to Vigil one grain each.", DefaultValueFactory = _ => 1 };
var hours = new Option<double>("--hours") { Description = "Hours that a range query reads.", DefaultValueFactory = _ => 24 };
var rounds = new Option<int>("--rounds") { Description = "Times that each query is asked.", DefaultValueFactory = _ => 20 };
var only = new Option<string?>("--only") { Description = "Only the queries that hold this text." };
var restart = new Option<int>("--restart") { Description = "Series, in ten jobs, with 2 h of samples, at the restart; 0 for no restart.", DefaultValueFactory = _ => 100_000 };
var restarts = new Option<int>("--restarts") { Description = "Restarts of each kind.", DefaultValueFactory = _ => 3 };
var settle = new Option<int>("--settle") { Description = "Seconds that are waited at least after a load, for what is done later.", DefaultValueFactory = _ => 70 };

var root = new RootCommand("Gives Vigil and Prometheus the same samples, asks both the same range queries over HTTP, starts both again, and prints what that took.")
{
    receivers, series, jobs, hours, rounds, only, restart, restarts, settle,
};
root.SetAction(async (parsed, _) =>
{
    var names = parsed.GetValue(receivers)!;
    var patience = TimeSpan.FromSeconds(parsed.GetValue(settle));
    if (parsed.GetValue(series) > 0)
        await QueryRun.RunAsync(names, new Shape(parsed.GetValue(series), parsed.GetValue(jobs), (int)(parsed.GetValue(hours) * 3600_000 / StepMs), StepMs, Now()), parsed.GetValue(rounds), patience, parsed.GetValue(only));
    if (parsed.GetValue(restart) > 0)
        await RestartRun.RunAsync(names, new Shape(parsed.GetValue(restart), 10, 480, StepMs, Now()), parsed.GetValue(restarts), patience);
});
return await root.Parse(args).InvokeAsync();

static long Now() => TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() / StepMs * StepMs;

using System.CommandLine;
using Vigil.RemoteWriteLoad;
using Vigil.ScrapeLoad;

var scrapers = new Option<string[]>("--scrapers") { Description = "vigil, prometheus, victoria-metrics: each alone.", DefaultValueFactory = _ => ["vigil", "prometheus"], AllowMultipleArgumentsPerToken = true };
var targets = new Option<int>("--targets") { Description = "Targets, each a job of its own.", DefaultValueFactory = _ => 100 };
var series = new Option<int>("--series") { Description = "Series of each.", DefaultValueFactory = _ => 1_000 };
var interval = new Option<int>("--interval") { Description = "Milliseconds from one scrape of a target to the next.", DefaultValueFactory = _ => 2_000 };
var warm = new Option<int>("--warm") { Description = "Intervals before anything is counted.", DefaultValueFactory = _ => 10 };
var count = new Option<int>("--intervals") { Description = "Intervals that are counted.", DefaultValueFactory = _ => 10 };

var root = new RootCommand("Lets Vigil, Prometheus and VictoriaMetrics, one after the other, scrape the same pages, and prints the processor time of each.") { scrapers, targets, series, interval, warm, count };
root.SetAction(async (parsed, ct) =>
{
    var every = TimeSpan.FromMilliseconds(parsed.GetValue(interval));
    await using var load = await Targets.StartAsync(parsed.GetValue(targets), parsed.GetValue(series));
    Console.WriteLine($"{parsed.GetValue(targets):N0} targets of {parsed.GetValue(series):N0} series, {load.PageBytes:N0} bytes a page, every {every.TotalSeconds} s; {Environment.ProcessorCount} processors");
    Console.WriteLine($"{"",-18}{"CPU s per million samples",28}{"samples/s",14}{"wanted",12}{"resident MB",14}");
    foreach (var name in parsed.GetValue(scrapers)!)
    {
        await using var scraper = await Receiver.StartAsync(name, load.Jobs(every));
        await Task.Delay(every * parsed.GetValue(warm), ct);
        var (cpu, before) = (scraper.CpuSeconds, load.Samples);
        await Task.Delay(every * parsed.GetValue(count), ct);
        scraper.ThrowIfEnded();
        var scraped = (load.Samples - before) / 1e6;
        var seconds = (every * parsed.GetValue(count)).TotalSeconds;
        Console.WriteLine($"{name,-18}{(scraper.CpuSeconds - cpu) / scraped,28:N2}{scraped * 1e6 / seconds,14:N0}{parsed.GetValue(targets) * parsed.GetValue(series) / every.TotalSeconds,12:N0}{scraper.ResidentBytes / 1e6,14:N0}");
    }
});
return await root.Parse(args).InvokeAsync();
